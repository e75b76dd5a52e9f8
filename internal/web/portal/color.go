package portal

import (
	"net/http"
	"strings"

	"kunci.dev/kunci/internal/contrast"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// brandStyle serves the color of an organization as a file: pages may hold no style.
func (p *Portal) brandStyle(w http.ResponseWriter, r *http.Request) error {
	slug, ok := strings.CutSuffix(r.PathValue("file"), ".css")
	if !ok {
		return problem.New(problem.NotFound)
	}
	var o *org.Organization
	err := p.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		o, err = p.Orgs.BySlug(r.Context(), tx, slug)
		return err
	})
	if err != nil {
		return err
	}
	css := contrast.Style(o.Branding.Color, o.Branding.ColorDark)
	if css == "" {
		return problem.New(problem.NotFound)
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, _ = w.Write([]byte(css)) // the client may be gone
	return nil
}
