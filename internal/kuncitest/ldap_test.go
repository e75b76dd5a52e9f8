package kuncitest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// contosoAt is Contoso with its accounts in a slapd.
func contosoAt(s *ldaptest.Slapd, more string) kuncitest.Options {
	return kuncitest.Options{
		Organization: strings.Replace(kuncitest.Contoso, "\npolicy:", fmt.Sprintf(`
directory:
  kind: ldap
  dialect: openldap
  urls: [%s]
  bind_dn: %q
  bind_password_file: %s
  ca_file: %s
  base_dn: %q
%s
policy:`, s.URL, ldaptest.Service, s.PasswordFile, s.Authority.File, ldaptest.People, more), 1),
		Accounts: "user_id,email\nalain@contoso.com,alain@example.net\neko@contoso.com,eko@example.net\nhana@contoso.com,hana@example.net\n",
	}
}

// people are in the slapd: one with a password, a contractor through two groups,
// and one who never had a password.
func people(t *testing.T, s *ldaptest.Slapd) (alain string) {
	t.Helper()
	alain = s.AddPerson(t, "alain@contoso.com", kuncitest.OldPassword, map[string][]string{"cn": {"Alain Dupont"}})
	eko := s.AddPerson(t, "eko@contoso.com", kuncitest.OldPassword, nil)
	s.AddPerson(t, "hana@contoso.com", "", nil)
	inner := "cn=builders," + ldaptest.Groups
	s.Add(t, inner, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"builders"}, "member": {eko}})
	s.Add(t, "cn=contractors,"+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"contractors"}, "member": {inner}})
	return alain
}

// atSlapd runs a journey against a slapd on both databases.
func atSlapd(t *testing.T, o ldaptest.SlapdOptions, more string, journey func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd)) {
	t.Helper()
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := ldaptest.StartSlapd(t, o)
			people(t, s)
			mine := contosoAt(s, more)
			mine.Kind = kind
			journey(t, kuncitest.Start(t, mine), s)
		})
	}
}

// toPassword walks to the page of the new password.
func toNewPassword(t *testing.T, p *kuncitest.Product, b *kuncitest.Browser, userID string) {
	t.Helper()
	before := len(p.Mail.Mails())
	toCode(t, b, userID)
	b.Post("/reset/verify", "code", p.Code(before+1), "action", "verify").Want(http.StatusOK, "reset-password")
}

// codeTo waits for a mail with a code to an address and gives the code; notices may
// come before it.
func codeTo(t *testing.T, p *kuncitest.Product, address string) string {
	t.Helper()
	for n := 1; ; n++ {
		if m := p.Mail.Wait(t, n)[n-1]; m.To == address {
			if code := codeOfMail.FindString(m.Parse(t).Text); code != "" {
				return code
			}
		}
	}
}

// deadEnd wants the page that says why it does not go on.
func deadEnd(t *testing.T, page *kuncitest.Page, problem string) {
	t.Helper()
	if page.Name() != "reset-problem" || page.Problem() != problem {
		t.Errorf("%d %s %s, want %s", page.Status, page.Name(), page.Problem(), problem)
	}
}

func newOne(b *kuncitest.Browser, pw string) *kuncitest.Page {
	return b.Post("/reset/password", "new_password", pw, "confirm_password", pw)
}

func TestAForgottenPasswordIsResetInOpenLDAP(t *testing.T) {
	atSlapd(t, ldaptest.SlapdOptions{Policy: map[string]string{"pwdMinLength": "14"}}, "", func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
		b := p.Browser()
		toNewPassword(t, p, b, "Alain@Contoso.com ")
		if page := b.Get("/reset/password").Text(); !strings.Contains(page, "Paling sedikit 14 karakter") || !strings.Contains(page, "Berbeda dari 3 kata sandi terakhir") {
			t.Errorf("the directory's own rules are not shown: %s", page)
		}
		if page := newOne(b, kuncitest.OldPassword).Want(http.StatusUnprocessableEntity, "reset-password"); page.Alert() != "password-refused" ||
			!strings.Contains(page.Text(), "sudah pernah Anda pakai") {
			t.Errorf("alert %q: %s", page.Alert(), page.Text())
		}
		newOne(b, newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the new password: %s", got)
		}
		if got := password(t, p, "alain@contoso.com", kuncitest.OldPassword); got != directory.Wrong {
			t.Errorf("the old password: %s", got)
		}
		noSecret(t, p, newPassword, kuncitest.OldPassword, "alain@example.net", "least rights of a test")
		b = p.Browser()
		b.Get("/reset")
		b.Post("/reset", "user_id", "eko@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
		b = p.Browser()
		b.Get("/reset")
		choose := b.Post("/reset", "user_id", "hana@contoso.com", "reason", "never_received").Want(http.StatusOK, "reset-choose")
		b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "code", p.Code(3), "action", "verify").Want(http.StatusOK, "reset-password")
		newOne(b, "sebelas burung hitam terbang").Want(http.StatusOK, "reset-done")
	})
}

// again repeats what somebody would repeat, until it goes.
func again(t *testing.T, try func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !try() {
		select {
		case <-deadline:
			t.Fatal("it never went")
		case <-time.After(700 * time.Millisecond): // few tries: many starts are asked for work
		}
	}
}

func TestADirectoryWithoutWriteBackIsNotManagedHere(t *testing.T) {
	atSlapd(t, ldaptest.SlapdOptions{}, "  write_back: false", func(t *testing.T, p *kuncitest.Product, _ *ldaptest.Slapd) {
		b := p.Browser()
		b.Get("/reset")
		deadEnd(t, b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"), "not-managed")
		if got := password(t, p, "alain@contoso.com", kuncitest.OldPassword); got != directory.OK {
			t.Errorf("signing in does not work: %s", got)
		}
	})
}

func TestAnAccountFileForOpenLDAPRegistersMethodsOnly(t *testing.T) {
	atSlapd(t, ldaptest.SlapdOptions{}, "", func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
		s.AddPerson(t, "budi@contoso.com", kuncitest.OldPassword, nil)
		load := func(file string) (account.ImportReport, error) {
			return p.App.Import(t.Context(), "contoso", strings.NewReader(file), account.CSV, account.ImportOptions{})
		}
		report, err := load("user_id,email\nbudi@contoso.com,budi@example.net\n")
		if err != nil || report.MethodsAdded != 1 || report.Created != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		for _, column := range []string{"password", "display_name", "groups", "disabled", "must_change", "password_source", "language"} {
			_, err := load("user_id," + column + "\nbudi@contoso.com,x\n")
			var bad *account.FileError
			if !errors.As(err, &bad) || len(bad.Rows) != 1 || bad.Rows[0].Column != column {
				t.Errorf("%s: %v", column, err)
			}
		}
		if _, err := load("user_id,email\nnobody@contoso.com,nobody@example.net\n"); err == nil {
			t.Error("somebody whom the directory does not know was taken")
		}
		b := p.Browser()
		toNewPassword(t, p, b, "budi@contoso.com")
	})
}
