package page

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"kunci.dev/kunci/internal/problem"
)

//go:embed templates
var own embed.FS

// Renderer writes pages of one or more template folders.
type Renderer struct {
	// templates are parsed when a page is shown first: most nodes never show most
	// pages, and parsed they take ten times their text. Tests parse them all.
	templates map[string]func() (*template.Template, error)
	log       *slog.Logger
	same      *sync.Map // of WriteSame: a template and a language → sameText
}

// partPrefix begins the names of templates that several pages share.
const partPrefix = "part_"

// NewRenderer reads the layout and every page of the given folders.
func NewRenderer(log *slog.Logger, folders ...fs.FS) (*Renderer, error) {
	layout, err := own.ReadFile("templates/layout.html")
	if err != nil {
		return nil, err
	}
	pages, parts := make(map[string]string), string(layout)
	ours, err := fs.Sub(own, "templates")
	if err != nil {
		return nil, err
	}
	for _, folder := range append([]fs.FS{ours}, folders...) {
		names, err := fs.Glob(folder, "*.html")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if name == "layout.html" {
				continue
			}
			text, err := fs.ReadFile(folder, name)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(path.Base(name), partPrefix) {
				parts += string(text)
				continue
			}
			pages[strings.TrimSuffix(path.Base(name), ".html")] = string(text)
		}
	}
	r := &Renderer{templates: make(map[string]func() (*template.Template, error), len(pages)), log: log, same: new(sync.Map)}
	for name, text := range pages {
		r.templates[name] = sync.OnceValues(func() (*template.Template, error) { return parse(parts, name, text) })
	}
	return r, nil
}

var functions = template.FuncMap{"asset": AssetPath}

// parse reads a page, which defines "main", into the layout.
func parse(layout, name, text string) (*template.Template, error) {
	t, err := template.New("layout").Funcs(functions).Parse(layout)
	if err != nil {
		return nil, err
	}
	_, err = t.New(name).Parse(text)
	return t, err
}

// For gives a renderer of the same pages that says elsewhere what failed.
func (r *Renderer) For(log *slog.Logger) *Renderer {
	return &Renderer{templates: r.templates, log: log, same: new(sync.Map)}
}

// Template gives a parsed page.
func (r *Renderer) Template(name string) (*template.Template, error) {
	parsed, ok := r.templates[name]
	if !ok {
		return nil, problem.New(problem.Internal).On("template " + name)
	}
	return parsed()
}

// Names lists the pages.
func (r *Renderer) Names() []string {
	var names []string
	for name := range r.templates {
		names = append(names, name)
	}
	return names
}

// Handler is a page's code. The error it returns becomes an error page.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Handle is the one adapter from a Handler to net/http.
func (r *Renderer) Handle(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := h(w, req); err != nil {
			r.Fail(w, req, err)
		}
	})
}

// errorPage is shown where no page of its own can show a refusal.
type errorPage struct{ Base }

// Fail answers with the error page of a refusal, or of a fault of ours.
func (r *Renderer) Fail(w http.ResponseWriter, req *http.Request, err error) {
	p, ok := problem.As(err)
	if !ok {
		p = problem.New(problem.Internal).Because(err)
	}
	if errors.Is(err, context.Canceled) && req.Context().Err() != nil {
		return // nobody is there to read it
	}
	if p.Code == problem.Internal {
		r.log.Error("a page failed", "path", req.Pattern, "correlation", Correlation(req), "error", err)
	}
	RetryAfter(w, p.RetryAfter)
	view := &errorPage{Base{Name: "error", Title: "page.error.title"}}
	view.Refuse(p, Lang(req))
	if err := r.Write(w, req, p.Code.Status(), "error", view); err != nil {
		r.log.Error("the error page failed", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// RetryAfter sets the header of that name, in whole seconds.
func RetryAfter(w http.ResponseWriter, d time.Duration) {
	if d > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
}

// See answers 303: the next page is fetched with GET.
func See(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}
