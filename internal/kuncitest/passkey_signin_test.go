package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

func localOffice() kuncitest.Options {
	o := officeOptions()
	o.Localhost = true
	return o
}

func TestAPasskeyAloneSignsIn(t *testing.T) {
	each(t, localOffice(), func(t *testing.T, p *kuncitest.Product) {
		mine, theirs := p.Device(), p.Device()
		p.GivePasskey("alain@contoso.com", mine)
		p.GivePasskey("dedi@contoso.com", theirs) // who is disabled
		b := p.Browser()
		page := b.Get("/signin").Want(http.StatusOK, "signin")
		if strings.Contains(page.PasskeyOptions(), "allowCredentials") || page.PasskeyOptions() == "" {
			t.Errorf("asked with %q", page.PasskeyOptions())
		}
		before := sessionOf(b)
		answer := mine.Use(page.PasskeyOptions())
		wantAt(t, b.Post("/signin", "code", answer), "/security-info")
		if !isIn(b) || sessionOf(b) == before {
			t.Fatal("not signed in")
		}
		var signedIn audit.Record
		for _, e := range p.Events() {
			if e.Kind == audit.SignInSucceeded {
				signedIn = e
			}
		}
		if signedIn.TargetUserID != "alain@contoso.com" || signedIn.MethodKind != "passkey" || signedIn.Actor.UserID != "alain@contoso.com" {
			t.Errorf("recorded: %+v", signedIn)
		}
		// It counts as the fresh proof that changes need.
		wantAt(t, b.Get("/security-info/add"), "/security-info/add")

		// Nobody else's browser, and nobody twice.
		other := p.Browser()
		other.Get("/signin")
		for name, thief := range map[string]*kuncitest.Browser{"another browser": other, "the same": b.Clone()} {
			token := sessionOf(thief)
			page := thief.Post("/signin", "code", answer).Want(http.StatusUnprocessableEntity, "signin")
			if page.Alert() == "" || sessionOf(thief) != token {
				t.Errorf("%s: %q", name, page.Alert())
			}
		}
		// Where it leads does not depend on whose it is not.
		stranger := p.Browser()
		unknown := p.Device()
		unknown.Belongs(mine)
		for name, code := range map[string]string{
			"unknown":  unknown.Use(stranger.Get("/signin").PasskeyOptions()),
			"phished":  mine.At("https://login-contoso.example").Use(stranger.Get("/signin").PasskeyOptions()),
			"nothing":  "",
			"nonsense": "{}",
		} {
			page := stranger.Post("/signin", "code", code).Want(http.StatusUnprocessableEntity, "signin")
			if want := map[bool]string{true: "code-wrong", false: "code-format"}[len(code) > 2]; page.Alert() != want || page.PasskeyOptions() == "" {
				t.Errorf("%s: %q", name, page.Alert())
			}
		}
		page = stranger.Post("/signin", "code", theirs.Use(stranger.Get("/signin").PasskeyOptions()))
		if page.Alert() != "account-disabled" || sessionOf(stranger) != "" {
			t.Errorf("disabled: %q, session %q", page.Alert(), sessionOf(stranger))
		}
		late := mine.Use(stranger.Get("/signin").PasskeyOptions())
		p.Clock.Advance(11 * time.Minute)
		if page := stranger.Post("/signin", "code", late); page.Alert() != "code-expired" {
			t.Errorf("too late: %q", page.Alert())
		}
		noSecret(t, p, answer, "authenticatorData")
	})
}

// A lock by wrong passwords keeps nobody out who has a passkey (AC-046), and a
// password that has to be changed still has to be.
func TestAPasskeyComesInPastALockedPassword(t *testing.T) {
	each(t, localOffice(), func(t *testing.T, p *kuncitest.Product) {
		mine, mega := p.Device(), p.Device()
		p.GivePasskey("alain@contoso.com", mine)
		p.GivePasskey("mega@contoso.com", mega)
		attacker := p.Browser()
		toPassword(t, attacker, "alain@contoso.com")
		for i := range 12 {
			attacker.Post("/signin/password", "password", "wrong password "+string(rune('a'+i)))
		}
		if page := attacker.Post("/signin/password", "password", kuncitest.OldPassword); page.Alert() != "signin-locked" {
			t.Fatalf("not locked: %q", page.Alert())
		}
		b := p.Browser()
		wantAt(t, b.Post("/signin", "code", mine.Use(b.Get("/signin").PasskeyOptions())), "/security-info")
		other := p.Browser()
		wantAt(t, other.Post("/signin", "code", mega.Use(other.Get("/signin").PasskeyOptions())), "/password")
	})
}

func TestAPasskeyIsASecondFactorAndAFreshProof(t *testing.T) {
	each(t, localOffice(), func(t *testing.T, p *kuncitest.Product) {
		first, second := p.Device(), p.Device()
		p.GivePasskey("alain@contoso.com", first)
		m := p.GivePasskey("alain@contoso.com", second)
		b := p.Browser()
		page := signIn(t, b, "alain@contoso.com", kuncitest.OldPassword).Want(http.StatusOK, "signin-verify")
		if !first.Named(page.PasskeyOptions()) || !second.Named(page.PasskeyOptions()) {
			t.Errorf("after the password the browser is told which to look for: %s", page.PasskeyOptions())
		}
		if b.Get("/signin/verify?other").PasskeyOptions() == "" {
			t.Error("two passkeys are to be chosen from")
		}
		id, _ := page.Field("method")
		refused := b.Post("/signin/verify", "method", id, "action", "verify", "code", first.At("https://evil.example").Use(page.PasskeyOptions())).
			Want(http.StatusUnprocessableEntity, "signin-verify")
		if refused.Alert() != "code-wrong" || strings.Contains(refused.Text(), "angkanya") {
			t.Errorf("%q\n%s", refused.Alert(), refused.Text())
		}
		if refused := b.Post("/signin/verify", "method", id, "action", "verify", "code", ""); refused.Alert() != "required" || strings.Contains(refused.Text(), "Kolom") {
			t.Errorf("%q\n%s", refused.Alert(), refused.Text())
		}
		wantAt(t, b.Post("/signin/verify", "method", id, "action", "verify", "code", second.Use(refused.PasskeyOptions())), "/security-info")
		var used string
		for _, e := range p.Events() {
			if e.Kind == audit.SignInSucceeded {
				used = e.MethodID
			}
		}
		if used != m.ID {
			t.Errorf("recorded %s, used was %s", used, m.ID)
		}
		// Later on it is asked for again.
		p.Clock.Advance(11 * time.Minute)
		page = wantAt(t, b.Get("/security-info/add"), "/signin/verify")
		wantAt(t, b.Post("/signin/verify", "method", id, "action", "verify", "next", "/security-info/add", "code", first.Use(page.PasskeyOptions())), "/security-info/add")
	})
}

func TestTheSamePasskeyAnswerAtOnceSignsInOnce(t *testing.T) {
	each(t, localOffice(), func(t *testing.T, p *kuncitest.Product) {
		mine := p.Device()
		p.GivePasskey("alain@contoso.com", mine)
		b := p.Browser()
		form := url.Values{"code": {mine.Use(b.Get("/signin").PasskeyOptions())}}
		var in atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				page, err := b.Clone().Do(http.MethodPost, "/signin", form)
				if err != nil {
					t.Error(err)
				} else if page.Name() == "security-info" {
					in.Add(1)
				}
			})
		}
		all.Wait()
		if in.Load() != 1 {
			t.Errorf("%d came in", in.Load())
		}
	})
}

// Whoever deleted a passkey does not come in with it.
func TestADeletedPasskeyLetsNobodyIn(t *testing.T) {
	each(t, localOffice(), func(t *testing.T, p *kuncitest.Product) {
		mine, other := p.Device(), p.Device()
		m := p.GivePasskey("alain@contoso.com", mine)
		kept := p.GivePasskey("alain@contoso.com", other)
		me := signedIn(t, p, "alain@contoso.com", kept.ID)
		me.Post("/security-info/"+m.ID+"/delete").Want(http.StatusOK, "security-info")
		b := p.Browser()
		if page := b.Post("/signin", "code", mine.Use(b.Get("/signin").PasskeyOptions())); page.Alert() != "code-wrong" {
			t.Errorf("it signs in: %q", page.Alert())
		}
		page := toPasskey(t, b, "alain@contoso.com")
		id, _ := page.Field("method")
		if page := b.Post("/reset/verify", "method", id, "action", "verify", "code", mine.Use(page.PasskeyOptions())); page.Alert() != "code-wrong" {
			t.Errorf("it resets: %q", page.Alert())
		}
		if got := me.ofKind(method.Passkey); got.ID != kept.ID {
			t.Error("the wrong one was deleted")
		}
	})
}
