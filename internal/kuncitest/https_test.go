package kuncitest_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/kuncitest"
)

const publicHost = "kunci.contoso.com"

// behind is a browser that comes to https://kunci.contoso.com through a proxy; forged
// are headers that it adds.
type behind struct {
	t      *testing.T
	p      *kuncitest.Product
	kept   map[string]string
	forged map[string]string
	set    []*http.Cookie // everything that was set
}

func atHTTPS(t *testing.T) (*kuncitest.Product, *behind) {
	t.Helper()
	o := officeOptions()
	o.Settings = func(c *config.Config) { c.PublicURL = "https://" + publicHost }
	p := kuncitest.Start(t, o)
	return p, &behind{t: t, p: p, kept: map[string]string{}}
}

func (b *behind) send(method, path string, form url.Values) (*http.Response, string) {
	b.t.Helper()
	header := map[string]string{"Host": publicHost, "Origin": "https://" + publicHost, "Accept-Language": "id"}
	for name, value := range b.kept {
		header["Cookie"] += name + "=" + value + "; "
	}
	for name, value := range b.forged {
		header[name] = value
	}
	answer, body := request(b.t, method, b.p.URL+path, form.Encode(), header)
	for _, c := range answer.Cookies() {
		b.kept[c.Name] = c.Value
	}
	b.set = append(b.set, answer.Cookies()...)
	return answer, body
}

// Over https every cookie is bound to this very host by its name, so that nothing on a
// neighbouring host or on an unencrypted page can plant one (RFC 6265bis, 4.1.3.2), and
// one under the short name is not looked at. Browsers are told to come over https alone.
func TestCookiesAreOfThisHostAlone(t *testing.T) {
	t.Parallel()
	p, b := atHTTPS(t)
	b.send(http.MethodGet, "/signin?lang=en", nil)
	b.send(http.MethodPost, "/signin", url.Values{"user_id": {"alain@contoso.com"}})
	answer, _ := b.send(http.MethodPost, "/signin/password", url.Values{"password": {kuncitest.OldPassword}})
	if answer.Header.Get("Location") != "/security-info" {
		t.Fatalf("signing in: %d to %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	b.send(http.MethodGet, "/reset", nil)
	b.send(http.MethodPost, "/reset", url.Values{"user_id": {"alain@contoso.com"}, "reason": {"forgot"}})
	if answer, _ = b.send(http.MethodGet, "/security-info", nil); answer.StatusCode != http.StatusOK {
		t.Fatalf("signed in: %d", answer.StatusCode)
	}
	if got := answer.Header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=31536000") {
		t.Errorf("Strict-Transport-Security is %q", got)
	}
	names := map[string]bool{}
	for _, c := range b.set {
		names[c.Name] = true
		// The language is a wish, and no secret.
		if !strings.HasPrefix(c.Name, "__Host-kunci-") && c.Name != "kunci-lang" {
			t.Errorf("%s is bound to no host", c.Name)
		}
		if !c.Secure || !c.HttpOnly || c.Domain != "" || c.Path != "/" || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode {
			t.Errorf("%s: %+v", c.Name, c)
		}
	}
	for _, name := range []string{"session", "reset", "visit"} {
		if !names["__Host-kunci-"+name] {
			t.Errorf("no cookie %s was set: %v", name, names)
		}
	}
	tossed := &behind{t: t, p: p, kept: map[string]string{"kunci-session": b.kept["__Host-kunci-session"], "kunci-reset": b.kept["__Host-kunci-reset"]}}
	if answer, _ := tossed.send(http.MethodGet, "/security-info", nil); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("a session under the short name: %d", answer.StatusCode)
	}
	if _, body := tossed.send(http.MethodGet, "/reset/verify", nil); strings.Contains(body, `data-page="reset-choose"`) {
		t.Error("a reset under the short name goes on")
	}
	// An id in the address is none.
	if answer, _ := (&behind{t: t, p: p, kept: map[string]string{}}).send(http.MethodGet, "/security-info?kunci-session="+b.kept["__Host-kunci-session"], nil); answer.StatusCode != http.StatusSeeOther {
		t.Errorf("a session in the address: %d", answer.StatusCode)
	}
}

// forgeries are what proxies and frameworks elsewhere believe.
var forgeries = map[string]string{
	"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "8443", "X-Forwarded-Prefix": "/evil.example", "X-Forwarded-Server": "evil.example",
	"Forwarded": "host=evil.example;proto=http;for=127.0.0.1", "X-Original-URL": "/console", "X-Rewrite-URL": "/console", "X-Host": "evil.example", "X-HTTP-Host-Override": "evil.example",
	"X-Real-IP": "203.0.113.77", "X-Forwarded-For": "203.0.113.77", "CF-Connecting-IP": "203.0.113.77", "True-Client-IP": "203.0.113.77", "X-Client-IP": "203.0.113.77",
	"Via": "1.1 evil.example", "Referer": "https://evil.example/",
}

// Whoever begins a reset with forged headers gets no link to their host into a mail, no
// page, header or redirect with it, no other page and no other address in the log.
func TestForgedHeadersLeadNowhere(t *testing.T) {
	t.Parallel()
	p, b := atHTTPS(t)
	b.forged = forgeries
	seen := ""
	walk := func(method, path string, form url.Values) *http.Response {
		t.Helper()
		answer, body := b.send(method, path, form)
		var header strings.Builder
		_ = answer.Header.Write(&header) // a string takes everything
		seen += header.String() + body
		return answer
	}
	walk(http.MethodGet, "/reset", nil)
	walk(http.MethodPost, "/reset", url.Values{"user_id": {"alain@contoso.com"}, "reason": {"forgot"}})
	walk(http.MethodPost, "/reset/verify", url.Values{"method": {mailOf(t, p, "alain@contoso.com")}, "action": {"send"}})
	walk(http.MethodPost, "/reset/verify", url.Values{"code": {p.Code(1)}, "action": {"verify"}})
	if answer := walk(http.MethodPost, "/reset/password", url.Values{"new_password": {newPassword}, "confirm_password": {newPassword}}); answer.Header.Get("Location") != "/reset/done" {
		t.Fatalf("the reset ends at %s", answer.Header.Get("Location"))
	}
	walk(http.MethodGet, "/reset/done", nil)
	if strings.Contains(seen, "evil.example") || strings.Contains(seen, "203.0.113.77") || strings.Contains(seen, "Access-Control-Allow") {
		t.Error("an answer repeats a forged header, or opens itself to another origin")
	}
	for _, m := range p.Mail.Wait(t, 2) {
		text := m.Parse(t).Text + m.Parse(t).HTML
		if strings.Contains(text, "evil.example") || strings.Contains(text, "203.0.113.77") || strings.Contains(text, "http://") {
			t.Errorf("a mail repeats a forged header:\n%s", text)
		}
	}
	if text := p.Mail.Mails()[1].Parse(t).Text; !strings.Contains(text, "https://"+publicHost+"/reset/dispute/") {
		t.Errorf("the link is not to the public address:\n%s", text)
	}
	for _, e := range p.Events() {
		if e.Actor.IP == "203.0.113.77" || strings.Contains(e.Actor.UserAgent, "evil") {
			t.Errorf("%s is recorded from %s", e.Kind, e.Actor.IP)
		}
	}
}

// Answers are of one origin: no other one is let to read any.
func TestNoOtherOriginReadsAnswers(t *testing.T) {
	t.Parallel()
	p, _ := atHTTPS(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	for _, origin := range []string{"https://evil.example", "null", "https://" + publicHost + ".evil.example", "https://evil" + publicHost, "http://" + publicHost, "https://sub." + publicHost} {
		for _, path := range []string{"/signin", "/reset", "/api/openapi.json", "/api/v1/orgs/contoso/people", "/help", "/healthz", "/.well-known/webauthn", "/static/app.css"} {
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				r, err := http.NewRequestWithContext(t.Context(), method, p.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = publicHost
				r.Header.Set("Origin", origin)
				r.Header.Set("Access-Control-Request-Method", "PUT")
				answer, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body) // only the headers count
				_ = answer.Body.Close()
				for name := range answer.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s %s for %s: %s", method, path, origin, name)
					}
				}
			}
		}
	}
}
