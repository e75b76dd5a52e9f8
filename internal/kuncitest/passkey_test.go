package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
)

// toPasskey walks until a passkey is asked for.
func toPasskey(t *testing.T, b *kuncitest.Browser, userID string) *kuncitest.Page {
	t.Helper()
	b.Get("/reset").Want(http.StatusOK, "reset-identify")
	choose := b.Post("/reset", "user_id", userID, "reason", "forgot").Want(http.StatusOK, "reset-choose")
	first := choose.Choices("method")[0] // passkeys are the strongest
	page := b.Post("/reset/verify", "method", first, "action", "send").Want(http.StatusOK, "reset-verify")
	if page.PasskeyOptions() == "" {
		t.Fatalf("no passkey is asked for:\n%s", page.Text())
	}
	return page
}

func TestAPasskeyResetsAPassword(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		mine, other := p.Device(), p.Device()
		p.GivePasskey("alain@contoso.com", other)
		p.GivePasskey("alain@contoso.com", mine)
		b := p.Browser()
		b.Get("/reset")
		if n := len(b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Choices("method")); n != 2 {
			t.Errorf("%d ways to choose from, want one for both passkeys and the mailbox", n)
		}
		page := toPasskey(t, b, "alain@contoso.com")
		for _, script := range []string{"passkey", "kunci"} {
			if !strings.Contains(page.Body, "/static/"+script) {
				t.Errorf("the page lacks %s.js", script)
			}
		}
		if !strings.Contains(page.Body, "<noscript>") {
			t.Error("nothing is said to browsers without scripts")
		}
		method, _ := page.Field("method")
		refused := b.Post("/reset/verify", "method", method, "action", "verify", "code", "").Want(http.StatusUnprocessableEntity, "reset-verify")
		if refused.Alert() != "code-format" {
			t.Errorf("nothing sent: %s", refused.Alert())
		}
		phished := mine.At("https://login-contoso.example").Use(page.PasskeyOptions())
		refused = b.Post("/reset/verify", "method", method, "action", "verify", "code", phished).Want(http.StatusUnprocessableEntity, "reset-verify")
		if refused.Alert() != "code-wrong" || strings.Contains(refused.Text(), "angkanya") {
			t.Errorf("made at another origin: %s\n%s", refused.Alert(), refused.Text())
		}
		b.Post("/reset/verify", "method", method, "action", "verify", "code", mine.Use(refused.PasskeyOptions())).Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the new password: %v", got)
		}
		for _, kind := range []audit.Kind{audit.ResetGateFailed, audit.ResetGatePassed, audit.ResetCompleted} {
			if !p.Has(kind) {
				t.Errorf("no event %s", kind)
			}
		}
		if logged := p.Logged.String(); strings.Contains(logged, "clientDataJSON") || strings.Contains(logged, "authenticatorData") {
			t.Error("an answer is in the log")
		}
	})
}

// The page can be used again when its challenge is too old.
func TestAPasskeyPageOutlivesItsChallenge(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		mine := p.Device()
		p.GivePasskey("alain@contoso.com", mine)
		b := p.Browser()
		page := toPasskey(t, b, "alain@contoso.com")
		method, _ := page.Field("method")
		late := mine.Use(page.PasskeyOptions())
		p.Clock.Advance(11 * time.Minute)
		refused := b.Post("/reset/verify", "method", method, "action", "verify", "code", late).Want(http.StatusUnprocessableEntity, "reset-verify")
		if refused.Alert() != "code-expired" || refused.PasskeyOptions() == page.PasskeyOptions() {
			t.Errorf("%s, the same challenge: %v", refused.Alert(), refused.PasskeyOptions() == page.PasskeyOptions())
		}
		b.Post("/reset/verify", "method", method, "action", "verify", "code", mine.Use(refused.PasskeyOptions())).Want(http.StatusOK, "reset-password")
	})
}

// Somebody else's passkey proves nothing in my flow, whatever it says.
func TestAnotherPersonsPasskeyIsRefused(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		mine, theirs := p.Device(), p.Device()
		p.GivePasskey("alain@contoso.com", mine)
		p.GivePasskey("hana@contoso.com", theirs)
		b := p.Browser()
		page := toPasskey(t, b, "alain@contoso.com")
		method, _ := page.Field("method")
		refused := b.Post("/reset/verify", "method", method, "action", "verify", "code", theirs.Use(page.PasskeyOptions())).Want(http.StatusUnprocessableEntity, "reset-verify")
		if refused.Alert() != "code-wrong" {
			t.Error(refused.Alert())
		}
	})
}

func TestTheSamePasskeyAnswerTwentyTimesAtOnceIsOneGate(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		mine := p.Device()
		p.GivePasskey("alain@contoso.com", mine)
		b := p.Browser()
		page := toPasskey(t, b, "alain@contoso.com")
		method, _ := page.Field("method")
		form := url.Values{"method": {method}, "action": {"verify"}, "code": {mine.Use(page.PasskeyOptions())}}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := b.Clone().Do(http.MethodPost, "/reset/verify", form); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		passed := 0
		for _, e := range p.Events() {
			if e.Kind == audit.ResetGatePassed {
				passed++
			}
		}
		if passed != 1 {
			t.Errorf("%d gates were passed", passed)
		}
	})
}

// A passkey that was made for another address is not offered, and the page says
// why; at an address that is a number there are none at all.
func TestAPasskeyOfAnotherAddressIsNotOffered(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		if p.App.Challenges.RelyingParty() != "" {
			t.Errorf("passkeys at %s", p.URL)
		}
		p.AddPasskey("alain@contoso.com", "kunci.old.example")
		b := p.Browser()
		b.Get("/reset")
		choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
		if n := len(choose.Choices("method")); n != 1 {
			t.Errorf("%d ways to choose from, want the mailbox", n)
		}
		if !strings.Contains(choose.Text(), "dibuat untuk alamat lain") {
			t.Errorf("the page does not say why:\n%s", choose.Text())
		}
	})
}
