package ldap_test

import (
	"maps"
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

// contacts are an account's values by attribute.
func contacts(a directorytest.Account) map[string][]string {
	all := map[string][]string{"description": a.Contacts.Emails, "mobile": a.Contacts.MobilePhones, "telephoneNumber": a.Contacts.OfficePhones}
	if a.HomePhone != "" {
		all["homePhone"] = []string{a.HomePhone}
	}
	maps.DeleteFunc(all, func(_ string, values []string) bool { return len(values) == 0 })
	return all
}

func TestOpenLDAPKeepsThePromises(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
		s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
		c := s.Config()
		c.Attributes.Disabled, c.Attributes.External = "employeeType=left", "businessCategory=federated"
		c.Attributes.Email, c.Attributes.MobilePhone, c.Attributes.OfficePhone = "description", "mobile", "telephoneNumber"
		d := open(t, c)
		return directorytest.Fixture{
			Directory: d, Threshold: 5, LockFor: time.Minute, OwnRules: true, Mapped: true,
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
