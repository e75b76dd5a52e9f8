package help

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"kunci.dev/kunci/internal/feedback"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

//go:embed templates
var templates embed.FS

// Templates are the pages' templates, for the renderer.
func Templates() (fs.FS, error) { return fs.Sub(templates, "templates") }

// list is the name that feedback about the list itself has.
const list = "list"

// affected is the field that may stand several times.
const affected = "affected[]"

// Deps are what the pages call.
type Deps struct {
	Feedback *feedback.Service
	Pages    *page.Renderer
	// Brand gives how the organization of a short name is shown, and its ID.
	Brand func(ctx context.Context, slug string) (brand page.Brand, orgID string)
}

// Help is the pages.
type Help struct {
	Deps
	library library
}

// New refuses missing parts.
func New(d Deps) (*Help, error) {
	if d.Feedback == nil || d.Pages == nil || d.Brand == nil {
		return nil, errors.New("help: a part is missing")
	}
	l, err := openLibrary()
	if err != nil {
		return nil, err
	}
	return &Help{d, l}, nil
}

// Route is one method and path with its code.
type Route struct {
	Pattern string
	Handler page.Handler
}

// Routes lists every page.
func (h *Help) Routes() []Route {
	var all []Route
	for _, path := range []string{page.HelpRoot, page.HelpRoot + "/{article}"} {
		all = append(all, Route{"GET " + path, h.get}, Route{"POST " + path, h.post})
	}
	return all
}

// helpPage is the list of articles, or one of them.
type helpPage struct {
	page.Base
	Article  string // empty: the list
	Sections []section
	Body     template.HTML
	Thanks   bool

	Helpful  string
	Quality  string
	Marks    []string
	Affected []box
	Comment  string
	Longest  int

	query string // names the organization
}

// To is the address of an article for the same organization; without a name that of the list.
func (p *helpPage) To(article string) string { return address(article, p.query) }

// box is one of those that can be ticked.
type box struct {
	Name    string
	Checked bool
}

// open makes the page. The second result is the organization, for feedback.
func (h *Help) open(r *http.Request) (*helpPage, string, error) {
	article := r.PathValue("article")
	if article != "" && !known(article) {
		return nil, "", problem.New(problem.NotFound)
	}
	brand, orgID := h.Brand(r.Context(), r.URL.Query().Get("org"))
	p := &helpPage{
		Base: page.Base{Name: "help", Title: "help.title", Brand: brand}, Article: article, query: query(brand.Slug),
		Longest: feedback.MaxComment,
	}
	for mark := 1; mark <= feedback.MaxQuality; mark++ {
		p.Marks = append(p.Marks, strconv.Itoa(mark))
	}
	p.tick(nil)
	if article == "" {
		p.Sections = sections
		return p, orgID, nil
	}
	p.Title = "help." + article + ".title"
	to := reader{Org: brand.Name, Support: brand.Support, query: p.query}
	if to.Org == "" {
		to.Org = i18n.For(page.Lang(r)).T("help.your-organization")
	}
	var err error
	p.Body, err = h.library.body(page.Lang(r), article, to)
	return p, orgID, err
}

func (p *helpPage) tick(names []string) {
	p.Affected = nil
	for _, name := range feedback.Affected {
		p.Affected = append(p.Affected, box{name, slices.Contains(names, name)})
	}
}

func query(slug string) string {
	if slug == "" {
		return ""
	}
	return "?" + url.Values{"org": {slug}}.Encode()
}

func (h *Help) get(w http.ResponseWriter, r *http.Request) error {
	p, _, err := h.open(r)
	if err != nil {
		return err
	}
	p.Thanks = r.URL.Query().Has("thanks")
	return h.Pages.Write(w, r, http.StatusOK, "help", p)
}

func (h *Help) post(w http.ResponseWriter, r *http.Request) error {
	form, names, err := page.ReadListForm(r, affected)
	if err != nil {
		return err
	}
	p, orgID, err := h.open(r)
	if err != nil {
		return err
	}
	err = h.leave(r, p.Article, orgID, form, names)
	refusal, refused := problem.As(err)
	if !refused && err != nil {
		return err
	}
	if refused {
		p.Helpful, p.Quality, p.Comment = form["helpful"], form["language_quality"], form["comment"]
		p.tick(names)
		return h.refuse(w, r, p, refusal)
	}
	next := url.Values{"thanks": {""}}
	if p.Brand.Slug != "" {
		next.Set("org", p.Brand.Slug)
	}
	return page.See(w, r, r.URL.Path+"?"+next.Encode())
}

func (h *Help) leave(r *http.Request, article, orgID string, form page.Form, names []string) error {
	f := feedback.Feedback{OrgID: orgID, Article: article, Lang: page.Lang(r), Affected: names, Comment: form["comment"]}
	if article == "" {
		f.Article = list
	}
	switch form["helpful"] {
	case "yes":
		f.Helpful = true
	case "no":
	case "":
		return problem.New(problem.Required).On("helpful")
	default:
		return problem.New(problem.BadInput).On("helpful")
	}
	if mark := form["language_quality"]; mark != "" {
		n, err := strconv.Atoi(mark)
		if err != nil || n < 1 {
			return problem.New(problem.BadInput).On("language_quality")
		}
		f.Quality = n
	}
	return h.Feedback.Leave(r.Context(), page.Address(r), f)
}

// refuse answers with the same page and what was typed.
func (h *Help) refuse(w http.ResponseWriter, r *http.Request, p *helpPage, refusal *problem.Error) error {
	p.Refuse(refusal, page.Lang(r))
	page.RetryAfter(w, refusal.RetryAfter)
	status := refusal.Code.Status()
	if status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge {
		status = http.StatusUnprocessableEntity
	}
	return h.Pages.Write(w, r, status, "help", p)
}
