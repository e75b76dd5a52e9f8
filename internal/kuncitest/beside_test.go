package kuncitest_test

import (
	"net/http"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

// A stranger who starts resets of the same account, with the same method, again
// and again, keeps its person from nothing: not with an app, not with a recovery
// code, not with a mailed code. What the person used is used up for the stranger.
func TestBesideAStrangersReset(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		phone, shows := app(t, p, "alain@contoso.com")
		me := signedIn(t, p, "alain@contoso.com", phone.ID)
		paper := recoveryCode.FindString(me.Post("/security-info/add", "kind", "recovery_code").Want(http.StatusOK, "security-info-add").Text())
		mails := 1
		p.Mail.Wait(t, mails) // the address is told of the recovery codes
		mailed := func() string {
			mails++
			return p.Code(mails)
		}
		for _, c := range []struct {
			kind method.Kind
			code func() string
		}{
			{method.AuthenticatorCode, shows}, {method.RecoveryCode, func() string { return paper }}, {method.Email, mailed},
		} {
			id := me.ofKind(c.kind).ID
			b, stranger := p.Browser(), p.Browser()
			choose(t, b, "alain@contoso.com", "forgot", id).Want(http.StatusOK, "reset-verify")
			code := c.code()
			for _, other := range []*kuncitest.Browser{stranger, p.Browser()} {
				choose(t, other, "alain@contoso.com", "forgot", id).Want(http.StatusOK, "reset-verify")
				if again := c.code(); again != code {
					t.Errorf("%s: the stranger's code is another one", c.kind)
				}
			}
			stranger.Post("/reset/verify", "action", "back").Want(http.StatusOK, "reset-choose")
			if page := b.Post("/reset/verify", "code", code, "action", "verify"); page.Name() != "reset-password" {
				t.Errorf("%s: the person is at %q, alert %q", c.kind, page.Name(), page.Alert())
			}
			stranger.Post("/reset/verify", "method", id)
			if page := stranger.Post("/reset/verify", "code", code, "action", "verify"); page.Name() == "reset-password" {
				t.Errorf("%s: the used code works for the stranger", c.kind)
			}
			if err := p.App.Unlock(t.Context(), find(t, p, "alain@contoso.com")); err != nil { // five resets an hour
				t.Fatal(err)
			}
		}
	})
}
