package web

import (
	"net/http"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// routes gives the API what is below /api as it came: the mux of the pages would
// answer an address that is not clean with a redirect.
func (s *server) routes() http.Handler {
	pages := s.mux()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forPrograms(r.URL.Path) {
			r.Pattern = "/api/"
			s.API.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// mux lists every path of the pages. What is not here does not exist.
func (s *server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range s.Portal.Routes() {
		mux.Handle(route.Pattern, s.Pages.Handle(route.Handler))
	}
	for _, route := range s.Console.Routes() {
		mux.Handle(route.Pattern, s.Pages.Handle(s.Console.Handler(route)))
	}
	mux.Handle("GET /console/{$}", s.redirect(http.StatusSeeOther, "/console"))
	for _, route := range s.Help.Routes() {
		mux.Handle(route.Pattern, s.Pages.Handle(route.Handler))
	}
	for pattern, handler := range s.Extra {
		mux.Handle(pattern, handler)
	}
	mux.Handle("GET /static/", http.HandlerFunc(page.Assets))
	mux.Handle("GET /push-worker.js", http.HandlerFunc(page.PushWorker))
	mux.Handle("GET /manifest.webmanifest", http.HandlerFunc(page.Manifest))
	mux.Handle("GET /.well-known/webauthn", http.HandlerFunc(s.relatedOrigins))
	mux.Handle("GET /.well-known/security.txt", http.HandlerFunc(s.securityText))
	mux.Handle("GET /.well-known/change-password", s.redirect(http.StatusFound, "/password"))
	mux.Handle("GET /favicon.ico", s.redirect(http.StatusFound, page.AssetPath("icon.svg")))
	mux.Handle("GET /{$}", s.Pages.Handle(s.home))
	mux.Handle("/", s.Pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if allow := allowed(mux, r); allow != "" {
			w.Header().Set("Allow", allow)
			return problem.New(problem.WrongMethod)
		}
		return problem.New(problem.NotFound)
	}))
	return mux
}

// allowed names the methods for which a path has a page of its own; the pattern
// "/" takes every method and so hides from the mux that only the method is wrong.
func allowed(mux *http.ServeMux, r *http.Request) string {
	other := r.Clone(r.Context())
	var all []string
	for method, names := range map[string]string{http.MethodGet: "GET, HEAD", http.MethodPost: "POST"} {
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			all = append(all, names)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (s *server) redirect(status int, path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, path, status) })
}
