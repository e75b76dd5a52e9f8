package levels

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading      = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// documents gives every Markdown file that people read, by its path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	all := make(map[string]string)
	read := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(text)
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} {
		read(filepath.Join(root, name))
	}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// anchors are the names that a document's headings have in links, as GitHub and
// GitLab make them.
func anchors(text string) map[string]bool {
	names := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		names[strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")] = true
	}
	return names
}

// deadLinks lists the links of a document that lead to no file and no heading.
func deadLinks(path, text string) []string {
	var dead []string
	for _, match := range markdownLink.FindAllStringSubmatch(text, -1) {
		target, err := url.Parse(match[1])
		if err != nil {
			dead = append(dead, match[1])
			continue
		}
		if target.IsAbs() {
			continue
		}
		file := path
		if target.Path != "" {
			file = filepath.Join(filepath.Dir(path), target.Path)
		}
		there, err := os.Stat(file)
		if err != nil {
			dead = append(dead, match[1])
			continue
		}
		if target.Fragment == "" || there.IsDir() {
			continue
		}
		other, err := os.ReadFile(file)
		if err != nil || !anchors(string(other))[target.Fragment] {
			dead = append(dead, match[1])
		}
	}
	return dead
}

func TestDocumentsLeadSomewhere(t *testing.T) {
	all := documents(t)
	if len(all) < 20 {
		t.Fatalf("only %d documents were found", len(all))
	}
	for path, text := range all {
		for _, link := range deadLinks(path, text) {
			t.Errorf("%s: the link %s leads nowhere", path, link)
		}
	}
}

// The rule itself, and that every page of the documentation can be reached.
func TestDeadLinksAreFound(t *testing.T) {
	readme := filepath.Join("..", "..", "README.md")
	for link, want := range map[string]int{
		"docs/users.md": 0, "docs/decisions": 0, "docs/nobody.md": 1, "docs/users.md#security-info": 0, "docs/users.md#nothing": 1,
		"https://example.org/x": 0, "#running-it": 0, "#nothing": 1,
	} {
		if dead := deadLinks(readme, "see ["+link+"]("+link+")"); len(dead) != want {
			t.Errorf("%s: %q", link, dead)
		}
	}
	linked := make(map[string]bool)
	all := documents(t)
	for path, text := range all {
		for _, match := range markdownLink.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(match[1], "#")
			linked[filepath.Join(filepath.Dir(path), target)] = true
		}
	}
	for path := range all {
		if filepath.Base(path) != "README.md" && !linked[path] && !linked[filepath.Dir(path)] {
			t.Errorf("no document leads to %s", path)
		}
	}
}
