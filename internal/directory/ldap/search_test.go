package ldap_test

import (
	"fmt"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

// found are the user IDs of a search, without their domain.
func found(t *testing.T, d *ldap.Directory, begins string, limit int) (who string, more bool) {
	t.Helper()
	entries, more, err := d.Search(t.Context(), begins, limit)
	if err != nil {
		t.Fatalf("%q: %v", begins, err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, strings.TrimSuffix(e.UserID, "@contoso.com"))
	}
	return fmt.Sprint(all), more
}

func wantFound(t *testing.T, d *ldap.Directory, begins, want string) {
	t.Helper()
	if who, more := found(t, d, begins, 5); who != want || more {
		t.Errorf("%q finds %s, more %v; want %s", begins, who, more, want)
	}
}

func TestSomebodyIsFoundByTheBeginningOfANameInSlapd(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	for name, called := range map[string][2]string{"alain": {"Alain", "Dupont"}, "alice": {"Alice", "Durand"}, "budi": {"Budi", "*Alam"}} {
		s.AddPerson(t, name+"@contoso.com", first, map[string][]string{"cn": {called[0] + " " + called[1]}, "givenName": {called[0]}, "sn": {called[1]}})
	}
	s.Add(t, "cn=ali,"+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"ali"}, "member": {"cn=nobody"}})
	d := lister(t, s.Config())
	wantFound(t, d, "ali", "[alice]") // no group is somebody
	wantFound(t, d, "AL", "[alain alice]")
	wantFound(t, d, " du ", "[alain alice]")
	wantFound(t, d, "Budi *", "[budi]")
	wantFound(t, d, "alain@contoso.com", "[alain]")
	// What is typed is text and nothing else.
	wantFound(t, d, "*", "[budi]")
	for _, nobody := range []string{"", "  ", "a*", "lain", "a)(objectClass=*", "a\\2a", "\x00", "\u200b"} {
		wantFound(t, d, nobody, "[]")
	}
	if who, more := found(t, d, "al", 1); !more || strings.Contains(who, " ") {
		t.Errorf("of two one was asked for: %s, more %v", who, more)
	}
}

func TestSomebodyIsFoundByTheBeginningOfANameInADomain(t *testing.T) {
	s := ldaptest.StartSamba(t)
	unit := s.Unit(t)
	for _, name := range []string{"alain", "alice", "budi"} {
		s.User(t, unit, ldaptest.SambaUser{UserID: name + "@contoso.com", Password: oldOne})
	}
	d := lister(t, samba(s, unit))
	wantFound(t, d, "ali", "[alice]")
	wantFound(t, d, "al", "[alain alice]")
}

func TestSomebodyIsFoundByTheBeginningOfANameInDS389(t *testing.T) {
	s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
	for _, name := range []string{"alain", "alice", "budi"} {
		person389(t, s, name+"@contoso.com")
	}
	d := lister(t, s.Config())
	wantFound(t, d, "ali", "[alice]")
	wantFound(t, d, "al", "[alain alice]")
}
