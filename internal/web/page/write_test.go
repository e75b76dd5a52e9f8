package page

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

type countedPage struct {
	Base
	shown *int
}

// Shown counts how often the page is rendered.
func (p *countedPage) Shown() int {
	*p.shown++
	return *p.shown
}

// A page that is the same for everybody is rendered once a language and version, and
// still holds each reader's own support code.
func TestAPageThatIsTheSameIsRenderedOnce(t *testing.T) {
	r, err := NewRenderer(slog.New(slog.DiscardHandler), fstest.MapFS{"counted.html": {Data: []byte(`{{define "main"}}<p>{{.Shown}}</p>{{end}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	ask := func(lang, code, version string) string {
		t.Helper()
		req := httptest.NewRequest(http.MethodGet, "/counted", nil)
		req = req.WithContext(WithRequest(req.Context(), lang, code, ""))
		w := httptest.NewRecorder()
		view := &countedPage{Base: Base{Name: "counted", Title: "page.error.title", Brand: Brand{Name: version}}, shown: &shown}
		if err := r.WriteSame(w, req, "counted", version, view); err != nil {
			t.Fatal(err)
		}
		text := w.Body.String()
		if w.Header().Get("Content-Length") != "" && w.Result().ContentLength != int64(len(text)) {
			t.Errorf("the length is said to be %d, it is %d", w.Result().ContentLength, len(text))
		}
		if w.Header().Get("Content-Language") != lang || !strings.Contains(text, "<bdi>"+code+"</bdi>") || strings.Contains(text, standIn) || !strings.HasSuffix(text, "</html>") {
			t.Errorf("%s, %s:\n%s", lang, code, text)
		}
		return strings.ReplaceAll(text, code, "")
	}
	first := ask("id", "aaaaaaaaaaaa", "1")
	if again := ask("id", "bbbbbbbbbbbb", "1"); again != first || shown != 1 {
		t.Errorf("rendered %d times:\n%s", shown, again)
	}
	if english := ask("en", "cccccccccccc", "1"); english == first || shown != 2 {
		t.Errorf("rendered %d times for two languages", shown)
	}
	if later := ask("id", "dddddddddddd", "2"); !strings.Contains(later, "<p>3</p>") {
		t.Errorf("of another version:\n%s", later)
	}
}
