package ldap_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

// Somebody in more groups than the server gives at once is in all of them; where it
// does not give all, nobody is taken for being in fewer.
func TestGroupsBeyondTheLimitOfTheServer(t *testing.T) {
	const groups = 300
	person := "uid=alain," + ldaptest.People
	var b strings.Builder
	fmt.Fprintf(&b, "dn: %s\nobjectClass: inetOrgPerson\nuid: alain\ncn: Alain\nsn: Charon\nmail: alain@contoso.com\n\n", person)
	for n := range groups {
		fmt.Fprintf(&b, "dn: cn=g%d,%s\nobjectClass: groupOfNames\ncn: g%[1]d\nmember: %[3]s\n\n", n, ldaptest.Groups, person)
	}
	fmt.Fprintf(&b, "dn: cn=contractors,%s\nobjectClass: groupOfNames\ncn: contractors\nmember: cn=g%d,%[1]s\n\n", ldaptest.Groups, groups-1)
	ldif := filepath.Join(t.TempDir(), "groups.ldif")
	if err := os.WriteFile(ldif, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for limit, all := range map[string]bool{"size.soft=250 size.hard=250 size.prtotal=unlimited": true, "size.soft=250 size.hard=250 size.prtotal=250": false} {
		s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{LDIF: ldif, Database: "limits dn.exact=\"" + ldaptest.Service + "\" " + limit})
		if wrong, found := examined(t, s.Config()); slices.Contains(wrong, "limits") == all {
			t.Errorf("%s: doctor finds\n%s", limit, found)
		}
		e, err := hurried(t, s.Config()).LookUp(t.Context(), "alain@contoso.com")
		if all && (err != nil || len(e.Groups) != groups+1 || !slices.Contains(e.Groups, "contractors")) {
			t.Errorf("%s: %d groups, %v", limit, len(e.Groups), err)
		}
		if !all && !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s: %d groups, %v", limit, len(e.Groups), err)
		}
	}
}
