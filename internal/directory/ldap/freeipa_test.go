package ldap_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/directorytest"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

func TestFreeIPAKeepsThePromises(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		s := ldaptest.StartFreeIPA(t, nil, nil)
		c := s.Config()
		c.Attributes.DisplayName, c.Attributes.Disabled, c.Attributes.External = "cn", "employeeType=left", "businessCategory=federated"
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
				dn, key := s.AddPerson(t, a.UserID, a.Password, more)
				if a.MustChange {
					s.Modify(t, dn, map[string][]string{"krbPasswordExpiration": {"20200101000000Z"}, "krbLastPwdChange": {"20200101000000Z"}})
				}
				for _, g := range a.Groups {
					ipaGroup(t, s, g, dn)
				}
				return key
			},
			Remove:  func(t *testing.T, key string) { s.RemoveKey(t, key) },
			Advance: func(by time.Duration) { s.Advance(t, by) },
		}
	})
}

func ipaGroup(t *testing.T, s *ldaptest.FreeIPA, name, member string) (dn string) {
	t.Helper()
	dn = "cn=" + name + "," + ldaptest.IPAGroups
	s.Add(t, dn, map[string][]string{"objectClass": {"ipaUserGroup"}, "cn": {name}, "member": {member}})
	return dn
}

func TestFreeIPA(t *testing.T) {
	s := ldaptest.StartFreeIPA(t, map[string]string{"krbPwdMinDiffChars": "2"}, nil)
	d := open(t, s.Config())
	const pw1, pw2 = "hijau daun 1", "biru langit 2"
	ruled := d.(directory.Ruled)

	t.Run("the server's words", func(t *testing.T) {
		_, key := s.AddPerson(t, "words@contoso.com", pw1, nil)
		for says, rule := range map[string]string{
			"Too soon to change password": directory.RuleMinimumAge, "Password is too short": directory.RuleLength, "Password reuse not permitted": directory.RuleHistory,
			"Password is too simple": directory.RuleComplexity, "Password has too many consecutive characters": "banned", "Password contains a monotonic sequence": "banned",
			"Password is based on a dictionary word": "banned", "Password is a palindrone": "banned", "Password contains username": "contains_name",
			"Password contains too few digits": directory.RuleComplexity, "Password does not meet the policy requirements": directory.RuleOther,
			"clear-text password is too long (max 1000 chars)!": "too_long",
		} {
			s.Refuse = says
			if r, ok := directory.Refused(d.SetPassword(t.Context(), key, pw2, directory.SetOptions{})); !ok || r.Rule != rule {
				t.Errorf("%q: %v, want %s", says, r, rule)
			}
		}
		is(t, d, key, pw1, directory.OK)
	})
	t.Run("rules that the server does not ask of others", func(t *testing.T) {
		_, key := s.AddPerson(t, "rules@contoso.com", pw1, nil)
		for pw, rule := range map[string]string{"pendek1": directory.RuleLength, "hanyahurufkecil": directory.RuleComplexity} {
			if r, ok := directory.Refused(d.SetPassword(t.Context(), key, pw, directory.SetOptions{})); !ok || r.Rule != rule {
				t.Errorf("%q: %v, want %s", pw, r, rule)
			}
		}
		is(t, d, key, pw1, directory.OK)
		if rules, err := ruled.Rules(t.Context(), key); err != nil || len(rules) != 3 || rules[0].Args["count"] != 8 || rules[1].Args["count"] != 2 || rules[2].Args["count"] != 3 {
			t.Errorf("%v, %v", rules, err)
		}
	})
	t.Run("a reset is not asked for another, and ends a lock", func(t *testing.T) {
		dn, key := s.AddPerson(t, "locked@contoso.com", pw1, nil)
		for i := range 5 {
			is(t, d, key, "guess "+string(rune('a'+i)), directory.Wrong)
		}
		is(t, d, key, pw1, directory.Locked)
		if err := d.SetPassword(t.Context(), key, pw2, directory.SetOptions{Unlock: true}); err != nil {
			t.Fatal(err)
		}
		is(t, d, key, pw2, directory.OK)
		if end := s.Read(t, dn).GetAttributeValue("krbPasswordExpiration"); end <= time.Now().Add(80*24*time.Hour).UTC().Format("20060102150405Z") {
			t.Errorf("it ends %s", end)
		}
	})
	t.Run("an expired password is changed by who knows it alone", func(t *testing.T) {
		dn, key := s.AddPerson(t, "old@contoso.com", pw1, nil)
		s.Modify(t, dn, map[string][]string{"krbPasswordExpiration": {"20210101000000Z"}, "krbLastPwdChange": {"20200101000000Z"}})
		is(t, d, key, pw2, directory.Wrong)
		is(t, d, key, pw1, directory.Expired)
		if err := d.ChangePassword(t.Context(), key, pw2, "merah bata 3", directory.ChangeOptions{}); !errors.Is(err, directory.ErrWrongPassword) {
			t.Errorf("%v", err)
		}
		if err := d.ChangePassword(t.Context(), key, pw1, pw2, directory.ChangeOptions{}); err != nil {
			t.Error(err)
		}
		is(t, d, key, pw2, directory.OK)
	})
	t.Run("an expired password that nobody looked at is not right", func(t *testing.T) {
		dn, key := s.AddPerson(t, "grace@contoso.com", pw1, nil)
		s.Modify(t, dn, map[string][]string{"krbPasswordExpiration": {"20210101000000Z"}, "krbLastPwdChange": {"20200101000000Z"}})
		s.OutOfGrace = true
		defer func() { s.OutOfGrace = false }()
		is(t, d, key, pw2, directory.Wrong)
		if err := d.ChangePassword(t.Context(), key, pw2, "merah bata 3", directory.ChangeOptions{}); !errors.Is(err, directory.ErrWrongPassword) {
			t.Errorf("somebody who does not know the password changed it: %v", err)
		}
		if err := d.SetPassword(t.Context(), key, pw2, directory.SetOptions{}); err != nil {
			t.Error(err)
		}
		is(t, d, key, pw2, directory.OK)
	})
	t.Run("what an entry says", func(t *testing.T) {
		for name, c := range map[string]struct {
			more map[string][]string
			want func(directory.Entry) bool
		}{
			"ended":      {map[string][]string{"krbPrincipalExpiration": {"20200101000000Z"}}, func(e directory.Entry) bool { return e.Disabled }},
			"inactive":   {map[string][]string{"nsAccountLock": {"TRUE"}}, func(e directory.Entry) bool { return e.Disabled }},
			"radius":     {map[string][]string{"ipaUserAuthType": {"radius"}}, func(e directory.Entry) bool { return e.Source == directory.External }},
			"otp":        {map[string][]string{"ipaUserAuthType": {"otp", "idp"}}, func(e directory.Entry) bool { return e.Source == directory.Managed }},
			"admin":      {map[string][]string{"memberOf": {"cn=admins,cn=groups,cn=accounts,dc=contoso,dc=com"}}, func(e directory.Entry) bool { return e.Privileged }},
			"nobody":     {nil, func(e directory.Entry) bool { return !e.Privileged && !e.Disabled && e.HasPassword && !e.MustChange }},
			"not admin":  {map[string][]string{"memberOf": {"cn=admins2,cn=groups,cn=accounts,dc=contoso,dc=com"}}, func(e directory.Entry) bool { return !e.Privileged }},
			"set for me": {map[string][]string{"krbLastPwdChange": {"20200101000000Z"}, "krbPasswordExpiration": {"20200101000000Z"}}, func(e directory.Entry) bool { return e.MustChange }},
		} {
			_, key := s.AddPerson(t, strings.ReplaceAll(name, " ", "")+"@contoso.com", pw1, c.more)
			if e, err := d.Get(t.Context(), key); err != nil || !c.want(e) {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
		}
		dn, key := s.AddPerson(t, "deep@contoso.com", pw1, nil)
		ipaGroup(t, s, "admins", ipaGroup(t, s, "operators", dn))
		if e, err := d.Get(t.Context(), key); err != nil || !e.Privileged || !slices.Equal(e.Groups, []string{"admins", "operators"}) {
			t.Errorf("%+v, %v", e, err)
		}
	})
	t.Run("doctor changes nobody", func(t *testing.T) {
		if wrong, all := examined(t, s.Config()); len(wrong) > 0 {
			t.Errorf("all is well, and it finds:\n%s", all)
		}
	})
}

func TestFreeIPARightsThatAreMissing(t *testing.T) {
	rights := slices.Clone(ldaptest.IPARights)
	rights[3] = strings.Replace(rights[3], " || krbPasswordExpiration", "", 1)
	s := ldaptest.StartFreeIPA(t, nil, rights[:4])
	_, key := s.AddPerson(t, "alain@contoso.com", first, nil)
	d := open(t, s.Config())
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{}); directory.Incomplete(err) != directory.LeftMustChange {
		t.Errorf("%v", err)
	}
	is(t, d, key, second, directory.MustChange)
	if err := d.Unlock(t.Context(), key); !errors.Is(err, directory.ErrRights) {
		t.Errorf("%v", err)
	}
	if wrong, all := examined(t, s.Config()); !slices.Equal(wrong, []string{"ask for another password", "unlock"}) || !strings.Contains(all, "ipa privilege-add-permission") {
		t.Errorf("%v\n%s", wrong, all)
	}
}
