package ldap_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// lister is a directory whose answers hold three entries.
func lister(t *testing.T, c org.DirectoryConfig) *ldap.Directory {
	t.Helper()
	s := ldap.New(ldap.Deps{})
	ldap.Pages(s, 3)
	t.Cleanup(s.Close)
	d, err := s.Open(&org.Organization{ID: "contoso", Slug: "contoso", Directory: c})
	if err != nil {
		t.Fatal(err)
	}
	return d.(*ldap.Directory)
}

// listed gives the user IDs of a pass, with what else is known of each.
func listed(t *testing.T, d *ldap.Directory, since string) (who []string, mark string, whole bool) {
	t.Helper()
	mark, whole, err := d.Changes(t.Context(), since, func(page []directory.Entry) error {
		if len(page) > 3 {
			t.Errorf("%d in one page", len(page))
		}
		for _, e := range page {
			text := strings.TrimSuffix(e.UserID, "@contoso.com")
			if e.Disabled {
				text += " disabled"
			}
			if len(e.Groups) > 0 {
				text += fmt.Sprint(" ", e.Groups)
			}
			who = append(who, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(who)
	return who, mark, whole
}

func wantListed(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func TestSlapdIsListed(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	c := s.Config()
	c.Attributes.Disabled = "employeeType=left"
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		s.AddPerson(t, name+"@contoso.com", first, nil)
	}
	gone := s.AddPerson(t, "g@contoso.com", first, map[string][]string{"employeeType": {"left"}})
	inner := "cn=inner," + ldaptest.Groups
	s.Add(t, inner, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"inner"}, "member": {gone}})
	s.Add(t, "cn=outer,"+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"outer"}, "member": {inner}})
	d := lister(t, c)
	who, mark, whole := listed(t, d, "")
	if !whole {
		t.Error("the first pass is not everybody")
	}
	wantListed(t, who, "a", "b", "c", "d", "e", "f", "g disabled [inner outer]")

	s.AddPerson(t, "h@contoso.com", first, map[string][]string{"employeeType": {"left"}})
	if who, _, whole := listed(t, d, mark); whole || !slices.Contains(who, "h disabled") {
		t.Errorf("what changed: %v, %q", whole, who)
	}
	// Only what lies after the mark is read, less the overlap.
	for add, want := range map[time.Duration]int{ldap.ListOverlap + time.Hour: 0, ldap.ListOverlap - time.Hour: 8} {
		at := time.Now().Add(add).UTC().Format("20060102150405Z")
		who, after, whole := listed(t, d, `{"at":"`+at+`"}`)
		if whole || len(who) != want || want == 0 && !strings.Contains(after, at) {
			t.Errorf("%v: %v, %q, %s", add, whole, who, after)
		}
	}
	for _, nonsense := range []string{"{", `{"at":"*"}`, `{"at":"20260101000000Z)(objectClass=*"}`, `{"at":"5"}`} {
		if who, _, whole := listed(t, d, nonsense); !whole || len(who) != 8 {
			t.Errorf("%q: %v, %q", nonsense, whole, who)
		}
	}

	c.Sync.Filter = "(employeeType=left)"
	who, _, _ = listed(t, lister(t, c), "")
	wantListed(t, who, "g disabled [inner outer]", "h disabled")
}

// Whoever takes the entries may give up; that says nothing of the server.
func TestAListEndsWithItsReader(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	s.AddPerson(t, "a@contoso.com", first, nil)
	d := lister(t, s.Config())
	enough := errors.New("enough")
	if _, _, err := d.Changes(t.Context(), "", func([]directory.Entry) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	if _, err := d.LookUp(t.Context(), "a@contoso.com"); err != nil {
		t.Errorf("the server is left alone: %v", err)
	}
}

func TestADomainIsListed(t *testing.T) {
	s := ldaptest.StartSamba(t)
	unit := s.Unit(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		s.User(t, unit, ldaptest.SambaUser{UserID: name + "@contoso.com", Password: oldOne})
	}
	d := lister(t, samba(s, unit))
	who, mark, whole := listed(t, d, "")
	if !whole {
		t.Error("the first pass is not everybody")
	}
	everybody := " [Domain Users Users]"
	wantListed(t, who, "a"+everybody, "b"+everybody, "c"+everybody, "d"+everybody)

	who, again, whole := listed(t, d, mark)
	if whole || len(who) != 0 {
		t.Errorf("nothing changed: %v, %q", whole, who)
	}
	s.User(t, unit, ldaptest.SambaUser{UserID: "e@contoso.com", Password: oldOne})
	who, _, whole = listed(t, d, again)
	if whole {
		t.Error("everybody was read again")
	}
	wantListed(t, who, "e"+everybody)

	// The numbers of another database say nothing here.
	if who, _, whole := listed(t, d, strings.Replace(again, `"who":"`, `"who":"0`, 1)); !whole || len(who) != 5 {
		t.Errorf("another server's mark: %v, %q", whole, who)
	}
}

func TestDS389IsListed(t *testing.T) {
	s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
	for _, name := range []string{"a", "b", "c", "d"} {
		person389(t, s, name+"@contoso.com")
	}
	d := lister(t, s.Config())
	who, mark, whole := listed(t, d, "")
	if !whole || !strings.Contains(mark, "Z") {
		t.Errorf("%v %s", whole, mark)
	}
	wantListed(t, who, "a", "b", "c", "d")
	if _, _, whole := listed(t, d, mark); whole {
		t.Error("everybody was read again")
	}
}

// A server that gives no more than so many entries gives no list: half of the
// people are not all of them.
func TestAListBeyondTheLimitOfTheServer(t *testing.T) {
	const people = 30
	var b strings.Builder
	for n := range people {
		fmt.Fprintf(&b, "dn: uid=p%d,%s\nobjectClass: inetOrgPerson\nuid: p%[1]d\ncn: P\nsn: P\nmail: p%[1]d@contoso.com\n\n", n, ldaptest.People)
	}
	ldif := filepath.Join(t.TempDir(), "people.ldif")
	if err := os.WriteFile(ldif, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for limit, all := range map[string]bool{"size.soft=20 size.hard=20 size.prtotal=unlimited": true, "size.soft=20 size.hard=20 size.prtotal=20": false} {
		s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{LDIF: ldif, Database: "limits dn.exact=\"" + ldaptest.Service + "\" " + limit})
		got := 0
		_, whole, err := lister(t, s.Config()).Changes(t.Context(), "", func(page []directory.Entry) error {
			got += len(page)
			return nil
		})
		if all && (err != nil || !whole || got != people) {
			t.Errorf("%s: %d people, %v", limit, got, err)
		}
		if !all && !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s: %d people, %v", limit, got, err)
		}
	}
}
