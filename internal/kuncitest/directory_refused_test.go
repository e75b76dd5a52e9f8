package kuncitest_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
)

// A directory that does not let Kunci in at all: nobody was about to write a
// password, so no page says that one could not be written.
func TestARefusalOfTheDirectoryIsRightWhereItIsRead(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	people(t, s)
	p := kuncitest.Start(t, contosoAt(s, ""))
	s.Kill() // no connection of before is left
	if err := os.WriteFile(s.PasswordFile, []byte("not the password"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Run(t)
	for lang, words := range map[string]struct{ says, not string }{
		"en": {"did not allow this", "written"}, "id": {"tidak mengizinkan ini", "ditulis"},
	} {
		b := p.Browser()
		b.Get("/signin?lang=" + lang)
		page := signIn(t, b, "alain@contoso.com", kuncitest.OldPassword)
		if text := page.Text(); page.Alert() != "directory-refused" || !strings.Contains(text, words.says) || strings.Contains(text, words.not) {
			t.Errorf("%s, at sign-in: %q %s", lang, page.Alert(), text)
		}
		b.Get("/reset")
		page = b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
		deadEnd(t, page, "directory-refused")
		if text := page.Text(); !strings.Contains(text, words.says) || strings.Contains(text, words.not) {
			t.Errorf("%s, at a reset: %s", lang, text)
		}
	}
}
