package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
)

// A reset in a 389 Directory Server that refuses a password, dies, and comes back.
func TestAForgottenPasswordIsResetInDS389(t *testing.T) {
	s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
	s.AddPerson(t, "alain@contoso.com", kuncitest.OldPassword, nil)
	p := kuncitest.Start(t, contosoIn(s.Config(), "alain"))
	b := p.Browser()
	toNewPassword(t, p, b, "alain@contoso.com")
	if page := newOne(b, kuncitest.OldPassword).Want(http.StatusUnprocessableEntity, "reset-password"); !strings.Contains(page.Text(), "sudah pernah Anda pakai") {
		t.Errorf("the old one again: %s", page.Text())
	}
	s.Kill()
	deadEnd(t, newOne(b, newPassword), "directory-unavailable")
	if p.Has(audit.ResetCompleted) {
		t.Error("a reset that nobody wrote is completed")
	}
	s.Run(t)
	again(t, func() bool { return newOne(b, newPassword).Name() == "reset-done" })
	if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
		t.Errorf("the new password: %s", got)
	}
	if got := password(t, p, "alain@contoso.com", kuncitest.OldPassword); got != directory.Wrong {
		t.Errorf("the old password: %s", got)
	}
	noSecret(t, p, newPassword, kuncitest.OldPassword, "least rights of a test")
}
