package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed catalogues
var files embed.FS

// Message is one sentence of a catalogue: its text by CLDR plural form.
// A sentence without plural has the form "other" alone.
type Message struct {
	Key   string
	Area  string
	Forms map[string]string
}

// ReadCatalogue gives the messages of one language by key.
// It fails on a key that stands twice, an unreadable file or an unknown plural form.
func ReadCatalogue(lang string) (map[string]Message, error) {
	dir := path.Join("catalogues", lang)
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", lang, err)
	}
	messages := make(map[string]Message)
	for _, entry := range entries {
		data, err := fs.ReadFile(files, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", lang, err)
		}
		area := strings.TrimSuffix(entry.Name(), ".json")
		if err := addArea(messages, area, data); err != nil {
			return nil, fmt.Errorf("catalogue %s/%s: %w", lang, entry.Name(), err)
		}
	}
	return messages, nil
}

var pluralForms = map[string]bool{"zero": true, "one": true, "two": true, "few": true, "many": true, "other": true}

func addArea(messages map[string]Message, area string, data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for key, value := range raw {
		if other, ok := messages[key]; ok {
			return fmt.Errorf("key %q stands in %s too", key, other.Area)
		}
		message := Message{Key: key, Area: area, Forms: make(map[string]string)}
		var text string
		if err := json.Unmarshal(value, &text); err == nil {
			message.Forms["other"] = text
		} else if err := json.Unmarshal(value, &message.Forms); err != nil {
			return fmt.Errorf("key %q is neither a text nor plural forms", key)
		}
		if _, ok := message.Forms["other"]; !ok {
			return fmt.Errorf("key %q has no form \"other\"", key)
		}
		for form := range message.Forms {
			if !pluralForms[form] {
				return fmt.Errorf("key %q has the unknown plural form %q", key, form)
			}
		}
		messages[key] = message
	}
	return nil
}

// languageNames reads which catalogues are embedded, sorted.
func languageNames() ([]string, error) {
	entries, err := fs.ReadDir(files, "catalogues")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// newBundle reads the catalogues of these languages, and tells which sentences of
// each have plural forms: the others have the form "other" alone, and a count among
// their arguments is a number like any.
func newBundle(names []string) (bundle *i18n.Bundle, plural map[string]map[string]bool, err error) {
	bundle, plural = i18n.NewBundle(language.English), make(map[string]map[string]bool)
	for _, name := range names {
		tag, err := language.Parse(name)
		if err != nil {
			return nil, nil, fmt.Errorf("catalogue folder %q is no language: %w", name, err)
		}
		messages, err := ReadCatalogue(name)
		if err != nil {
			return nil, nil, err
		}
		plural[name] = make(map[string]bool)
		for _, m := range messages {
			if err := bundle.AddMessages(tag, bundleMessage(m)); err != nil {
				return nil, nil, fmt.Errorf("catalogue %s, key %q: %w", name, m.Key, err)
			}
			if len(m.Forms) > 1 {
				plural[name][m.Key] = true
			}
		}
	}
	return bundle, plural, nil
}

func bundleMessage(m Message) *i18n.Message {
	return &i18n.Message{
		ID:   m.Key,
		Zero: m.Forms["zero"], One: m.Forms["one"], Two: m.Forms["two"],
		Few: m.Forms["few"], Many: m.Forms["many"], Other: m.Forms["other"],
	}
}
