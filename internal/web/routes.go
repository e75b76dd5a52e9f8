package web

import (
	"net/http"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// mux lists every path of the product. What is not here does not exist.
func (s *server) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range s.Portal.Routes() {
		mux.Handle(route.Pattern, s.Pages.Handle(route.Handler))
	}
	mux.Handle("GET /static/", http.HandlerFunc(page.Assets))
	mux.Handle("GET /.well-known/security.txt", http.HandlerFunc(s.securityText))
	mux.Handle("GET /.well-known/change-password", s.redirect(http.StatusFound, "/password"))
	mux.Handle("GET /favicon.ico", s.redirect(http.StatusFound, page.AssetPath("icon.svg")))
	mux.Handle("GET /{$}", s.Pages.Handle(s.home))
	mux.Handle("/", s.Pages.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return problem.New(problem.NotFound)
	}))
	return mux
}

func (s *server) redirect(status int, path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, path, status) })
}
