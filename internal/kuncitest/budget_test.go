package kuncitest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
)

// One guess for each of many people is not seen by any one's counter: the organization
// has a budget. When it is used up no guess is judged in a reset, which is recorded
// once; whoever has a passkey gets back in all the same, everybody signs in, and
// nobody's own tries are used up by it.
func TestGuessesSpreadOverManyPeople(t *testing.T) {
	const people, budget = 12, 6
	accounts := "user_id,display_name,password,email\nalain@contoso.com,Alain," + kuncitest.OldPassword + ",alain@example.net\n"
	for i := range people {
		accounts += fmt.Sprintf("o%d@contoso.com,Orang,%s,o%d@example.net\n", i, kuncitest.OldPassword, i)
	}
	o := kuncitest.Options{
		Localhost: true, Accounts: accounts,
		Organization: strings.Replace(kuncitest.Contoso, "policy:", fmt.Sprintf("policy:\n  throttle: {organization_failures: {limit: %d, per: 1h}}\n  captcha: off", budget), 1),
	}
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		device := p.Device()
		p.GivePasskey("alain@contoso.com", device)
		// Wrong answers of a passkey are no guesses.
		for range 2 {
			b := p.Browser()
			page := toPasskey(t, b, "alain@contoso.com")
			id, _ := page.Field("method")
			phished := device.At("https://login-contoso.example").Use(page.PasskeyOptions())
			if page = b.Post("/reset/verify", "method", id, "action", "verify", "code", phished); page.Alert() != "code-wrong" {
				t.Fatalf("a passkey's answer made elsewhere: %q", page.Alert())
			}
		}
		judged, last := 0, (*kuncitest.Browser)(nil)
		for i := range people {
			last = p.Browser()
			toCode(t, last, fmt.Sprintf("o%d@contoso.com", i))
			switch page := last.Post("/reset/verify", "code", "00000000", "action", "verify"); page.Alert() {
			case "code-wrong":
				judged++
			case "blocked":
			default:
				if page.Problem() != "blocked" {
					t.Errorf("guess %d: %d %q %q", i, page.Status, page.Alert(), page.Problem())
				}
			}
		}
		if judged != budget {
			t.Errorf("%d guesses were judged, want %d", judged, budget)
		}
		alarms := 0
		for _, e := range p.Events() {
			if e.Kind == audit.ResetBlocked && e.Reason == "organization_failures" {
				alarms++
			}
		}
		if alarms != 1 {
			t.Errorf("the budget's end is recorded %d times", alarms)
		}
		// The right code is not judged either: nobody learns by it what is right.
		late := p.Browser()
		toCode(t, late, "o11@contoso.com")
		code := ""
		until(t, "the code", func() bool {
			for _, m := range p.Mail.Mails() {
				if m.To == "o11@example.net" {
					code = eightDigits.FindString(m.Parse(t).Text)
				}
			}
			return code != ""
		})
		if page := late.Post("/reset/verify", "code", code, "action", "verify"); page.Name() == "reset-password" {
			t.Error("the right code is judged while the budget is used up")
		}
		b := p.Browser()
		page := toPasskey(t, b, "alain@contoso.com")
		id, _ := page.Field("method")
		b.Post("/reset/verify", "method", id, "action", "verify", "code", device.Use(page.PasskeyOptions())).Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
			t.Errorf("by a passkey: %s", got)
		}
		in := p.Browser()
		wantAt(t, signIn(t, in, "o0@contoso.com", kuncitest.OldPassword), "/security-info")
		// What a passkey proved gave nothing back that others used up.
		if page := late.Post("/reset/verify", "code", code, "action", "verify"); page.Name() == "reset-password" {
			t.Error("a passkey's success gives guesses back")
		}
		// An hour later they have as many tries as ever.
		p.Clock.Advance(time.Hour + time.Second)
		again := p.Browser()
		toCode(t, again, "o10@contoso.com")
		for n := range 4 {
			if page := again.Post("/reset/verify", "code", fmt.Sprintf("0000000%d", n), "action", "verify"); page.Alert() != "code-wrong" {
				t.Errorf("an hour later, guess %d: %q %q", n, page.Alert(), page.Problem())
			}
		}
	})
}

// Passes typed for people who have none, or for nobody, are no guesses at anything:
// strangers who make user IDs up do not stop an organization's resets with them.
func TestPassesOfNobodyUseNoBudgetUp(t *testing.T) {
	o := kuncitest.Options{Organization: strings.Replace(kuncitest.Contoso, "policy:", "policy:\n  throttle: {organization_failures: {limit: 4, per: 1h}}\n  captcha: off", 1), Accounts: kuncitest.People}
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		for i := range 8 {
			for _, userID := range []string{fmt.Sprintf("made-up-%d@contoso.com", i), "citra@contoso.com"} {
				b := p.Browser()
				toPassword(t, b, userID)
				b.Get("/signin/pass").Want(http.StatusOK, "signin-pass")
				if page := b.Post("/signin/pass", "pass", "0000-0000-0000"); page.Status < http.StatusBadRequest {
					t.Fatalf("a pass that is none: %d %s", page.Status, page.Path)
				}
			}
		}
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		// One that somebody has is guessed at.
		pass := issue(t, p, "hana@contoso.com", time.Time{})
		for range 4 {
			b := p.Browser()
			toPassword(t, b, "hana@contoso.com")
			b.Get("/signin/pass")
			b.Post("/signin/pass", "pass", "0000-0000-0000")
		}
		b = p.Browser()
		choose(t, b, "hana@contoso.com", "never_received", pass.ID)
		if page := b.Post("/reset/verify", "code", pass.Code, "action", "verify"); page.Name() == "reset-password" {
			t.Error("guesses at a pass are not counted for the organization")
		}
	})
}
