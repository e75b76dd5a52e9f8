package ldap_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/directorytest"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// open gives the directory of an organization that is configured so.
func open(t testing.TB, c org.DirectoryConfig) directory.Directory {
	t.Helper()
	service := ldap.New(ldap.Deps{})
	t.Cleanup(service.Close)
	d, err := service.Open(&org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: c})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenLDAPKeepsThePromises(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
		c := s.Config()
		c.Attributes.Disabled, c.Attributes.External = "employeeType=left", "businessCategory=federated"
		d := open(t, c)
		return directorytest.Fixture{
			Directory: d, Threshold: 5, LockFor: time.Minute, OwnRules: true,
			Add: func(t *testing.T, a directorytest.Account) string {
				more := map[string][]string{}
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
				if a.MustChange {
					s.Modify(t, dn, map[string][]string{"pwdReset": {"TRUE"}})
				}
				for _, g := range a.Groups {
					s.Add(t, "cn="+g+","+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {g}, "member": {dn}})
				}
				return s.Read(t, dn).GetAttributeValue("entryUUID")
			},
			Remove:  func(t *testing.T, key string) { s.Remove(t, s.Named(t, key)) },
			Advance: func(by time.Duration) { s.Advance(t, by) },
		}
	})
}
