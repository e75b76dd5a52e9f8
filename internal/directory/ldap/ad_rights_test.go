package ldap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

// Doctor names the delegation that is missing, and finds nothing where all is
// delegated. It changes nobody.
func TestActiveDirectoryDoctor(t *testing.T) {
	s := ldaptest.StartSamba(t)
	with, without := s.Unit(t), s.UnitWithoutRights(t)
	person := ldaptest.SambaUser{Password: oldOne}
	var people []*alain
	for i, unit := range []string{with, without} {
		person.UserID = []string{"alain@contoso.com", "budi@contoso.com"}[i]
		a := &alain{s: s, unit: unit, dn: s.User(t, unit, person)}
		a.key, a.directory = s.Key(t, a.dn), open(t, samba(s, unit))
		people = append(people, a)
	}
	before := people[0].entry(t)
	if wrong, all := examined(t, samba(s, with)); len(wrong) > 0 || strings.Count(all, "true") < 8 {
		t.Errorf("all is well, and it finds %q:\n%s", wrong, all)
	}
	if after := people[0].entry(t); !after.PasswordChangedAt.Equal(before.PasswordChangedAt) {
		t.Error("doctor changed somebody's password")
	}
	people[0].wants(t, oldOne, directory.OK)
	wrong, all := examined(t, samba(s, without))
	if want := []string{"unlock", "ask for another password", "set passwords"}; !slices.Equal(wrong, want) {
		t.Errorf("%q, want %q", wrong, want)
	}
	for _, right := range []string{"RPWP;lockoutTime;user", "RPWP;pwdLastSet;user", "CA;Reset Password;user"} {
		if command := fmt.Sprintf(`dsacls "%s" /I:S /G "svc-kunci@contoso.test:%s"`, without, right); !strings.Contains(strings.ToLower(all), strings.ToLower(command)) {
			t.Errorf("%s is not in\n%s", command, all)
		}
	}
	people[1].wants(t, oldOne, directory.OK)

	// A person whom the domain protects is no proof.
	s.Set(t, people[1].dn, "adminCount", "1")
	if wrong, all := examined(t, samba(s, without)); len(wrong) > 0 {
		t.Errorf("a protected account was looked at: %q\n%s", wrong, all)
	}
	policy := s.Policy(t, map[string]string{"MinimumPasswordLength": "20"}, people[0].dn)
	if wrong, all := examined(t, samba(s, with)); !slices.Equal(wrong, []string{"fine-grained policy"}) || !strings.Contains(all, "Password Settings Container") {
		t.Errorf("a policy that cannot be read: %q\n%s", wrong, all)
	}
	s.ReadPolicy(t, policy)
	if wrong, all := examined(t, samba(s, with)); len(wrong) > 0 {
		t.Errorf("a policy that can be read: %q\n%s", wrong, all)
	}
}
