package web

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
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
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Portal         *portal.Portal
	Console        *console.Console
	Help           *help.Help
	API            http.Handler // everything below /api/
	Pages          *page.Renderer
	// Extra adds handlers by pattern, behind the same checks and headers: the
	// demo, and health, which is asked for under any host name.
	Extra map[string]http.Handler
	Log   *slog.Logger
	Now   func() time.Time
}

type server struct {
	Deps
	host   string
	secure bool
	local  bool // public_url is this machine itself
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
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	protection.SetDenyHandler(s.Pages.Handle(s.crossOrigin))
	return s.observe(s.guard(s.admit(protection.Handler(s.methods(s.mux()))))), nil
}

// Plain answers with a text of our own.
func Plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may be gone
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
