package kuncitest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
)

func TestChangingThePassword(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		b, other := p.Browser(), p.Browser()
		signIn(t, b, "alain@contoso.com", kuncitest.OldPassword)
		signIn(t, other, "alain@contoso.com", kuncitest.OldPassword)
		before := sessionOf(b)
		if page := b.Get("/password").Want(http.StatusOK, "password"); len(page.Choices("new_password")) != 1 || !strings.Contains(page.Text(), "12") {
			t.Errorf("no rules:\n%s", page.Text())
		}
		for _, test := range []struct{ current, pw, confirm, want string }{
			{"", newPassword, newPassword, "required"},
			{kuncitest.OldPassword, "", "", "required"},
			{kuncitest.OldPassword, newPassword, newPassword + "!", "password-mismatch"},
			{kuncitest.OldPassword, "short", "short", "password-refused"},
			{kuncitest.OldPassword, kuncitest.OldPassword, kuncitest.OldPassword, "password-refused"},
			{"not the old one", newPassword, newPassword, "password-wrong"},
		} {
			page := b.Post("/password", "current_password", test.current, "new_password", test.pw, "confirm_password", test.confirm).Want(http.StatusUnprocessableEntity, "password")
			if page.Alert() != test.want {
				t.Errorf("%+v: alert %q", test, page.Alert())
			}
			if test.pw != "" && test.pw != "short" && strings.Contains(page.Body, test.pw) {
				t.Errorf("%+v: the page repeats it", test)
			}
		}
		page := b.Post("/password", "current_password", kuncitest.OldPassword, "new_password", newPassword, "confirm_password", newPassword)
		wantAt(t, page, "/password").Want(http.StatusOK, "password")
		if page.Alert() != "" {
			t.Fatalf("alert %q", page.Alert())
		}
		if isIn(other) || isIn(with(p, before)) || !isIn(b) {
			t.Error("another session lives, or this one does not")
		}
		wantAt(t, signIn(t, other, "alain@contoso.com", newPassword), "/security-info")
		if n := count(p, audit.PasswordChanged); n != 1 {
			t.Errorf("%d changes recorded", n)
		}
		notice := p.Mail.Wait(t, 1)[0]
		text := notice.Parse(t).Text
		link := strings.TrimPrefix(strings.Fields(text[strings.Index(text, p.URL):])[0], p.URL)
		victim := p.Browser()
		victim.Get(link).Want(http.StatusOK, "reset-dispute")
		victim.Post(link).Want(http.StatusOK, "reset-dispute-done")
		if isIn(b) || isIn(other) {
			t.Error("disputed, and still signed in")
		}
		victim.Get("/reset")
		if page := victim.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"); page.Problem() != "not-verified" {
			t.Errorf("disputed, and resets go on: %s %q", page.Name(), page.Problem())
		}
		if !p.Has(audit.RequestOpened) {
			t.Error("no request was opened")
		}
		noSecret(t, p, kuncitest.OldPassword, newPassword, "not the old one", sessionOf(b))
	})
}

// Wrong current passwords are wrong passwords: they lock as those of a sign-in do.
func TestGuessingTheCurrentPasswordLocks(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		signIn(t, b, "alain@contoso.com", kuncitest.OldPassword)
		var page *kuncitest.Page
		for n := range 11 {
			page = b.Post("/password", "current_password", fmt.Sprintf("guess %d", n), "new_password", newPassword, "confirm_password", newPassword)
		}
		if page.Status != http.StatusTooManyRequests || page.Alert() != "signin-locked" || page.Header.Get("Retry-After") != "60" {
			t.Errorf("%d, alert %q, retry %q", page.Status, page.Alert(), page.Header.Get("Retry-After"))
		}
		if page := signIn(t, p.Browser(), "alain@contoso.com", kuncitest.OldPassword); page.Alert() != "signin-locked" {
			t.Errorf("signing in meanwhile: %q", page.Alert())
		}
	})
}

func TestAResetEndsEverySession(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		in := p.Browser()
		signIn(t, in, "alain@contoso.com", kuncitest.OldPassword)
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		if !isIn(in) {
			t.Error("signed out before anything was changed")
		}
		done := b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if isIn(in) || sessionOf(b) != "" {
			t.Error("signed in after a reset")
		}
		userID, ok := done.Field("user_id")
		if !ok {
			t.Fatal("no way to sign in from there")
		}
		wantAt(t, b.Post("/signin", "user_id", userID), "/signin/password")
		wantAt(t, b.Post("/signin/password", "password", newPassword), "/security-info")
	})
}

// A password that has outlived the policy's days is changed before anything else.
func TestAnExpiredPasswordIsChangedFirst(t *testing.T) {
	o := officeOptions()
	o.Organization += "  password: {expires_after_days: 90}\n"
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/security-info")
		p.Clock.Advance(90 * 24 * time.Hour)
		if page := signIn(t, b, "alain@contoso.com", "wrong"); page.Alert() != "signin-wrong" {
			t.Errorf("a wrong one: %q", page.Alert())
		}
		wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/password").Want(http.StatusOK, "password")
		wantAt(t, b.Get("/security-info"), "/password")
		b.Post("/password", "current_password", kuncitest.OldPassword, "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "password")
		wantAt(t, b.Get("/security-info"), "/security-info")
		wantAt(t, signIn(t, p.Browser(), "alain@contoso.com", newPassword), "/security-info")
	})
}
