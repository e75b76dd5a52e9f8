package i18n_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/i18n"
)

// pluralForms are the CLDR plural forms that whole numbers take in each language.
var pluralForms = map[string][]string{"en": {"one", "other"}, "id": {"other"}}

var placeholder = regexp.MustCompile(`\{\{\s*\.([A-Za-z_]+)\s*\}\}`)

func catalogues(t *testing.T) map[string]map[string]i18n.Message {
	t.Helper()
	all := make(map[string]map[string]i18n.Message)
	for _, lang := range i18n.Languages() {
		messages, err := i18n.ReadCatalogue(lang)
		if err != nil {
			t.Fatal(err)
		}
		all[lang] = messages
	}
	if len(all) < 2 {
		t.Fatalf("catalogues for %d languages, want at least Indonesian and English", len(all))
	}
	return all
}

func placeholders(m i18n.Message) []string {
	var names []string
	for _, text := range m.Forms {
		for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
			if match[1] != "count" && !slices.Contains(names, match[1]) {
				names = append(names, match[1])
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestEveryLanguageHasEveryMessage(t *testing.T) {
	all := catalogues(t)
	english := all["en"]
	for lang, messages := range all {
		for key, want := range english {
			got, ok := messages[key]
			if !ok {
				t.Errorf("%s lacks %q (area %s)", lang, key, want.Area)
				continue
			}
			if g, w := placeholders(got), placeholders(want); !slices.Equal(g, w) {
				t.Errorf("%s %q has the placeholders %v, English has %v", lang, key, g, w)
			}
		}
		for key, m := range messages {
			if _, ok := english[key]; !ok {
				t.Errorf("%s has %q (area %s), which English lacks", lang, key, m.Area)
			}
		}
	}
}

func TestEveryMessageCanBeWritten(t *testing.T) {
	for lang, messages := range catalogues(t) {
		printer := i18n.For(lang)
		for key, m := range messages {
			if len(m.Forms) > 1 {
				for _, form := range pluralForms[lang] {
					if m.Forms[form] == "" {
						t.Errorf("%s %q has no plural form %q", lang, key, form)
					}
				}
			}
			data := map[string]any{}
			for _, name := range placeholders(m) {
				data[name] = "‹" + name + "›"
			}
			for _, count := range []int{0, 1, 2, 5, 11, 100} {
				data["count"] = count
				text := printer.TMap(key, data)
				if text == key || strings.Contains(text, "<no value>") || strings.Contains(text, "{{") {
					t.Errorf("%s %q with %d is written %q", lang, key, count, text)
				}
			}
		}
	}
}

// sourceKeys gives every literal key that Go code and templates ask for.
func sourceKeys(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	inTemplate := regexp.MustCompile(`\bT(?:Map|HTML)?\s+"([a-z0-9_.\-]+)"`)
	keys := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); strings.HasPrefix(name, ".") && len(name) > 2 || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		switch {
		case strings.HasSuffix(path, ".html"), strings.HasSuffix(path, ".tmpl"), strings.HasSuffix(path, ".txt"):
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range inTemplate.FindAllSubmatch(data, -1) {
				keys[string(match[1])] = path
			}
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			goKeys(t, path, keys)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func goKeys(t *testing.T, path string, keys map[string]string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || (selector.Sel.Name != "T" && selector.Sel.Name != "TMap") {
			return true
		}
		if literal, ok := call.Args[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if key, err := strconv.Unquote(literal.Value); err == nil {
				keys[key] = path
			}
		}
		return true
	})
}

func TestEveryKeyAskedForExists(t *testing.T) {
	english := catalogues(t)["en"]
	for key, path := range sourceKeys(t) {
		if _, ok := english[key]; !ok {
			t.Errorf("%s asks for %q, which no catalogue has", path, key)
		}
	}
}

func TestEveryProblemCodeHasItsSentence(t *testing.T) {
	english := catalogues(t)["en"]
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "problem", "codes.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		code, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if _, ok := english["problem."+code]; !ok {
			t.Errorf("the code %s has no sentence problem.%s", code, code)
		}
		return true
	})
	if found < 20 {
		t.Fatalf("found %d codes in codes.go", found)
	}
}

// One thing has one name in a language. Names of fields and of other programs' things
// stay as they are.
func TestOneWordForOneThing(t *testing.T) {
	banned := map[string]*regexp.Regexp{
		"id": regexp.MustCompile(`(?i)\b(e-?mails?|log-?in|sign-?in|admin|browser|passwords?|sandi lewat|upload|download|passphrase)\b`),
		"en": regexp.MustCompile(`(?i)\b(emails?|log(ged|ging)?[ -]?(in|out|off)|sign-?on|passcode)\b`),
	}
	fields := regexp.MustCompile(`\{\{[^}]*\}\}|attributes\.email|\(email\)|\{email:|name email,|sertakan email,|Password Settings Container|(?i)single sign-on`)
	for lang, messages := range catalogues(t) {
		for key, m := range messages {
			for _, text := range m.Forms {
				if found := banned[lang].FindString(fields.ReplaceAllString(text, "")); found != "" {
					t.Errorf("%s %q says %q: %s", lang, key, found, text)
				}
			}
		}
	}
}
