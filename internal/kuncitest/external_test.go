package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

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

// A password that ran out, or that has to be replaced, and that cannot be changed
// here: nobody is led to a form that fails. The page says where it is changed, in the
// organization's own words where it has some, and lets nobody by.
func TestAPasswordThatHasToBeChangedElsewhere(t *testing.T) {
	const own = "help_texts: [{page: problem.not-managed, language: id, text: Tekan Ctrl+Alt+Del di komputer kantor.}]"
	for name, c := range map[string]struct{ more, where string }{
		"no write-back": {"  write_back: false", "Gantilah di tempat Anda biasa menggantinya"},
		"one account":   {"  attributes: {password_source: employeeType=federated}\n" + own, "Tekan Ctrl+Alt+Del di komputer kantor."},
	} {
		t.Run(name, func(t *testing.T) {
			atSlapd(t, ldaptest.SlapdOptions{Policy: map[string]string{"pwdMaxAge": "8640000"}}, c.more, func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
				alain := "uid=alain," + ldaptest.People
				s.Modify(t, alain, map[string][]string{"employeeType": {"federated"}})
				held := func(why string) {
					t.Helper()
					b := p.Browser()
					wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/password")
					for _, path := range []string{"/password", "/security-info", "/security-info/add", "/interrupt"} {
						page := b.Get(path).Want(http.StatusOK, "password")
						text := page.Text()
						if page.Problem() != "not-managed" || !strings.Contains(text, "harus diganti di tempat lain") || !strings.Contains(text, c.where) ||
							!strings.Contains(text, "masuk dengan kata sandi yang baru") || strings.Contains(page.Body, "current_password") {
							t.Errorf("%s, at %s: %q %s", why, path, page.Problem(), text)
						}
					}
					wantAt(t, b.Post("/signout"), "/signin")
					wantAt(t, b.Get("/security-info"), "/signin")
					if page := signIn(t, p.Browser(), "alain@contoso.com", "salah sekali"); page.Alert() != "signin-wrong" {
						t.Errorf("%s, and the wrong password: %q", why, page.Alert())
					}
				}
				s.Modify(t, alain, map[string][]string{"pwdReset": {"TRUE"}})
				held("to be changed")
				s.Modify(t, alain, map[string][]string{"pwdReset": nil})
				s.Advance(t, 101*24*time.Hour)
				held("expired")
				s.Modify(t, alain, map[string][]string{"userPassword": {newPassword}}) // there, by themselves
				s.Modify(t, alain, map[string][]string{"pwdReset": nil})
				wantAt(t, signIn(t, p.Browser(), "alain@contoso.com", newPassword), "/security-info")
			})
		})
	}
}
