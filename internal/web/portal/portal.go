package portal

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

//go:embed templates
var templates embed.FS

// Templates are the pages' templates, for the renderer.
func Templates() (fs.FS, error) { return fs.Sub(templates, "templates") }

// Deps are what the pages call.
type Deps struct {
	DB           *store.DB
	Orgs         *org.Service
	Reset        *reset.Service
	SignIn       *signin.Service
	SecurityInfo *securityinfo.Service
	Captcha      *captcha.Service
	OwnData      OwnData
	Pages        *page.Renderer
	Log          *slog.Logger
	// PublicURL is the address people open.
	PublicURL string
	// Place says in a language where an address is.
	Place func(lang, ip string) string
	// PushKey is what browsers subscribe to notifications with; empty: there are none.
	PushKey string
	// Secure says that people come over https: cookies are then bound to this host and to https.
	Secure bool
}

// Portal is the pages.
type Portal struct {
	Deps
}

// New refuses missing parts.
func New(d Deps) (*Portal, error) {
	if d.DB == nil || d.Orgs == nil || d.Reset == nil || d.SignIn == nil || d.SecurityInfo == nil || d.Captcha == nil || d.Pages == nil || d.Log == nil || d.Place == nil || d.OwnData == nil {
		return nil, errors.New("portal: a part is missing")
	}
	return &Portal{d}, nil
}

// Route is one method and path with its code.
type Route struct {
	Pattern string // "GET /reset"
	Handler page.Handler
}

// Routes lists every page.
func (p *Portal) Routes() []Route {
	return slices.Concat(p.resetRoutes(), p.signinRoutes(), p.securityInfoRoutes(), p.ownDataRoutes(), p.pushRoutes())
}

// cookie names, without the prefix that a secure host adds.
const (
	resetCookie = "kunci-reset"
)

// VisitCookie is planted by the first page. It shows that the browser keeps
// cookies, and holds together what one visit does (see the support code).
const VisitCookie = "kunci-visit"

func (p *Portal) cookieName(name string) string { return page.CookieName(p.Secure, name) }

func (p *Portal) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever people come over https
		Name: p.cookieName(name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: p.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (p *Portal) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(p.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// onlyOrg is the organization of an installation that has just one: its people
// see its name before they typed anything.
func (p *Portal) onlyOrg(ctx context.Context) *org.Organization {
	o, err := p.Orgs.Only(ctx, p.DB)
	if err != nil {
		p.Log.Warn("organizations cannot be listed", "error", err)
	}
	return o
}

// Brand is how the organization of that short name is shown; without a name the
// only organization, else the product itself.
func (p *Portal) Brand(ctx context.Context, slug string) (brand page.Brand, orgID string) {
	o := p.onlyOrg(ctx)
	if o == nil && slug != "" {
		err := p.DB.Read(ctx, func(tx *store.Tx) (err error) { o, err = p.Orgs.BySlug(ctx, tx, slug); return err })
		if err != nil && !problem.Has(err, problem.NotFound) {
			p.Log.Warn("the organization cannot be read", "error", err)
		}
		if err != nil {
			o = nil
		}
	}
	if o == nil {
		return page.Brand{}, ""
	}
	return page.BrandOf(o), o.ID
}

// Language is that of the only organization; where there are several, the product's first.
func (p *Portal) Language(ctx context.Context) string {
	if o := p.onlyOrg(ctx); o != nil && i18n.Known(o.Language) {
		return o.Language
	}
	return "id"
}

// SupportEmail is where the only organization's people get help; empty where
// there are several.
func (p *Portal) SupportEmail(ctx context.Context) string {
	if o := p.onlyOrg(ctx); o != nil {
		return o.Support.Email
	}
	return ""
}

// logo serves an organization's picture.
func (p *Portal) logo(w http.ResponseWriter, r *http.Request) error {
	var o *org.Organization
	err := p.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		o, err = p.Orgs.BySlug(r.Context(), tx, r.PathValue("org"))
		return err
	})
	if err != nil {
		return err
	}
	if len(o.Branding.Logo) == 0 {
		return problem.New(problem.NotFound)
	}
	// Opened by itself, a picture is a document of our address: it gets to load and run nothing.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", o.Branding.LogoType)
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, err = w.Write(o.Branding.Logo)
	return err
}

// Home is where the start page leads: in, or to signing in.
func (p *Portal) Home(r *http.Request) string {
	signed, err := p.SignIn.Current(r.Context(), p.cookie(r, sessionCookie))
	if err != nil && !problem.Has(err, problem.SignedOut) {
		p.Log.Warn("who is signed in cannot be found out", "correlation", page.Correlation(r), "error", err)
	}
	if err != nil || signed.Session.Level != session.Full {
		return "/signin"
	}
	return "/security-info"
}
