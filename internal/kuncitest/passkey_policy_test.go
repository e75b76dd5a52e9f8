package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
)

// withPolicy is Contoso with more in its policy.
func withPolicy(lines string) kuncitest.Options {
	return kuncitest.Options{
		Localhost: true, Accounts: kuncitest.People,
		Organization: strings.Replace(kuncitest.Contoso, "  reset: {", lines+"  reset: {", 1),
	}
}

// Two passkeys are not two gates: whoever holds the device holds both (AC-055).
func TestTwoPasskeysAreOneGate(t *testing.T) {
	o := withPolicy("")
	o.Organization = strings.Replace(o.Organization, "reset: {", "reset: {gates: 2, ", 1)
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		first, second := p.Device(), p.Device()
		m := p.GivePasskey("alain@contoso.com", first)
		p.GivePasskey("alain@contoso.com", second)
		b := p.Browser()
		page := toPasskey(t, b, "alain@contoso.com")
		id, _ := page.Field("method")
		next := b.Post("/reset/verify", "method", id, "action", "verify", "code", first.Use(page.PasskeyOptions())).Want(http.StatusOK, "reset-choose")
		if left := next.Choices("method"); len(left) != 1 || left[0] == m.ID || !strings.Contains(next.Text(), "Terlalu mirip") {
			t.Errorf("left to choose: %v\n%s", left, next.Text())
		}
		for _, again := range []string{id, m.ID} {
			if refused := b.Post("/reset/verify", "method", again, "action", "send"); refused.Alert() != "method-not-allowed" {
				t.Errorf("chosen again: %s %q", refused.Name(), refused.Alert())
			}
		}
		b.Post("/reset/verify", "method", next.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "action", "verify", "code", p.Code(1)).Want(http.StatusOK, "reset-password")
	})
}

// A passkey that was added too recently does not answer for the others.
func TestAPasskeyThatHasToWaitAnswersForNone(t *testing.T) {
	each(t, withPolicy("  new_method_waiting_hours: 24\n"), func(t *testing.T, p *kuncitest.Product) {
		old, young := p.Device(), p.Device()
		p.GivePasskey("alain@contoso.com", old)
		p.Clock.Advance(25 * time.Hour)
		p.GivePasskey("alain@contoso.com", young)
		b := p.Browser()
		page := toPasskey(t, b, "alain@contoso.com")
		id, _ := page.Field("method")
		refused := b.Post("/reset/verify", "method", id, "action", "verify", "code", young.Use(page.PasskeyOptions())).Want(http.StatusUnprocessableEntity, "reset-verify")
		if refused.Alert() != "code-wrong" {
			t.Error(refused.Alert())
		}
		b.Post("/reset/verify", "method", id, "action", "verify", "code", old.Use(refused.PasskeyOptions())).Want(http.StatusOK, "reset-password")
	})
}

// A passkey needs a fresher proof than other kinds: five minutes, not ten.
func TestAPasskeyNeedsAFresherProof(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		held := p.Device()
		m := p.GivePasskey("alain@contoso.com", held)
		me := signedIn(t, p, "alain@contoso.com", m.ID)
		p.Clock.Advance(6 * time.Minute)
		wantAt(t, me.Get("/security-info/add?kind=email"), "/security-info/add")
		for _, path := range []string{"/security-info/add?kind=passkey", "/security-info/" + m.ID + "/delete", "/security-info/" + m.ID + "/change"} {
			wantAt(t, me.Get(path), "/signin/verify")
		}
		wantAt(t, me.Post("/security-info/add", "kind", "passkey"), "/signin/verify")
		wantAt(t, me.Post("/security-info/"+m.ID+"/delete"), "/signin/verify")
		if !me.methods()[1].Usable() {
			t.Error("it was deleted")
		}
		proveAgain(t, me, held)
		wantAt(t, me.Get("/security-info/add?kind=passkey"), "/security-info/add")
	})
}
