package demo

import (
	"bytes"
	"context"
	"embed"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/i18n"
)

//go:embed assets
var assets embed.FS

// policy is the product's own content policy: nothing inline, nothing from elsewhere.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// mailPolicy lets a mail's inline style work and nothing else: no script, no
// form, no picture from elsewhere; a link leaves the page for a new one.
const mailPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"

// pages answers /demo and below.
type pages struct {
	mux       *http.ServeMux
	inbox     *Inbox
	url       string
	now       func() time.Time
	log       *slog.Logger
	templates *template.Template

	mu      sync.RWMutex
	secrets map[string][]byte // of the authenticator apps, by user ID
}

func newPages(inbox *Inbox, url string, now func() time.Time, log *slog.Logger) (*pages, error) {
	parsed, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("demo pages: %w", err)
	}
	p := &pages{mux: http.NewServeMux(), inbox: inbox, url: url, now: now, log: log, templates: parsed}
	p.mux.HandleFunc("GET /demo", p.people)
	p.mux.HandleFunc("GET /demo/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/demo", http.StatusMovedPermanently)
	})
	p.mux.HandleFunc("GET /demo/inbox", p.messages)
	p.mux.HandleFunc("GET /demo/inbox.json", p.messagesJSON)
	p.mux.HandleFunc("GET /demo/inbox/{id}", p.message)
	p.mux.HandleFunc("GET /demo/style.css", p.style)
	return p, nil
}

// ServeHTTP answers one request.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	p.mux.ServeHTTP(w, r)
}

// fill makes the people and learns the secrets of their apps.
func (p *pages) fill(ctx context.Context, r Rooms) error {
	fresh, err := seed(ctx, r)
	if err != nil {
		return err
	}
	secrets, err := authenticators(ctx, r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.secrets = secrets
	p.mu.Unlock()
	if !fresh {
		return nil
	}
	// Wrong passwords cost their hashes: the first page does not wait for them.
	go func() {
		if err := lock(ctx, r); err != nil && ctx.Err() == nil {
			p.log.Error("the demo's locked person is not locked", "error", err)
		}
	}()
	return nil
}

// base is what every page of the demo has.
type base struct {
	*i18n.Printer
	Path  string
	Title string
}

// Languages gives the languages this page can be read in.
func (b base) Languages() []language {
	var all []language
	for _, lang := range i18n.Languages() {
		all = append(all, language{lang, i18n.For(lang).Name(), lang == b.Lang()})
	}
	return all
}

type language struct {
	Code, Name string
	Current    bool
}

func newBase(r *http.Request, title string) base {
	lang := r.URL.Query().Get("lang")
	if !i18n.Known(lang) {
		lang = i18n.Match(r.Header.Get("Accept-Language"), i18n.Fallback)
	}
	p := i18n.For(lang)
	return base{Printer: p, Path: r.URL.Path, Title: p.T(title)}
}

type card struct {
	person
	Situation, Try string
	Password       string
	Code           string
	Seconds        int
}

func (p *pages) people(w http.ResponseWriter, r *http.Request) {
	page := struct {
		base
		Cards []card
	}{base: newBase(r, "demo.title")}
	p.mu.RLock()
	defer p.mu.RUnlock()
	now := p.now()
	for _, who := range people {
		c := card{person: who, Situation: page.T("demo." + who.ID + ".situation"), Try: page.T("demo." + who.ID + ".try")}
		if who.Password {
			c.Password = Password
		}
		if secret, ok := p.secrets[who.UserID]; ok {
			code, err := appCode(secret, now)
			if err != nil {
				p.fail(w, err)
				return
			}
			c.Code, c.Seconds = code, int(period.Seconds())-now.Second()%int(period.Seconds())
		}
		page.Cards = append(page.Cards, c)
	}
	p.render(w, "people.html", page)
}

// appCode is what the person's authenticator app shows now.
func appCode(secret []byte, now time.Time) (string, error) {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	return totp.GenerateCodeCustom(text, now, totp.ValidateOpts{
		Period: uint(period.Seconds()), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
}

func (p *pages) messages(w http.ResponseWriter, r *http.Request) {
	page := struct {
		base
		Entries []shown
		Refresh int
	}{base: newBase(r, "demo.inbox.title")}
	if r.URL.Query().Has("follow") {
		page.Refresh = refreshSeconds
	}
	for _, e := range p.inbox.All() {
		page.Entries = append(page.Entries, shown{e, p.pieces(e.Text), page.DateTime(e.Date)})
	}
	p.render(w, "inbox.html", page)
}

// refreshSeconds is how often the inbox looks for new messages, where its reader
// wants that and until they stop it (WCAG 2.2.1).
const refreshSeconds = 5

// shown is a message as the inbox shows it.
type shown struct {
	Entry
	Pieces []piece
	When   string
}

// piece is a stretch of text, or a link to the product itself.
type piece struct{ Text, URL string }

// pieces makes the product's own addresses links; other addresses stay text.
func (p *pages) pieces(text string) []piece {
	var all []piece
	for {
		before, after, found := strings.Cut(text, p.url+"/")
		all = append(all, piece{Text: before})
		if !found {
			return all
		}
		end := strings.IndexAny(after, " \n\t")
		if end < 0 {
			end = len(after)
		}
		all = append(all, piece{Text: p.url + "/" + after[:end], URL: p.url + "/" + after[:end]})
		text = after[end:]
	}
}

func (p *pages) messagesJSON(w http.ResponseWriter, _ *http.Request) {
	data, err := json.Marshal(p.inbox.All())
	if err != nil {
		p.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(data) // the reader is gone: nobody to tell
}

// message shows the HTML part of one message as a mail program would.
func (p *pages) message(w http.ResponseWriter, r *http.Request) {
	e, ok := p.inbox.find(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(e.HTML))
}

func (p *pages) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, assets, "assets/style.css")
}

func (p *pages) render(w http.ResponseWriter, name string, page any) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, page); err != nil {
		p.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (p *pages) fail(w http.ResponseWriter, err error) {
	p.log.Error("demo page", "error", err)
	http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
}
