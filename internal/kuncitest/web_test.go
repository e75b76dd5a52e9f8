package kuncitest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

func request(t *testing.T, method, url, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range header {
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	response, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(data)
}

func TestWhatHoldsForEveryAnswer(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	own := map[string]string{"Origin": p.URL}
	for name, test := range map[string]struct {
		method, path, body string
		header             map[string]string
		status             int
	}{
		"page":                 {"GET", "/reset", "", nil, 200},
		"start page":           {"GET", "/", "", nil, 303},
		"not there":            {"GET", "/nothing/here", "", nil, 404},
		"password manager":     {"GET", "/.well-known/change-password", "", nil, 302},
		"password manager two": {"GET", "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200", "", nil, 404},
		"method":               {"TRACE", "/reset", "", nil, 405},
		"delete":               {"DELETE", "/reset", "", nil, 405},
		"cross-site form":      {"POST", "/reset", "user_id=a", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"same-site form":       {"POST", "/reset", "user_id=a", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"foreign origin":       {"POST", "/reset", "user_id=a", map[string]string{"Origin": "https://evil.example"}, 403},
		"cross-site sign-in":   {"POST", "/signin/password", "password=a", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"cross-site sign-out":  {"POST", "/signout", "a=b", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"cross-site change":    {"POST", "/password", "new_password=a", map[string]string{"Origin": "https://evil.example"}, 403},
		"sign-out by a link":   {"GET", "/signout", "", nil, 405},
		"null origin":          {"POST", "/reset", "user_id=a", map[string]string{"Origin": "null"}, 403},
		"another scheme":       {"POST", "/reset", "user_id=a", map[string]string{"Origin": strings.Replace(p.URL, "http:", "https:", 1)}, 403},
		"a script, no browser": {"POST", "/reset", "user_id=a", nil, 303},
		"our page before":      {"POST", "/reset", "user_id=a", map[string]string{"Referer": p.URL + "/reset"}, 303},
		"foreign host":         {"GET", "/reset", "", map[string]string{"Host": "evil.example"}, 421},
		"host with user":       {"GET", "/reset", "", map[string]string{"Host": "good:80@evil.example"}, 421},
		"two values":           {"POST", "/reset", "user_id=a&user_id=b", own, 400},
		"not UTF-8":            {"POST", "/reset", "user_id=%ff", own, 400},
		"too long a field":     {"POST", "/reset", "user_id=" + strings.Repeat("a", 5000), own, 413},
		"too long a body":      {"POST", "/reset", "user_id=" + strings.Repeat("a", 70_000), own, 413},
		"old browser":          {"GET", "/reset", "", map[string]string{"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko"}, 303},
		"healthy":              {"GET", "/healthz", "", nil, 200},
		"ready":                {"GET", "/readyz", "", nil, 200},
		"metrics elsewhere":    {"GET", "/metrics", "", nil, 404},
		"debug":                {"GET", "/debug/pprof/", "", nil, 404},
	} {
		response, body := request(t, test.method, p.URL+test.path, test.body, test.header)
		if response.StatusCode != test.status {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, test.status)
		}
		for header, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := response.Header.Get(header); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		if strings.Contains(body, "evil.example") || strings.Contains(body, "goroutine") {
			t.Errorf("%s: the answer holds what it must not:\n%s", name, body)
		}
	}
}

func TestAnOldBrowserIsShownTheWayOut(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	b := p.Browser()
	b.Header.Set("User-Agent", "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)")
	page := b.Get("/reset").Want(http.StatusOK, "unsupported-browser")
	if page.Problem() != "update-browser" || !strings.Contains(page.Body, p.URL+"/reset") || !strings.Contains(page.Body, "<path") {
		t.Errorf("problem %q\n%s", page.Problem(), page.Body)
	}
}

func TestTheLanguageIsTheReaders(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	b := p.Browser()
	for accept, want := range map[string]string{"id": "Kembali masuk", "en-GB": "Get back into", "": "Kembali masuk", "ms": "Kembali masuk"} {
		b.Header.Set("Accept-Language", accept)
		if page := b.Get("/reset"); !strings.Contains(page.Text(), want) {
			t.Errorf("%q reads %.80s", accept, page.Text())
		}
	}
	b.Get("/reset?lang=en")
	b.Header.Set("Accept-Language", "id")
	if page := b.Get("/reset"); !strings.Contains(page.Text(), "Get back into") {
		t.Error("the language that was chosen is forgotten")
	}
}
