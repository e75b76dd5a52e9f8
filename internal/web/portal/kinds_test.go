package portal

import (
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

// registered tells whether people add a kind themselves.
func registered(k method.Kind) bool { return k != method.TemporaryAccessPass }

// A kind is whole or it is not built: whoever adds one finds here what is missing.
func TestEveryKindIsWhole(t *testing.T) {
	documented := pagesOfKinds(t)
	icons, err := os.ReadFile("../page/static/icons.svg")
	if err != nil {
		t.Fatal(err)
	}
	bodies := storiesByName(t)
	for _, k := range method.Kinds() {
		if !k.Built() {
			if _, ok := kindPages[k]; ok || challenge.Verifies(k) {
				t.Errorf("%s is half built", k)
			}
			continue
		}
		lacks := func(what string) { t.Helper(); t.Errorf("%s has no %s", k, what) }
		if !challenge.Verifies(k) {
			lacks("verifier")
		}
		if !strings.Contains(documented, "`"+string(k)+"`") {
			lacks("page in docs/methods that names it")
		}
		if page.HelpArticles()[string(k)] == "" {
			lacks("article in the help")
		}
		if !strings.Contains(string(icons), `id="`+string(k)+`"`) {
			lacks("icon")
		}
		words := []string{"kind.", "notify.kind.", "reset.verify.title."}
		for _, lang := range i18n.Languages() {
			for _, start := range words {
				if !i18n.For(lang).Has(start + string(k)) {
					lacks(lang + " " + start + string(k))
				}
			}
			for _, key := range wordsOf(k) {
				if !i18n.For(lang).Has(key) {
					lacks(lang + " " + key)
				}
			}
		}
		if _, ok := kindPages[k]; ok != registered(k) {
			lacks("page on which it is registered")
		}
		for name, wanted := range map[string]bool{
			"choose " + string(k): k.ProvesReset(), "verify " + string(k): k.ProvesReset(), "signin verify " + string(k): k.ProvesSignIn(),
		} {
			body, ok := bodies[name]
			if ok != wanted {
				lacks("story " + name)
			}
			if wanted && strings.Contains(name, "verify") && !asks(body) {
				lacks("part that asks for it on the page of " + name)
			}
		}
		if registered(k) && !strings.Contains(bodies["add"], `kind=`+string(k)+`"`) {
			lacks("line on the page of what can be added")
		}
	}
}

// asks tells whether a page can be answered: by typing, or on a device.
func asks(body string) bool {
	for _, part := range []string{`name="code"`, `name="answer_1"`, "data-passkey", "data-push"} {
		if strings.Contains(body, part) {
			return true
		}
	}
	return false
}

// wordsOf are the keys that templates make from the name of a kind.
func wordsOf(k method.Kind) []string {
	keys := []string{"kind." + string(k) + ".do"}
	if !challenge.Sends(k) {
		keys = append(keys, "reset.verify."+string(k))
	}
	if registered(k) {
		keys = append(keys, "securityinfo."+string(k)+".what", "securityinfo."+string(k)+".title")
	}
	if registered(k) && !securityinfo.Issued(k) {
		keys = append(keys, "securityinfo."+string(k)+".verify.title")
	}
	if k.Typed() {
		keys = append(keys, "field.code."+string(k))
	}
	return keys
}

func pagesOfKinds(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../../../docs/methods/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// storiesByName renders every story in English; of several with one name, the last.
func storiesByName(t *testing.T) map[string]string {
	t.Helper()
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, s := range stories() {
		r := httptest.NewRequest("GET", s.path, nil)
		r = r.WithContext(page.WithRequest(r.Context(), "en", "supportcode1", "192.0.2.1"))
		w := httptest.NewRecorder()
		if err := pages.Write(w, r, 200, s.template, s.page()); err != nil {
			t.Fatal(err)
		}
		all[s.name] = w.Body.String()
	}
	return all
}
