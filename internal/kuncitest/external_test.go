package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
)

// Where the password is kept elsewhere people sign in and look after their security
// info as everybody does, and read why nothing can be reset; in the directory the
// accounts of others stay as they are.
func TestSecurityInfoOfPeopleWhosePasswordIsKeptElsewhere(t *testing.T) {
	for name, more := range map[string]string{"one account": "  attributes: {password_source: employeeType=federated}", "no write-back": "  write_back: false"} {
		t.Run(name, func(t *testing.T) {
			atSlapd(t, ldaptest.SlapdOptions{}, more, func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
				s.Modify(t, "uid=alain,"+ldaptest.People, map[string][]string{"employeeType": {"federated"}})
				b := p.Browser()
				wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/security-info")
				page := b.Get("/security-info").Want(http.StatusOK, "security-info")
				if text := page.Text(); !strings.Contains(text, "tidak disimpan oleh Contoso di sini") || strings.Contains(text, "belum mengaktifkan pengaturan ulang") {
					t.Errorf("security info: %s", text)
				}
				b.Get("/signin?lang=en")
				if text := b.Get("/security-info?lang=en").Text(); !strings.Contains(text, "is not kept by Contoso here") {
					t.Errorf("in English: %s", text)
				}
				b.Post("/security-info/add", "kind", "email", "email", "second@example.net").Want(http.StatusOK, "security-info-add")
				if page := b.Post("/password", "current_password", kuncitest.OldPassword, "new_password", newPassword, "confirm_password", newPassword); !strings.Contains(page.Text(), "is not kept by Contoso here") {
					t.Errorf("changing the password: %s", page.Text())
				}
				if got := password(t, p, "alain@contoso.com", kuncitest.OldPassword); got != directory.OK {
					t.Errorf("the password: %s", got)
				}
				b = p.Browser()
				b.Get("/reset")
				deadEnd(t, b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"), "not-managed")
				want := "reset-problem" // another one of the same directory
				if name == "one account" {
					want = "reset-choose"
				}
				b = p.Browser()
				b.Get("/reset")
				if page := b.Post("/reset", "user_id", "hana@contoso.com", "reason", "never_received"); page.Name() != want {
					t.Errorf("somebody else: %s", page.Name())
				}
			})
		})
	}
}
