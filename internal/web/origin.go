package web

import (
	"net/http"
	"net/url"
	"strings"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
)

// origins are the addresses at which the pages are opened, each with scheme, host
// and port. They come from the configuration: what stands in front of this server
// may end TLS, so a request does not say by which scheme it came.
type origins struct {
	all   []string
	local string // scheme of public_url where it is this machine itself, under any of its names
}

// ours tells whether an origin is the one of ours that the request was sent to. Two
// origins of ours are two sites to each other, and so are http and https of one host.
func (o origins) ours(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || !strings.EqualFold(u.Host, host) || u.Scheme+"://"+u.Host != origin {
		return false
	}
	for _, one := range o.all {
		if strings.EqualFold(one, origin) {
			return true
		}
	}
	return o.local == u.Scheme && config.Loopback(u.Hostname())
}

// sameOrigin refuses what changes something and was not sent by a page of the same
// origin (CWE-352). Cookies are SameSite=Lax beside it, which other hosts of the same
// site pass. A browser says where a request comes from in Sec-Fetch-Site, which no
// page can write, and it sends that only where eavesdroppers cannot change it; older
// ones say it in Origin or, the oldest, in Referer alone, which our pages ask for. Who
// says none of the three is no browser that another site could make send something:
// every one that keeps SameSite cookies apart says at least the Origin of a form
// (Fetch, 3.2). It is let through, for scripts and for proxies that take all three
// away; a browser's cookie is not sent with a form of another site anyway.
func (s *server) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if safe(r.Method) || s.fromOurs(r) {
			next.ServeHTTP(w, r)
			return
		}
		s.fail(w, r, problem.New(problem.CrossOrigin))
	})
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

func (s *server) fromOurs(r *http.Request) bool {
	site, origin, referer := r.Header.Values("Sec-Fetch-Site"), r.Header.Values("Origin"), r.Header.Values("Referer")
	switch {
	case len(site) > 1 || len(origin) > 1 || len(referer) > 1:
		return false // a browser sends one of each
	case len(site) == 1 && (site[0] == "same-origin" || site[0] == "none"):
		return true
	case len(site) == 1:
		return false
	case len(origin) == 1:
		return s.origins.ours(origin[0], r.Host)
	case len(referer) == 1 && !forPrograms(r.URL.Path) && !strings.HasPrefix(r.URL.Path, notify.HookPath):
		u, err := url.Parse(referer[0])
		return err == nil && s.origins.ours(u.Scheme+"://"+u.Host, r.Host)
	}
	return true
}
