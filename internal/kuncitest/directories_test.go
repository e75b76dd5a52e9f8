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
	// through gives the options of a Contoso that reaches the directory at another
	// address; kill … resume are for the server itself, nil where others use it too.
	url                     string
	through                 func(url string) kuncitest.Options
	kill, run, halt, resume func()
}

// at completes a place whose server is one of the test's own.
func at(t *testing.T, w place, c org.DirectoryConfig, s interface {
	Kill()
	Run(testing.TB)
	Pause(testing.TB)
	Resume(testing.TB)
}, people ...string) place {
	t.Helper()
	w.url, w.Options = c.URLs[0], contosoIn(c, people...)
	w.through = func(url string) kuncitest.Options { c.URLs = []string{url}; return contosoIn(c, people...) }
	w.kill, w.run, w.halt, w.resume = s.Kill, func() { s.Run(t) }, func() { s.Pause(t) }, func() { s.Resume(t) }
	return w
}

// places are the kinds of directories, each with the same people: alain and budi,
// who have a password, must, who has to choose another one, and off, who was
// disabled where the kind can tell.
var places = map[string]func(t *testing.T) place{
	"embedded": func(*testing.T) place {
		return place{
			Options: kuncitest.Options{Organization: kuncitest.Contoso, Accounts: "user_id,password,email,disabled,must_change\n" +
				"alain@contoso.com,hijau daun telaga,alain@example.net,,\nbudi@contoso.com,hijau daun telaga,budi@example.net,,\n" +
				"must@contoso.com,hijau daun telaga,must@example.net,,true\noff@contoso.com,hijau daun telaga,off@example.net,true,\n"},
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
		s.AddPerson(t, "must@contoso.com", kuncitest.OldPassword, nil) // as the server has it of a password that an administrator set
		return at(t, place{password: kuncitest.OldPassword, another: newPassword, threshold: 5}, s.Config(), s, "alain", "budi", "must")
	},
	"active_directory": func(t *testing.T) place {
		s := ldaptest.StartSamba(t)
		unit := s.Unit(t)
		colleague(t, s, unit, "alain", nil)
		colleague(t, s, unit, "budi", nil)
		colleague(t, s, unit, "must", func(u *ldaptest.SambaUser) { u.MustChange = true })
		colleague(t, s, unit, "off", func(u *ldaptest.SambaUser) { u.Disabled = true })
		return place{
			Options: contosoInDomain(s, unit, "alain", "budi", "must", "off"), password: domainPassword, another: domainAnother,
			threshold: ldaptest.SambaThreshold, off: "off", url: s.URL,
			through: func(url string) kuncitest.Options {
				c := inUnit(s, unit)
				c.URLs = []string{url}
				return contosoIn(c, "alain", "budi", "must", "off")
			},
		}
	},
}

func atOpenLDAP(t *testing.T, o ldaptest.SlapdOptions) place {
	t.Helper()
	s := ldaptest.StartSlapd(t, o)
	for _, name := range []string{"alain", "budi"} {
		s.AddPerson(t, name+"@contoso.com", kuncitest.OldPassword, nil)
	}
	s.Modify(t, s.AddPerson(t, "must@contoso.com", kuncitest.OldPassword, nil), map[string][]string{"pwdReset": {"TRUE"}})
	s.AddPerson(t, "off@contoso.com", kuncitest.OldPassword, map[string][]string{"employeeType": {"left"}})
	c := s.Config()
	c.Attributes.Disabled = "employeeType=left"
	return at(t, place{password: kuncitest.OldPassword, another: newPassword, threshold: 5, off: "off"}, c, s, "alain", "budi", "must", "off")
}
