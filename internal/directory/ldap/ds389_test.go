package ldap_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/directorytest"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

func TestDS389KeepsThePromises(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
		c := s.Config()
		c.Attributes.Disabled, c.Attributes.External = "employeeType=left", "businessCategory=federated"
		c.Attributes.Email, c.Attributes.MobilePhone, c.Attributes.OfficePhone = "description", "mobile", "telephoneNumber"
		return directorytest.Fixture{
			Directory: open(t, c), Threshold: 5, LockFor: time.Minute, OwnRules: true, Mapped: true,
			Add: func(t *testing.T, a directorytest.Account) string {
				more := contacts(a)
				for name, value := range map[string]string{"cn": a.DisplayName, "preferredLanguage": a.Language} {
					if value != "" {
						more[name] = []string{value}
					}
				}
				if a.Disabled {
					more["employeeType"] = []string{"left"}
				}
				if a.Source == directory.External {
					more["businessCategory"] = []string{"federated"}
				}
				dn := s.AddPerson(t, a.UserID, a.Password, more)
				if !a.MustChange { // passwordMustChange asks everybody whose password somebody else set
					s.Modify(t, dn, map[string][]string{"passwordExpirationTime": nil})
				}
				for _, g := range a.Groups {
					s.Add(t, "cn="+g+","+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {g}, "member": {dn}})
				}
				return s.Read(t, dn).GetAttributeValue("nsUniqueId")
			},
			Remove:  func(t *testing.T, key string) { s.Remove(t, key) },
			Advance: func(by time.Duration) { s.Advance(t, by) },
		}
	})
}

// person of a 389 Directory Server whom nothing is asked of.
func person389(t *testing.T, s *ldaptest.DS389, userID string) (dn, key string) {
	t.Helper()
	dn = s.AddPerson(t, userID, first, nil)
	s.Modify(t, dn, map[string][]string{"passwordExpirationTime": nil})
	return dn, s.Read(t, dn).GetAttributeValue("nsUniqueId")
}

func TestDS389(t *testing.T) {
	s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
	d := open(t, s.Config())

	t.Run("inactive accounts say nothing", func(t *testing.T) {
		dn, key := person389(t, s, "off@contoso.com")
		s.Modify(t, dn, map[string][]string{"nsAccountLock": {"true"}})
		if e, err := d.Get(t.Context(), key); err != nil || !e.Disabled {
			t.Errorf("%+v, %v", e, err)
		}
		is(t, d, key, first, directory.Wrong)
		is(t, d, key, second, directory.Wrong)
	})
	t.Run("a reset leaves no demand and no lock", func(t *testing.T) {
		dn, key := person389(t, s, "locked@contoso.com")
		for i := range 5 {
			is(t, d, key, "guess "+string(rune('a'+i)), directory.Wrong)
		}
		is(t, d, key, first, directory.Locked)
		if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true}); err != nil {
			t.Fatal(err)
		}
		is(t, d, key, second, directory.OK)
		e := s.Read(t, dn)
		if e.GetAttributeValue("accountUnlockTime") != "" || e.GetAttributeValue("passwordExpirationTime") == "19700101000000Z" {
			t.Errorf("%v", e.Attributes)
		}
	})
	t.Run("a broken rule is named", func(t *testing.T) {
		_, key := person389(t, s, "rules@contoso.com")
		for pw, rule := range map[string]string{"short": directory.RuleLength, first: directory.RuleHistory} {
			err := d.SetPassword(t.Context(), key, pw, directory.SetOptions{})
			if r, ok := directory.Refused(err); !ok || r.Rule != rule {
				t.Errorf("%q: %v", pw, err)
			}
			err = d.ChangePassword(t.Context(), key, first, pw, directory.ChangeOptions{})
			if r, ok := directory.Refused(err); !ok || r.Rule != rule {
				t.Errorf("changed to %q: %v", pw, err)
			}
		}
		is(t, d, key, first, directory.OK)
	})
	t.Run("an expired password is changed", func(t *testing.T) {
		dn, key := person389(t, s, "old@contoso.com")
		s.Modify(t, dn, map[string][]string{"passwordExpirationTime": {"20200101000000Z"}})
		s.Modify(t, "cn=config", map[string][]string{"passwordExp": {"on"}})
		defer s.Modify(t, "cn=config", map[string][]string{"passwordExp": {"off"}})
		is(t, d, key, second, directory.Wrong)
		is(t, d, key, first, directory.Expired)
		if err := d.ChangePassword(t.Context(), key, first, second, directory.ChangeOptions{}); err != nil {
			t.Errorf("%v", err)
		}
		is(t, d, key, second, directory.OK)
	})
	t.Run("rules are told where they may be read", func(t *testing.T) {
		_, key := person389(t, s, "told@contoso.com")
		ruled := d.(directory.Ruled)
		if rules, err := ruled.Rules(t.Context(), key); err != nil || len(rules) != 0 {
			t.Errorf("%v, %v", rules, err)
		}
		s.Modify(t, "cn=config", map[string][]string{"aci": {`(targetattr="objectClass || passwordMinLength || passwordCheckSyntax || passwordHistory || passwordInHistory || passwordLockout || passwordLockoutDuration")` +
			`(targetfilter="(cn=config)")(version 3.0; acl "Kunci reads the policy"; allow (read,search) userdn="ldap:///` + ldaptest.DS389Service + `";)`}})
		rules, err := ruled.Rules(t.Context(), key)
		if err != nil || len(rules) != 2 || rules[0].Args["count"] != 8 || rules[1].Args["count"] != 3 {
			t.Errorf("%v, %v", rules, err)
		}
	})
	t.Run("doctor changes nobody", func(t *testing.T) {
		if wrong, all := examined(t, s.Config()); len(wrong) > 0 {
			t.Errorf("all is well, and it finds:\n%s", all)
		}
	})
}

func TestDS389RightsThatAreMissing(t *testing.T) {
	var rights []string
	for _, r := range ldaptest.DS389Rights {
		rights = append(rights, strings.Replace(r, "passwordRetryCount || passwordExpirationTime", "passwordRetryCount", 1))
	}
	s := ldaptest.StartDS389(t, ldaptest.DS389Options{Rights: rights})
	_, key := person389(t, s, "alain@contoso.com")
	d := open(t, s.Config())
	err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true})
	if directory.Incomplete(err) != directory.LeftMustChange {
		t.Errorf("%v", err)
	}
	is(t, d, key, second, directory.MustChange)
	if wrong, all := examined(t, s.Config()); !slices.Equal(wrong, []string{"ask for another password"}) {
		t.Errorf("%v\n%s", wrong, all)
	}

	s = ldaptest.StartDS389(t, ldaptest.DS389Options{Rights: ldaptest.DS389Rights[:1]})
	_, key = person389(t, s, "alain@contoso.com")
	d = open(t, s.Config())
	for name, err := range map[string]error{
		"set": d.SetPassword(t.Context(), key, second, directory.SetOptions{}), "unlock": d.Unlock(t.Context(), key),
	} {
		if !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if wrong, all := examined(t, s.Config()); len(wrong) < 2 || !strings.Contains(all, "aci:") {
		t.Errorf("%v\n%s", wrong, all)
	}
}

// A server that dies when the password is set, and before the rest is done.
func TestDS389DiesInAReset(t *testing.T) {
	s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
	_, key := person389(t, s, "alain@contoso.com")
	d := hurried(t, s.Config())
	died := false
	ldap.AfterWrite(d, func() {
		if !died {
			died = true
			s.Kill()
		}
	})
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true}); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	s.Run(t)
	eventually(t, func() bool {
		err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true})
		if err != nil && !errors.Is(err, directory.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	is(t, d, key, second, directory.OK)
}
