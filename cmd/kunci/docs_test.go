package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var (
	written = regexp.MustCompile(`\bkunci ([a-z][a-z-]*(?:\|[a-z][a-z-]*)*)(?: ([a-z][a-z-]*(?:\|[a-z][a-z-]*)*))?`)
	own     = map[string]bool{"help": true, "completion": true} // cobra's
)

// mentioned gives the commands that the documents name: "kunci token import|list" is two.
func mentioned(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(filepath.Join("..", "..", "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range written.FindAllStringSubmatch(string(text), -1) {
			for _, first := range strings.Split(match[1], "|") {
				names[first] = true
				for _, second := range strings.FieldsFunc(match[2], func(r rune) bool { return r == '|' }) {
					names[first+" "+second] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEveryCommandIsInTheDocuments(t *testing.T) {
	names := mentioned(t)
	var walk func(c *cobra.Command, path string)
	walk = func(c *cobra.Command, path string) {
		for _, sub := range c.Commands() {
			name := strings.TrimSpace(path + " " + sub.Name())
			if sub.HasSubCommands() {
				walk(sub, name)
			} else if !own[sub.Name()] && !names[name] {
				t.Errorf("no document says what kunci %s is for", name)
			}
		}
	}
	walk(newRoot(), "")
}

func TestDocumentsNameNoCommandThatIsNotThere(t *testing.T) {
	for name := range mentioned(t) {
		words := strings.Fields(name)
		first, _, err := newRoot().Find(words[:1])
		if err != nil || first.Name() != words[0] {
			t.Errorf("a document names kunci %s", name)
			continue
		}
		if len(words) == 2 && first.HasSubCommands() {
			if second, _, err := newRoot().Find(words); err != nil || second.Name() != words[1] {
				t.Errorf("a document names kunci %s", name)
			}
		}
	}
}

// acting are the commands whose answer is that they acted, and those that run
// until they are stopped; every other one prints data, so it knows --json.
var acting = map[string]bool{
	"account erase": true, "account freeze": true, "account require-registration": true, "account unlink": true, "account unlock": true,
	"api-key revoke": true, "demo": true, "init": true, "keys reseal": true, "keys rotate": true, "serve": true, "tap revoke": true,
	"token activate": true, "token assign": true, "token drop": true, "token take": true, "webhook discard": true, "webhook pause": true, "webhook remove": true,
	"webhook resume": true, "webhook send-again": true, "webhook test": true,
}

func TestEveryCommandThatPrintsDataPrintsJSON(t *testing.T) {
	var walk func(c *cobra.Command, path string)
	walk = func(c *cobra.Command, path string) {
		for _, sub := range c.Commands() {
			name := strings.TrimSpace(path + " " + sub.Name())
			switch {
			case own[sub.Name()]:
			case sub.HasSubCommands():
				walk(sub, name)
			case acting[name] == (sub.Flags().Lookup("json") != nil):
				t.Errorf("kunci %s prints data and knows no --json, or acts and knows it", name)
			}
		}
	}
	walk(newRoot(), "")
}
