package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/kuncitest"
)

const relatedOrigin = "https://akun.contoso.test"

// At the origins that the operator named, and at no other, the passkeys of the
// public address are believed, and browsers are told exactly these (WebAuthn
// Level 3, 5.11).
func TestPasskeysAtRelatedOrigins(t *testing.T) {
	t.Parallel()
	o := localOffice()
	o.Settings = func(c *config.Config) { c.Passkeys.RelatedOrigins = []string{relatedOrigin} }
	p := kuncitest.Start(t, o)
	response, body := request(t, "GET", p.URL+"/.well-known/webauthn", "", nil)
	var said map[string][]string
	if err := json.Unmarshal([]byte(body), &said); err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %v", response.StatusCode, body, err)
	}
	if len(said) != 1 || fmt.Sprint(said["origins"]) != "["+relatedOrigin+"]" {
		t.Errorf("browsers are told %s", body)
	}
	for host, want := range map[string]int{"akun.contoso.test": 404, "evil.test": 421, "akun.contoso.test:444": 421, "x.akun.contoso.test": 421} {
		if response, _ := request(t, "GET", p.URL+"/.well-known/webauthn", "", map[string]string{"Host": host}); response.StatusCode != want {
			t.Errorf("at %s: %d", host, response.StatusCode)
		}
	}
	if response, body := request(t, "GET", p.URL+"/signin", "", map[string]string{"Host": "akun.contoso.test"}); response.StatusCode != 200 || !strings.Contains(body, "rpId&#34;:&#34;localhost") {
		t.Errorf("the page there: %d, bound to another name", response.StatusCode)
	}
	mine := p.Device()
	p.GivePasskey("alain@contoso.com", mine)
	for i, origin := range []string{
		"https://evil.test", "http://akun.contoso.test", "https://akun.contoso.test:8443", "https://x.akun.contoso.test", "https://contoso.test",
		"https://akun.contoso.test.evil.test", "https://akun.contoso.tes", "null", "android:apk-key-hash:x",
	} {
		if i%4 == 3 {
			p.Clock.Advance(25 * time.Hour) // five wrong answers would lock
		}
		b := p.Browser()
		page := b.Post("/signin", "code", mine.At(origin).Use(b.Get("/signin").PasskeyOptions())).Want(http.StatusUnprocessableEntity, "signin")
		if page.Alert() != "code-wrong" || sessionOf(b) != "" {
			t.Errorf("%s: %q", origin, page.Alert())
		}
	}
	p.Clock.Advance(25 * time.Hour)
	b := p.Browser()
	wantAt(t, b.Post("/signin", "code", mine.At(relatedOrigin).Use(b.Get("/signin").PasskeyOptions())), "/security-info")
	// One can be made there too.
	second := p.Device()
	me := signedIn(t, p, "alain@contoso.com", "")
	me.proveNow(me.ofKind("passkey").ID)
	page := me.Post("/security-info/add", "kind", "passkey").Want(http.StatusOK, "security-info-add")
	if evil := me.Post("/security-info/add", "kind", "passkey", "code", second.At("https://evil.test").Make(page.PasskeyOptions())); evil.Alert() == "" {
		t.Errorf("made at another origin: %q", evil.Text())
	}
	page = me.Get("/security-info/add?kind=passkey")
	wantAt(t, me.Post("/security-info/add", "kind", "passkey", "code", second.At(relatedOrigin).Make(page.PasskeyOptions())), "/security-info")
}

// Without the key nothing is served and no other origin is believed.
func TestPasskeysWithoutRelatedOrigins(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, localOffice())
	if response, body := request(t, "GET", p.URL+"/.well-known/webauthn", "", nil); response.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if response, _ := request(t, "GET", p.URL+"/signin", "", map[string]string{"Host": "akun.contoso.test"}); response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host is answered: %d", response.StatusCode)
	}
	mine := p.Device()
	p.GivePasskey("alain@contoso.com", mine)
	b := p.Browser()
	b.Post("/signin", "code", mine.At(relatedOrigin).Use(b.Get("/signin").PasskeyOptions())).Want(http.StatusUnprocessableEntity, "signin")
}
