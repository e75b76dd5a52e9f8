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

// FreeIPA's people are listed: who changed since a mark, not who is not there yet
// or not any more. Somebody who was put aside and comes back is the same person.
func TestFreeIPAIsListed(t *testing.T) {
	s := ldaptest.StartFreeIPA(t, nil, nil)
	dns, keys := map[string]string{}, map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		dns[name], keys[name] = s.AddPerson(t, name+"@contoso.com", first, nil)
	}
	ipaGroup(t, s, "admins", ipaGroup(t, s, "operators", dns["e"]))
	s.Modify(t, dns["d"], map[string][]string{"nsAccountLock": {"TRUE"}})
	staged, _ := s.AddPerson(t, "stage@contoso.com", "", map[string][]string{"ipaUniqueID": {"autogenerate"}})
	s.Move(t, staged, "uid=stage", ldaptest.IPAStaged)
	c := s.Config()
	d := lister(t, c)
	everybody := func(what string, want ...string) (mark string) {
		t.Helper()
		who, mark, whole := listed(t, d, "")
		if !whole || !strings.Contains(mark, "Z") {
			t.Errorf("%s: %v, mark %s", what, whole, mark)
		}
		wantListed(t, who, want...)
		return mark
	}
	mark := everybody("the first pass", "a", "b", "c", "d disabled", "e [admins operators]")
	if _, _, whole := listed(t, d, mark); whole {
		t.Error("everybody was read again")
	}
	for add, want := range map[time.Duration]int{ldap.ListOverlap + time.Hour: 0, ldap.ListOverlap - time.Hour: 5} {
		at := time.Now().Add(add).UTC().Format("20060102150405Z")
		if who, _, whole := listed(t, d, `{"at":"`+at+`"}`); whole || len(who) != want {
			t.Errorf("changed after %s: %v, %q", at, whole, who)
		}
	}
	s.RemoveKey(t, keys["a"])
	aside := s.Move(t, dns["b"], "uid=b", ldaptest.IPADeleted) // ipa user-del --preserve
	everybody("after two left", "c", "d disabled", "e [admins operators]")
	for _, name := range []string{"a", "b"} {
		if _, err := d.Get(t.Context(), keys[name]); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	// Wherever the search begins: nobody who was put aside is anybody.
	wide := c
	wide.BaseDN = ldaptest.Suffix
	who, _, _ := listed(t, lister(t, wide), "")
	wantListed(t, who, "c", "d disabled", "e [admins operators]")
	for _, name := range []string{"b", "stage"} {
		if e, err := open(t, wide).LookUp(t.Context(), name+"@contoso.com"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	is(t, d, keys["c"], first, directory.OK) // from now on there is a count to be read
	if wrong, all := examined(t, wide); !slices.Equal(wrong, []string{"base_dn"}) || !strings.Contains(all, c.BaseDN) {
		t.Errorf("%v\n%s", wrong, all)
	}
	s.Move(t, aside, "uid=b", ldaptest.IPAPeople) // ipa user-undel
	if e, err := d.LookUp(t.Context(), "b@contoso.com"); err != nil || e.Key != keys["b"] {
		t.Errorf("who comes back is somebody else: %+v, %v", e, err)
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
		c := s.Config()
		c.Sync.Every = org.LeastSync
		if wrong, found := examined(t, c); slices.Contains(wrong, "limits") == all || !all && !strings.Contains(found, "size.prtotal=unlimited") {
			t.Errorf("%s: doctor finds\n%s", limit, found)
		}
		got := 0
		_, whole, err := lister(t, c).Changes(t.Context(), "", func(page []directory.Entry) error {
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
