package page

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
)

func TestWaitsAreSaidInUnitsPeopleUse(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 minute", time.Minute: "1 minute", 61 * time.Second: "2 minutes", time.Hour: "60 minutes",
		119 * time.Minute: "119 minutes", 119*time.Minute + time.Second: "2 hours", 2 * time.Hour: "2 hours",
		23*time.Hour + 59*time.Minute: "24 hours", 24 * time.Hour: "24 hours",
	} {
		b := Base{printer: i18n.For("en")}
		if got := b.Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestARefusalSaysHowLong(t *testing.T) {
	for d, want := range map[time.Duration]string{24 * time.Hour: "Try again in 24 hours.", time.Minute: "Try again in 1 minute."} {
		var b Base
		b.Refuse(problem.New(problem.Blocked).After(d), "en")
		if text := b.Alert.Text; len(text) < len(want) || text[len(text)-len(want):] != want {
			t.Errorf("%v: %q", d, text)
		}
	}
}

// A field of a sort that has no style is small and cannot be read on a phone.
func TestEverySortOfFieldHasItsStyle(t *testing.T) {
	style, err := os.ReadFile(filepath.Join("static", "kunci.css"))
	if err != nil {
		t.Fatal(err)
	}
	plain := map[string]bool{"hidden": true, "submit": true, "button": true, "checkbox": true, "radio": true}
	sorts := 0
	for _, folder := range []string{"templates", filepath.Join("..", "portal", "templates"), filepath.Join("..", "console", "templates"), filepath.Join("..", "help", "templates")} {
		files, err := filepath.Glob(filepath.Join(folder, "*.html"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range regexp.MustCompile(`<input[^>]* type="([a-z-]+)"`).FindAllStringSubmatch(string(text), -1) {
				if sorts++; !plain[found[1]] && !strings.Contains(string(style), "input[type="+found[1]+"]") {
					t.Errorf("%s: a field of the sort %s has no style", name, found[1])
				}
			}
		}
	}
	if sorts < 20 {
		t.Errorf("only %d fields were found", sorts)
	}
}
