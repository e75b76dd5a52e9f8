package kuncitest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
)

// refusalOf is all that a stranger sees of a sign-in that was refused.
func refusalOf(t *testing.T, b *kuncitest.Browser, userID, pw string) string {
	t.Helper()
	page := signIn(t, b, userID, pw)
	return fmt.Sprintf("%d, alert %q, retry %q: %s", page.Status, page.Alert(), page.Header.Get("Retry-After"), strings.ReplaceAll(page.Text(), userID, "(who)"))
}

// Outside directories say that an account is locked whatever the password was, so
// what they say is no word to strangers: a locked account, somebody else's wrong
// password and a user ID of nobody read the same, the right password of the locked
// one too. Whoever proves who they are is told, and let in again.
func TestALockIsToldToNobodyBeforeTheyProvedWhoTheyAre(t *testing.T) {
	for name, start := range places {
		if name == "embedded" {
			continue // its lock comes for nobody as well, and is told: TestNobodyAnswersAsAnAccountDoes
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			p := kuncitest.Start(t, w.Options)
			b := p.Browser()
			want := refusalOf(t, b, "budi@contoso.com", "salah sekali")
			if !strings.HasPrefix(want, `422, alert "signin-wrong", retry "": `) || !strings.Contains(want, "akun terkunci untuk sementara") || !strings.Contains(want, "Lupa kata sandi") {
				t.Fatalf("a wrong password: %s", want)
			}
			for n := range w.threshold + 12 { // beyond every threshold there is, our own too
				for _, userID := range []string{"alain@contoso.com", "siapa@contoso.com"} {
					if got := refusalOf(t, b, userID, fmt.Sprintf("salah %d", n)); got != want {
						t.Fatalf("wrong password %d of %s: %s\nwant %s", n+1, userID, got, want)
					}
				}
			}
			if got := refusalOf(t, b, "alain@contoso.com", w.password); got != want {
				t.Errorf("the right one of a locked account: %s\nwant %s", got, want)
			}
			if got := reasons(p, audit.SignInFailed); !slices.Contains(got, "failure:signin-locked") || !slices.Contains(got, "failure:signin-wrong") {
				t.Errorf("the log does not tell a lock from a wrong password: %v", got)
			}
			if w.off != "" {
				if got := refusalOf(t, b, w.off+"@contoso.com", "salah"); got != want {
					t.Errorf("a disabled account, wrong: %s\nwant %s", got, want)
				}
				if page := signIn(t, b, w.off+"@contoso.com", w.password); page.Alert() != "account-disabled" {
					t.Errorf("a disabled account, right: %q", page.Alert())
				}
			}
			b = p.Browser()
			b.Get("/reset")
			choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "locked").Want(http.StatusOK, "reset-choose")
			b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
			b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "unlock-done")
			if page := signIn(t, p.Browser(), "alain@contoso.com", w.password); page.Path != "/security-info" && page.Path != "/interrupt" {
				t.Errorf("after the unlock: at %s, alert %q", page.Path, page.Alert())
			}
		})
	}
}

// What the page says about locks names a way that is there.
func TestWhereNobodyCanResetALockSaysToWait(t *testing.T) {
	o := kuncitest.Options{Organization: strings.Replace(kuncitest.Contoso, "reset: {", "reset: {scope: none, ", 1), Accounts: kuncitest.People}
	p := kuncitest.Start(t, o)
	for lang, words := range map[string]string{"id": "hubungi meja bantuan", "en": "ask your helpdesk"} {
		b := p.Browser()
		b.Get("/signin?lang=" + lang)
		page := signIn(t, b, "alain@contoso.com", "salah")
		if text := page.Text(); page.Alert() != "signin-wrong" || !strings.Contains(text, words) || strings.Contains(text, "Lupa kata sandi") || strings.Contains(text, "Forgot my password") {
			t.Errorf("%s: %q %s", lang, page.Alert(), text)
		}
	}
}
