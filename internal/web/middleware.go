package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/api"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/console"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/web/portal"
)

// policy allows our own files and nothing else; no page has script or style inside.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxBody bounds a form; maxPath an address.
const (
	maxBody = 64 << 10
	maxPath = 2048
)

// mostBody is maxBody, but for the addresses that take a logo, and the two that
// take account files. All ask who sends one before they read it; the last read it
// as it comes.
func mostBody(r *http.Request) int64 {
	if r.Method == http.MethodPost && r.URL.Path == console.BrandingPath || api.TakesPicture(r) {
		return 4*org.MaxLogo + maxBody // with one kept from the page before, as text
	}
	if r.Method == http.MethodPost && (r.URL.Path == console.ImportPath || api.TakesFiles(r)) {
		return account.MaxBulk + maxBody
	}
	return maxBody
}

// answer remembers what was answered, for the log.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(data []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// observe gives each request its support code and language, logs it without
// what was typed, and turns a panic into an error page.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := s.Now()
		visit := visitOf(r)
		fresh := visit == ""
		if fresh {
			visit = rand.Text() // of the first page, if it plants the cookie
		}
		correlation := supportCode(visit)
		address := clientAddress(r, s.TrustedProxies)
		r = r.WithContext(page.WithRequest(r.Context(), s.language(w, r), correlation, address))
		if fresh {
			r = r.WithContext(page.WithVisit(r.Context(), visit))
		}
		a := &answer{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				s.Log.Error("panic", "correlation", correlation, "panic", p)
				if a.status == 0 {
					s.fail(a, r, problem.New(problem.Internal))
				}
			}
			took := s.Now().Sub(begun)
			s.Log.Debug("request", "method", r.Method, "route", r.Pattern, "status", a.status, "took", took, "correlation", correlation)
		}()
		next.ServeHTTP(a, r)
	})
}

// supportCode is what people tell the helpdesk: the same on every page of a
// visit, the first one included, so that what a page shows is found in the events.
func supportCode(visit string) string {
	sum := sha256.Sum256([]byte("support code " + visit))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:12]
}

// visitOf is the cookie of the visit; without one each request has its own.
func visitOf(r *http.Request) string {
	for _, name := range []string{"__Host-" + portal.VisitCookie, portal.VisitCookie} {
		if c, err := r.Cookie(name); err == nil && len(c.Value) >= 20 && len(c.Value) <= 64 {
			return c.Value
		}
	}
	return ""
}

const languageCookie = "kunci-lang"

// language is what was chosen on a page, else what the browser asks for, else
// Indonesian. Choosing one keeps it for a year.
func (s *server) language(w http.ResponseWriter, r *http.Request) string {
	if chosen := r.URL.Query().Get("lang"); i18n.Known(chosen) {
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever people come over https
			Name: languageCookie, Value: chosen, Path: "/", MaxAge: 365 * 24 * 3600,
			Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		return chosen
	}
	if c, err := r.Cookie(languageCookie); err == nil && i18n.Known(c.Value) {
		return c.Value
	}
	if lang := i18n.Match(r.Header.Get("Accept-Language"), ""); lang != "" {
		return lang
	}
	return s.Portal.Language(r.Context())
}

// guard sets the headers that every answer carries. A handler with a stricter
// policy of its own sets it over this one.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		if len(r.TransferEncoding) > 0 {
			// A length may have stood beside the chunks, and a proxy in front may have gone
			// by it: what follows is another request for one of us alone (RFC 9112, 6.1).
			h.Set("Connection", "close")
		}
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// admit refuses what no page should see: another host's name, a body or an
// address too long, an address that is no text; it sends old browsers to the page made for them.
func (s *server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.ours(r):
			s.fail(w, r, problem.New(problem.WrongHost))
			return
		case !page.Plain(r.URL.Path):
			s.fail(w, r, problem.New(problem.NotFound))
			return
		case !plainQuery(r):
			s.fail(w, r, problem.New(problem.BadInput))
			return
		case len(r.URL.Path) > maxPath || r.ContentLength > mostBody(r) && !forPrograms(r.URL.Path):
			s.fail(w, r, problem.New(problem.TooLong)) // the API asks who sends it first
			return
		case r.Method == http.MethodGet && pageFor(r.URL.Path) && portal.Unsupported(r.UserAgent()):
			http.Redirect(w, r, "/unsupported-browser", http.StatusSeeOther)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, mostBody(r))
		next.ServeHTTP(w, r)
	})
}

// plainQuery tells whether what the address line asks for is text.
func plainQuery(r *http.Request) bool {
	for name, values := range r.URL.Query() {
		if !page.Plain(name) || slices.ContainsFunc(values, func(value string) bool { return !page.Plain(value) }) {
			return false
		}
	}
	return true
}

// pageFor tells pages people look at from files and machines' addresses. The help
// is text that every browser shows, and says what to do about an old one.
func pageFor(path string) bool {
	for _, prefix := range []string{"/static/", "/logo/", "/.well-known/", "/api", "/healthz", "/readyz", "/unsupported-browser", "/help", "/favicon.ico", "/push-worker.js", "/manifest.webmanifest"} {
		if strings.HasPrefix(path, prefix) {
			return false
		}
	}
	return true
}

// forPrograms tells the addresses that programs ask for.
func forPrograms(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }

// fail refuses what no page or operation sees, as its readers understand it.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if forPrograms(r.URL.Path) {
		s.API.Refuse(w, r, err)
		return
	}
	s.Pages.Fail(w, r, err)
}

// ours tells whether a request came under our own name.
func (s *server) ours(r *http.Request) bool {
	if strings.EqualFold(r.Host, s.host) || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return true
	}
	if slices.ContainsFunc(s.also, func(host string) bool { return strings.EqualFold(r.Host, host) }) {
		return true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return s.local && config.Loopback(strings.Trim(host, "[]"))
}

// overrides are headers by which other products let one method stand for another.
// Nothing here reads them, and what sends one is refused: something in front of
// this server may.
var overrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// methods lets through the three methods that pages are made of; the API knows
// its own.
func (s *server) methods(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		overridden := slices.ContainsFunc(overrides, func(name string) bool { return len(r.Header.Values(name)) > 0 })
		switch {
		case !overridden && (forPrograms(r.URL.Path) || r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodPost):
			next.ServeHTTP(w, r)
			return
		case !forPrograms(r.URL.Path):
			w.Header().Set("Allow", "GET, HEAD, POST")
		}
		s.fail(w, r, problem.New(problem.WrongMethod))
	})
}

func (s *server) home(w http.ResponseWriter, r *http.Request) error {
	return page.See(w, r, s.Portal.Home(r))
}

// maxHops bounds how many proxies are looked through.
const maxHops = 10

// clientAddress is the address of the client: the peer, or, where the peer is
// a trusted proxy, the last address in X-Forwarded-For that is not one. What
// stands left of it was written by the client and is not believed. A hop that
// cannot be read ends the search at the proxy that sent it.
func clientAddress(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= maxHops && within(address, trusted); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap().WithZone("")
	}
	return address.String()
}

func within(address netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(address) {
			return true
		}
	}
	return false
}
