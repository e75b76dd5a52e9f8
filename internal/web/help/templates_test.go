package help

import (
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

var (
	tag    = regexp.MustCompile(`(?s)<[^>]*>`)
	rawKey = regexp.MustCompile(`\b(?:help|page|problem)\.[a-z_]+[a-z_.-]*\b`)
)

func renderer(t *testing.T) *page.Renderer {
	t.Helper()
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestTheTemplateFitsItsPage(t *testing.T) {
	template, err := renderer(t).Template("help")
	if err != nil {
		t.Fatal(err)
	}
	if err := templatecheck.CheckHTML(template.Lookup("layout"), &helpPage{}); err != nil {
		t.Error(err)
	}
}

// Every state of the page is written in every language, in sentences.
func TestThePageSpeaksEveryLanguage(t *testing.T) {
	pages := renderer(t)
	for _, lang := range i18n.Languages() {
		for name, p := range map[string]*helpPage{
			"list": {Sections: sections}, "article": {Article: "codes", Body: "<p>x</p>"}, "thanks": {Article: "codes", Thanks: true},
			"refused": {Article: "codes", Helpful: "no", Quality: "2", Comment: "<b>"},
		} {
			p.Base = page.Base{Name: "help", Title: "help.title", Brand: page.Brand{Name: "Contoso", Slug: "contoso"}}
			p.query, p.Marks = "?org=contoso", []string{"1", "2"}
			p.tick([]string{"steps"})
			if name == "refused" {
				p.Refuse(problem.New(problem.TooLong, "max", 1000).On("comment"), lang)
			}
			r := httptest.NewRequest("GET", "/help", nil)
			w := httptest.NewRecorder()
			if err := pages.Write(w, r.WithContext(page.WithRequest(r.Context(), lang, "code", "192.0.2.1")), 200, "help", p); err != nil {
				t.Fatal(err)
			}
			body := w.Body.String()
			if key := rawKey.FindString(tag.ReplaceAllString(body, " ")); key != "" {
				t.Errorf("%s %s shows the key %s", lang, name, key)
			}
			if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<b>") || !strings.Contains(body, `href="/help?org=contoso"`) {
				t.Errorf("%s %s:\n%s", lang, name, body)
			}
			if ticked := strings.Contains(body, `value="steps" checked`) && strings.Count(body, " checked") > 1; name == "refused" && !ticked {
				t.Errorf("%s: what was chosen is gone:\n%s", lang, body)
			}
		}
	}
}
