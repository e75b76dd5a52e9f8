package kuncitest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// What the people of the domain have, and what it takes from them.
const (
	domainPassword = "Teapot.harbour.violin.7"
	domainAnother  = "Tujuh.kuda.minum.kopi"
)

// contosoInDomain is Contoso with its accounts in a unit of a domain.
func contosoInDomain(s *ldaptest.Samba, unit string, people ...string) kuncitest.Options {
	return contosoIn(org.DirectoryConfig{
		Kind: org.LDAP, Dialect: org.ActiveDirectory, URLs: []string{s.URL}, BindDN: s.BindDN, BindPasswordFile: s.BindPasswordFile,
		CAFile: s.CAFile, BaseDN: unit, UserFilter: "(&(sAMAccountType=805306368)(mail={user_id}))",
		Attributes: org.DirectoryAttributes{UserID: "mail"}, WriteBack: true,
	}, people...)
}

// inDomain runs a journey in a unit of its own on both databases. The account of
// each person is made by "prepare", which gives their DNs by name.
func inDomain(t *testing.T, prepare func(t *testing.T, s *ldaptest.Samba, unit string) map[string]string,
	journey func(t *testing.T, p *kuncitest.Product, s *ldaptest.Samba, unit string, dns map[string]string)) {
	t.Helper()
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := ldaptest.StartSamba(t)
			unit := s.Unit(t)
			dns := prepare(t, s, unit)
			var names []string
			for name := range dns {
				names = append(names, name)
			}
			o := contosoInDomain(s, unit, names...)
			o.Kind = kind
			journey(t, kuncitest.Start(t, o), s, unit, dns)
		})
	}
}

// colleague makes one account of the domain.
func colleague(t *testing.T, s *ldaptest.Samba, unit, name string, change func(*ldaptest.SambaUser)) string {
	t.Helper()
	u := ldaptest.SambaUser{Name: name, UserID: name + "@contoso.com", Password: domainPassword, More: map[string]string{"displayName": name}}
	if change != nil {
		change(&u)
	}
	return s.User(t, unit, u)
}

func alone(t *testing.T, s *ldaptest.Samba, unit string) map[string]string {
	t.Helper()
	return map[string]string{"alain": colleague(t, s, unit, "alain", nil)}
}

func TestAForgottenPasswordIsResetInActiveDirectory(t *testing.T) {
	inDomain(t, alone, func(t *testing.T, p *kuncitest.Product, s *ldaptest.Samba, _ string, dns map[string]string) {
		b := p.Browser()
		toNewPassword(t, p, b, "Alain@Contoso.com ")
		for pw, words := range map[string]string{
			"hijau daun telaga biru": "lebih banyak jenis karakter", // the directory's rule, not ours
			"Aa1.":                   "12",                          // ours
		} {
			page := newOne(b, pw).Want(http.StatusUnprocessableEntity, "reset-password")
			if page.Alert() != "password-refused" || !strings.Contains(page.Text(), words) || strings.Contains(page.Body, pw) {
				t.Errorf("%q: alert %q: %s", pw, page.Alert(), page.Text())
			}
		}
		if got := password(t, p, "alain@contoso.com", domainPassword); got != directory.OK {
			t.Errorf("a refused password changed something: %s", got)
		}
		newOne(b, domainAnother).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", domainAnother); got != directory.OK {
			t.Errorf("the new password: %s", got)
		}
		if got := password(t, p, "alain@contoso.com", domainPassword); got != directory.Wrong {
			t.Errorf("the old password: %s", got)
		}
		if set := s.Get(t, dns["alain"], "pwdLastSet").GetAttributeValue("pwdLastSet"); set == "0" {
			t.Error("the person is asked for yet another password")
		}
		noSecret(t, p, domainAnother, domainPassword, s.BindPassword, "alain@example.net")
	})
}

// wrongly signs in with wrong passwords until the domain locks the account.
func wrongly(t *testing.T, p *kuncitest.Product, userID string) {
	t.Helper()
	for i := range ldaptest.SambaThreshold {
		if got := password(t, p, userID, fmt.Sprint("salah ", i)); got != directory.Wrong {
			t.Fatalf("wrong password %d: %s", i, got)
		}
	}
	if got := password(t, p, userID, domainPassword); got != directory.Locked {
		t.Fatalf("after %d wrong passwords: %s", ldaptest.SambaThreshold, got)
	}
}

func TestALockedAccountOfActiveDirectoryIsUnlocked(t *testing.T) {
	inDomain(t, alone, func(t *testing.T, p *kuncitest.Product, _ *ldaptest.Samba, _ string, _ map[string]string) {
		wrongly(t, p, "alain@contoso.com")
		b := p.Browser()
		b.Get("/reset")
		choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "locked").Want(http.StatusOK, "reset-choose")
		b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "unlock-done")
		if got := password(t, p, "alain@contoso.com", domainPassword); got != directory.OK {
			t.Errorf("the password that was kept: %s", got)
		}
		if !p.Has(audit.AccountUnlocked) || p.Has(audit.ResetCompleted) {
			t.Error("the events do not say that it was unlocked, and only that")
		}
		p.Mail.Wait(t, 2) // the notice
		// A forgotten password is the other way out of a lock.
		wrongly(t, p, "alain@contoso.com")
		b = p.Browser()
		toNewPassword(t, p, b, "alain@contoso.com")
		newOne(b, domainAnother).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", domainAnother); got != directory.OK {
			t.Errorf("after the reset: %s", got)
		}
	})
}

// Who may not reset, and who may although something keeps them out.
func TestPeopleOfActiveDirectoryInEverySituation(t *testing.T) {
	inDomain(t, func(t *testing.T, s *ldaptest.Samba, unit string) map[string]string {
		dns := map[string]string{
			"off":     colleague(t, s, unit, "off", func(u *ldaptest.SambaUser) { u.Disabled = true }),
			"ended":   colleague(t, s, unit, "ended", func(u *ldaptest.SambaUser) { u.More["accountExpires"] = "132000000000000000" }),
			"must":    colleague(t, s, unit, "must", func(u *ldaptest.SambaUser) { u.MustChange = true }),
			"new":     colleague(t, s, unit, "new", func(u *ldaptest.SambaUser) { u.Password = "" }),
			"admin":   colleague(t, s, unit, "admin", nil),
			"outside": colleague(t, s, unit, "outside", nil),
			"card":    colleague(t, s, unit, "card", nil),
		}
		s.Join(t, "CN=Domain Admins,CN=Users,"+s.BaseDN, s.Group(t, unit, "Inti "+t.Name(), dns["admin"]))
		s.Group(t, unit, "contractors", s.Group(t, unit, "Tukang", dns["outside"]))
		s.Set(t, dns["card"], "userAccountControl", fmt.Sprint(512|0x40000))
		return dns
	}, func(t *testing.T, p *kuncitest.Product, _ *ldaptest.Samba, _ string, _ map[string]string) {
		for name, problem := range map[string]string{
			"off": "not-verified", "ended": "not-verified", "admin": "not-enabled", "outside": "not-enabled", "card": "not-managed", "nobody": "not-verified",
		} {
			b := p.Browser()
			b.Get("/reset")
			if page := b.Post("/reset", "user_id", name+"@contoso.com", "reason", "forgot"); page.Name() != "reset-problem" || page.Problem() != problem {
				t.Errorf("%s: %s %q, want %q", name, page.Name(), page.Problem(), problem)
			}
		}
		if got := password(t, p, "must@contoso.com", domainPassword); got != directory.MustChange {
			t.Errorf("before: %s", got)
		}
		for i, name := range []string{"must", "new"} {
			b := p.Browser()
			toNewPassword(t, p, b, name+"@contoso.com")
			newOne(b, domainAnother).Want(http.StatusOK, "reset-done")
			p.Mail.Wait(t, 2*i+2) // the code and the notice
			if got := password(t, p, name+"@contoso.com", domainAnother); got != directory.OK {
				t.Errorf("%s after the reset: %s", name, got)
			}
		}
	})
}

// Methods go with the account through new names and other units, and not to
// whoever gets a name that is free again.
func TestMethodsGoWithTheAccountOfActiveDirectory(t *testing.T) {
	inDomain(t, alone, func(t *testing.T, p *kuncitest.Product, s *ldaptest.Samba, unit string, dns map[string]string) {
		deeper := s.Deeper(t, unit, "Pindah")
		s.Rename(t, dns["alain"], "Alain Charon", deeper)
		moved := "CN=Alain Charon," + deeper
		s.Set(t, moved, "mail", "alain.charon@contoso.com")
		b := p.Browser()
		toNewPassword(t, p, b, "alain.charon@contoso.com")
		newOne(b, domainAnother).Want(http.StatusOK, "reset-done")
		s.Remove(t, moved)
		colleague(t, s, unit, "alain", nil)
		for _, userID := range []string{"alain@contoso.com", "alain.charon@contoso.com"} {
			b := p.Browser()
			b.Get("/reset")
			deadEnd(t, b.Post("/reset", "user_id", userID, "reason", "forgot"), "not-verified")
		}
	})
}

// A delegation that is missing is told from a password that is bad.
func TestActiveDirectoryWithoutDelegation(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSamba(t)
	unit := s.UnitWithoutRights(t)
	colleague(t, s, unit, "alain", nil)
	p := kuncitest.Start(t, contosoInDomain(s, unit, "alain"))
	b := p.Browser()
	toNewPassword(t, p, b, "alain@contoso.com")
	deadEnd(t, newOne(b, domainAnother), "directory-refused")
	if got := password(t, p, "alain@contoso.com", domainPassword); got != directory.OK {
		t.Errorf("the password: %s", got)
	}
	if p.Has(audit.ResetCompleted) {
		t.Error("a reset that nobody wrote is completed")
	}
}
