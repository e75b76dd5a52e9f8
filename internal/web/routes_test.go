package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A path that is there for another method is not "not found" (RFC 9110, 15.5.6).
func TestAllowed(t *testing.T) {
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /read", "GET /both", "POST /both", "POST /write", "/"} {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	for path, want := range map[string]string{"/read": "GET, HEAD", "/both": "GET, HEAD, POST", "/write": "POST", "/none": ""} {
		if got := allowed(mux, httptest.NewRequest(http.MethodPost, path, nil)); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
