package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
)

// contosoIn is Contoso with its accounts in a directory. Each of the people, by the
// part of their user ID before the @, has a mailbox to prove a reset with.
func contosoIn(c org.DirectoryConfig, people ...string) kuncitest.Options {
	text, err := json.Marshal(c) // which is YAML too
	if err != nil {
		panic(err)
	}
	file := "user_id,email\n"
	for _, name := range people {
		file += fmt.Sprintf("%[1]s@contoso.com,%[1]s@example.net\n", name)
	}
	return kuncitest.Options{Accounts: file, Organization: strings.Replace(kuncitest.Contoso, "\npolicy:", fmt.Sprintf("\ndirectory: %s\npolicy:", text), 1)}
}

// place is a directory of some kind with the people that a test asks for.
type place struct {
	kuncitest.Options
	password, another string // which people have, and which its rules allow
	threshold         int    // wrong passwords that lock
	off               string // the kind can tell that an account is disabled: who is
	dns               map[string]string
}

// places are the kinds of directories, each with the same people: alain and budi,
// who have a password, and off, who was disabled where the kind can tell.
var places = map[string]func(t *testing.T) place{
	"embedded": func(*testing.T) place {
		return place{
			Options: kuncitest.Options{Accounts: "user_id,password,email,disabled\n" +
				"alain@contoso.com,hijau daun telaga,alain@example.net,\nbudi@contoso.com,hijau daun telaga,budi@example.net,\noff@contoso.com,hijau daun telaga,off@example.net,true\n"},
			password: "hijau daun telaga", another: newPassword, threshold: 10, off: "off",
		}
	},
	"openldap": func(t *testing.T) place { return atOpenLDAP(t, ldaptest.SlapdOptions{}) },
	"openldap that keeps locks to itself": func(t *testing.T) place {
		return atOpenLDAP(t, ldaptest.SlapdOptions{Quiet: true})
	},
	"389ds": func(t *testing.T) place {
		s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
		for _, name := range []string{"alain", "budi"} {
			s.Modify(t, s.AddPerson(t, name+"@contoso.com", kuncitest.OldPassword, nil), map[string][]string{"passwordExpirationTime": nil})
		}
		return place{Options: contosoIn(s.Config(), "alain", "budi"), password: kuncitest.OldPassword, another: newPassword, threshold: 5}
	},
	"active_directory": func(t *testing.T) place {
		s := ldaptest.StartSamba(t)
		unit := s.Unit(t)
		dns := map[string]string{"alain": colleague(t, s, unit, "alain", nil), "budi": colleague(t, s, unit, "budi", nil)}
		dns["off"] = colleague(t, s, unit, "off", func(u *ldaptest.SambaUser) { u.Disabled = true })
		return place{
			Options: contosoInDomain(s, unit, "alain", "budi", "off"), password: domainPassword, another: domainAnother,
			threshold: ldaptest.SambaThreshold, off: "off", dns: dns,
		}
	},
}

func atOpenLDAP(t *testing.T, o ldaptest.SlapdOptions) place {
	t.Helper()
	s := ldaptest.StartSlapd(t, o)
	for _, name := range []string{"alain", "budi"} {
		s.AddPerson(t, name+"@contoso.com", kuncitest.OldPassword, nil)
	}
	s.AddPerson(t, "off@contoso.com", kuncitest.OldPassword, map[string][]string{"employeeType": {"left"}})
	c := s.Config()
	c.Attributes.Disabled = "employeeType=left"
	return place{Options: contosoIn(c, "alain", "budi", "off"), password: kuncitest.OldPassword, another: newPassword, threshold: 5, off: "off"}
}
