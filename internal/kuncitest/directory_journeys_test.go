package kuncitest_test

import (
	"fmt"
	"net/http"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
)

// The same people do the same things at the same pages, wherever their passwords
// are kept: forget one, sign in, change one, are asked for another, are locked out.
func TestTheSameJourneysOnEveryKindOfDirectory(t *testing.T) {
	for name, start := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			p := kuncitest.Start(t, w.Options)
			in := func(userID, pw string) {
				t.Helper()
				page := signIn(t, p.Browser(), userID, pw)
				if page.Path != "/security-info" && page.Path != "/interrupt" {
					t.Fatalf("%s signs in: at %s, alert %q", userID, page.Path, page.Alert())
				}
			}
			out := func(userID, pw string) {
				t.Helper()
				if page := signIn(t, p.Browser(), userID, pw); page.Alert() != "signin-wrong" {
					t.Fatalf("%s signs in with the old one: at %s, alert %q", userID, page.Path, page.Alert())
				}
			}

			// Alain forgot it.
			b := p.Browser()
			toNewPassword(t, p, b, "alain@contoso.com")
			newOne(b, w.another).Want(http.StatusOK, "reset-done")
			in("alain@contoso.com", w.another)
			out("alain@contoso.com", w.password)

			// Must is led to the page of the change before anything else, and to no
			// other by an address.
			b = p.Browser()
			wantAt(t, signIn(t, b, "must@contoso.com", w.password), "/password")
			wantAt(t, b.Get("/security-info"), "/password")
			if page := b.Post("/password", "current_password", "salah", "new_password", w.another, "confirm_password", w.another); page.Alert() != "password-wrong" {
				t.Errorf("with a wrong one: %d, alert %q", page.Status, page.Alert())
			}
			if page := b.Post("/password", "current_password", w.password, "new_password", w.another, "confirm_password", w.another); page.Alert() != "" || page.Status != http.StatusOK {
				t.Fatalf("the change that was asked for: %d, alert %q: %s", page.Status, page.Alert(), page.Text())
			}
			in("must@contoso.com", w.another)
			out("must@contoso.com", w.password)

			// Budi is locked out, and comes back with the same password.
			for n := range w.threshold {
				password(t, p, "budi@contoso.com", fmt.Sprint("salah ", n))
			}
			if got := password(t, p, "budi@contoso.com", w.password); got != directory.Locked {
				t.Fatalf("locked: %s", got)
			}
			b = p.Browser()
			mails := len(p.Mail.Mails())
			b.Get("/reset")
			choose := b.Post("/reset", "user_id", "budi@contoso.com", "reason", "locked").Want(http.StatusOK, "reset-choose")
			b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
			b.Post("/reset/verify", "code", p.Code(mails+1), "action", "verify").Want(http.StatusOK, "unlock-done")
			in("budi@contoso.com", w.password)

			// Off may nothing, and is told only for the right password.
			if w.off != "" {
				out(w.off+"@contoso.com", "salah sekali")
				if page := signIn(t, p.Browser(), w.off+"@contoso.com", w.password); page.Alert() != "account-disabled" {
					t.Errorf("disabled: at %s, alert %q", page.Path, page.Alert())
				}
				b = p.Browser()
				b.Get("/reset")
				deadEnd(t, b.Post("/reset", "user_id", w.off+"@contoso.com", "reason", "forgot"), "not-verified")
			}
			for kind, want := range map[audit.Kind]int{audit.ResetCompleted: 1, audit.PasswordChanged: 1, audit.AccountUnlocked: 1} {
				if got := count(p, kind); got != want {
					t.Errorf("%s %d times", kind, got)
				}
			}
			noSecret(t, p, w.password, w.another)
		})
	}
}
