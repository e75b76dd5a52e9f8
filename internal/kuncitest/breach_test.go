package kuncitest_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/password/breach"
)

const breachedPassword = "kopi manis di beranda"

func withFilter(t *testing.T) func(*config.Config) {
	path := filepath.Join(t.TempDir(), "pwned.kbf")
	if _, err := breach.Build(path, strings.NewReader("letmein\n"+breachedPassword+"\n"), breach.BuildOptions{}); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.Breach.Filter = path }
}

func TestABreachedPasswordIsRefusedByName(t *testing.T) {
	each(t, kuncitest.Options{Settings: withFilter(t)}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		page := b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		if !strings.Contains(page.Body, "kebocoran data") {
			t.Error("the page does not say that breached passwords are refused")
		}
		page = b.Post("/reset/password", "new_password", breachedPassword, "confirm_password", breachedPassword).
			Want(http.StatusUnprocessableEntity, "reset-password")
		if page.Alert() != "password-refused" || !strings.Contains(page.Body, "pernah muncul dalam kebocoran data, sehingga") {
			t.Errorf("alert %q in %s", page.Alert(), page.Body)
		}
		if password(t, p, "alain@contoso.com", breachedPassword) != directory.Wrong {
			t.Error("the breached password was set")
		}
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
	})
}

func TestAPolicyMayAllowBreachedPasswords(t *testing.T) {
	o := kuncitest.Options{
		Settings: withFilter(t), Accounts: kuncitest.People,
		Organization: kuncitest.Contoso + "  password: {breached: allow}\n",
	}
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		page := b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		if strings.Contains(page.Body, "kebocoran data") {
			t.Error("the page names a rule that does not hold")
		}
		b.Post("/reset/password", "new_password", breachedPassword, "confirm_password", breachedPassword).Want(http.StatusOK, "reset-done")
	})
}
