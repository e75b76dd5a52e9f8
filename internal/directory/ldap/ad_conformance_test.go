package ldap_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/directorytest"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// samba is the configuration for a unit of the domain. People are known by mail:
// it is as long as anybody wants, and what most of them type.
func samba(s *ldaptest.Samba, unit string) org.DirectoryConfig {
	return org.DirectoryConfig{
		Kind: org.LDAP, Dialect: org.ActiveDirectory, URLs: []string{s.URL}, WriteBack: true,
		BindDN: s.BindDN, BindPasswordFile: s.BindPasswordFile, CAFile: s.CAFile, BaseDN: unit,
		UserFilter: "(&(sAMAccountType=805306368)(mail={user_id}))",
		Attributes: org.DirectoryAttributes{UserID: "mail", External: "employeeType=federated"},
	}
}

// The suite's passwords are words. Its people have a password settings object that
// asks for nothing but a history, and locks.
func TestActiveDirectoryKeepsThePromises(t *testing.T) {
	s := ldaptest.StartSamba(t)
	const lockFor = time.Minute
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		unit := s.Unit(t)
		people := s.Group(t, unit, "Suite "+t.Name())
		s.ReadPolicy(t, s.Policy(t, map[string]string{
			"PasswordHistoryLength": "3", "LockoutThreshold": "3",
			"LockoutDuration": ldaptest.SambaInterval(lockFor), "LockoutObservationWindow": ldaptest.SambaInterval(lockFor),
		}, people))
		names := map[string]string{}
		c := samba(s, unit)
		c.Attributes.Email, c.Attributes.MobilePhone, c.Attributes.OfficePhone = "otherMailbox", "mobile", "telephoneNumber"
		return directorytest.Fixture{
			Directory: open(t, c), Threshold: 3, LockFor: lockFor, OwnRules: true, OldForHistory: true, Mapped: true,
			Add: func(t *testing.T, a directorytest.Account) string {
				u := ldaptest.SambaUser{
					Name: fmt.Sprint(a.UserID, len(names)), UserID: a.UserID, Password: a.Password, Disabled: a.Disabled, MustChange: a.MustChange,
					More: map[string]string{"displayName": a.DisplayName, "preferredLanguage": a.Language},
				}
				if a.Source == directory.External {
					u.More["employeeType"] = "federated"
				}
				dn := s.User(t, unit, u, people)
				for name, values := range contacts(a) {
					if name == "description" { // one value there
						name = "otherMailbox"
					}
					s.Set(t, dn, name, values...)
				}
				for _, g := range a.Groups {
					s.Group(t, unit, g, dn)
				}
				key := s.Key(t, dn)
				names[key] = dn
				return key
			},
			Remove: func(t *testing.T, key string) { s.Remove(t, names[key]); delete(names, key) },
			Advance: func(d time.Duration) {
				s.Age(t, d+time.Second, slices.Collect(maps.Values(names))...) // Samba looks at whole seconds
			},
		}
	})
}
