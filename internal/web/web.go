package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/web/console"
	"kunci.dev/kunci/internal/web/help"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/web/portal"
)

// Deps are what the server is made of.
type Deps struct {
	PublicURL string
	// RelatedOrigins are other addresses at which the pages are opened: browsers
	// are told that the passkeys of PublicURL work there.
	RelatedOrigins []string
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Portal         *portal.Portal
	Console        *console.Console
	Help           *help.Help
	API            API // everything below /api
	Pages          *page.Renderer
	// Extra adds handlers by pattern, behind the same checks and headers: the
	// demo, and health, which is asked for under any host name.
	Extra map[string]http.Handler
	Log   *slog.Logger
	Now   func() time.Time
}

// API is what is for programs. It answers in its own form, what the server refuses
// before it too.
type API interface {
	http.Handler
	Refuse(http.ResponseWriter, *http.Request, error)
}

type server struct {
	Deps
	host    string
	secure  bool
	local   bool     // public_url is this machine itself
	also    []string // hosts of the related origins
	origins origins
}

// New gives the handler of the whole product.
func New(d Deps) (http.Handler, error) {
	if d.Portal == nil || d.Console == nil || d.Help == nil || d.API == nil || d.Pages == nil || d.Log == nil || d.Now == nil {
		return nil, errors.New("web: a part is missing")
	}
	u, err := url.Parse(d.PublicURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("web: the public address %q cannot be read", d.PublicURL)
	}
	s := &server{Deps: d, host: u.Host, secure: u.Scheme == "https", local: config.Loopback(u.Hostname())}
	s.origins.all = append([]string{u.Scheme + "://" + u.Host}, d.RelatedOrigins...)
	if s.local {
		s.origins.local = u.Scheme
	}
	for _, origin := range d.RelatedOrigins {
		o, err := url.Parse(origin)
		if err != nil || o.Host == "" {
			return nil, fmt.Errorf("web: the origin %q cannot be read", origin)
		}
		s.also = append(s.also, o.Host)
	}
	return s.observe(s.guard(s.admit(s.methods(s.sameOrigin(s.routes()))))), nil
}

// Plain answers with a text of our own.
func Plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone
}

// relatedOrigins tells browsers at which other origins the passkeys of this one
// may be asked for (WebAuthn Level 3, 5.11.1). Where there is none there is no such
// page: an empty list is not allowed.
func (s *server) relatedOrigins(w http.ResponseWriter, r *http.Request) {
	if len(s.RelatedOrigins) == 0 || !strings.EqualFold(r.Host, s.host) {
		http.NotFound(w, r)
		return
	}
	list, err := json.Marshal(map[string][]string{"origins": s.RelatedOrigins})
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin") // a browser asks for it from the other origin
	_, _ = w.Write(list)                                           // the client may be gone
}

// securityText says where weaknesses are reported (RFC 9116): where the only
// organization's people get help. With several organizations nobody is named.
func (s *server) securityText(w http.ResponseWriter, r *http.Request) {
	contact := s.Portal.SupportEmail(r.Context())
	if contact == "" {
		http.NotFound(w, r)
		return
	}
	Plain(w, http.StatusOK, fmt.Sprintf("Contact: mailto:%s\nExpires: %s\nPreferred-Languages: id, en\nCanonical: %s/.well-known/security.txt\n",
		contact, s.Now().AddDate(0, 6, 0).UTC().Format(time.RFC3339), s.PublicURL))
}
