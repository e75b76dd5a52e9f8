package kuncitest_test

import (
	"net/http"
	"testing"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
)

// Every page of a visit shows one support code, the first one too, and by it the
// events are found. Another browser has another.
func TestTheSupportCodeOfAVisit(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{})
	shown := func(page *kuncitest.Page) string {
		t.Helper()
		found := page.Find(func(n *html.Node) bool {
			return n.Data == "bdi" && n.Parent != nil && kuncitest.Attribute(n.Parent, "class") == "code"
		})
		if len(found) != 1 || found[0].FirstChild == nil || len(found[0].FirstChild.Data) != 12 {
			t.Fatalf("no support code:\n%s", page.Text())
		}
		return found[0].FirstChild.Data
	}
	seen := map[string]bool{}
	for _, first := range []string{"/reset", "/signin"} {
		b := p.Browser()
		code := shown(b.Get(first))
		for _, page := range []*kuncitest.Page{
			b.Get(first), b.Get("/reset"), b.Post("/reset", "user_id", "alain@contoso.com").Want(http.StatusOK, "reset-choose"), b.Get("/signin"),
		} {
			if got := shown(page); got != code {
				t.Errorf("from %s: %s shows %s, the first page showed %s", first, page.Path, got, code)
			}
		}
		found := false
		for _, e := range p.Events() {
			found = found || e.Kind == audit.ResetStarted && e.Correlation == code
		}
		if !found || seen[code] {
			t.Errorf("%s finds no event, or is another browser's", code)
		}
		seen[code] = true
	}
	// Without cookies each page has its own: nothing holds them together.
	b := p.Browser().WithoutCookies()
	if one, two := shown(b.Get("/reset")), shown(b.Get("/reset")); one == two {
		t.Errorf("two strangers share %s", one)
	}
}
