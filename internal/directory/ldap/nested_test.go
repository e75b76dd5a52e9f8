package ldap_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// tree is a server whose groups a test makes.
type tree struct {
	org.DirectoryConfig
	manager interface {
		Add(t testing.TB, dn string, attributes map[string][]string)
		Modify(t testing.TB, dn string, attributes map[string][]string)
	}
	person       func(userID string) (dn string)
	under, class string // of groups
}

// group makes one and gives its name.
func (s tree) group(t *testing.T, name string, members ...string) string {
	t.Helper()
	dn := "cn=" + name + "," + s.under
	s.manager.Add(t, dn, map[string][]string{"objectClass": {s.class}, "cn": {name}, "member": members})
	return dn
}

// trees are the kinds of servers that Kunci asks for groups level by level; what a
// domain controller answers is in TestActiveDirectoryGroups and
// TestActiveDirectoryProtectsItsAdministrators.
var trees = map[string]func(t *testing.T) tree{
	"openldap": func(t *testing.T) tree {
		s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
		return tree{s.Config(), s, func(userID string) string { return s.AddPerson(t, userID, first, nil) }, ldaptest.Groups, "groupOfNames"}
	},
	"389ds": func(t *testing.T) tree {
		s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
		return tree{s.Config(), s, func(userID string) string { return s.AddPerson(t, userID, first, nil) }, ldaptest.Groups, "groupOfNames"}
	},
	"freeipa": func(t *testing.T) tree {
		s := ldaptest.StartFreeIPA(t, nil, nil)
		return tree{s.Config(), s, func(userID string) string { dn, _ := s.AddPerson(t, userID, first, nil); return dn }, ldaptest.IPAGroups, "ipaUserGroup"}
	},
}

// Groups in groups count, whichever server keeps them: three deep, where the last
// holds the first again, for who is kept out of resets and for who is protected.
// What is deeper than is followed lets nobody be taken for being in fewer.
func TestGroupsInGroups(t *testing.T) {
	for name, start := range trees {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			alain := s.person("alain@contoso.com")
			s.person("budi@contoso.com")
			inner := s.group(t, "inner", alain)
			middle := s.group(t, "middle", inner)
			outer := s.group(t, "outer", middle)
			s.manager.Modify(t, inner, map[string][]string{"member": {alain, outer}}) // it holds itself
			c := s.DirectoryConfig
			c.Attributes.Privileged = "memberOf=" + "CN=Outer," + s.under
			c.Attributes.External = "memberOf=" + "cn=nobody," + s.under
			d := open(t, c)
			e, err := d.LookUp(t.Context(), "alain@contoso.com")
			if err != nil || !slices.Equal(e.Groups, []string{"inner", "middle", "outer"}) || !e.Privileged || e.Source != directory.Managed {
				t.Errorf("%+v, %v", e, err)
			}
			policy := org.Policy{}
			policy.Reset.Scope, policy.Reset.ExcludeGroups = org.ScopeAll, []string{"outer"}
			if policy.InScope(e.Groups) {
				t.Error("somebody in an excluded group through others may reset")
			}
			if e, err := d.LookUp(t.Context(), "budi@contoso.com"); err != nil || len(e.Groups) != 0 || e.Privileged || !policy.InScope(e.Groups) {
				t.Errorf("somebody else: %+v, %v", e, err)
			}

			deep := s.person("deep@contoso.com")
			for n := range 16 {
				deep = s.group(t, fmt.Sprintf("deep%02d", n), deep)
			}
			if e, err := d.LookUp(t.Context(), "deep@contoso.com"); err != nil || len(e.Groups) != 16 {
				t.Errorf("16 deep: %d groups, %v", len(e.Groups), err)
			}
			s.group(t, "contractors", deep)
			if e, err := d.LookUp(t.Context(), "deep@contoso.com"); !errors.Is(err, directory.ErrRights) {
				t.Errorf("deeper than is followed: %d groups, %v", len(e.Groups), err)
			}
		})
	}
}

// A 389 Directory Server that gives the service account a part of somebody's groups,
// or of the people, gives nothing that is taken for the whole; what lifts the limit
// is what doctor says. nsslapd-sizelimit is one of a page there: of people, who come
// three at a time here, it keeps nobody back but whom it keeps the groups of.
func TestDS389CutsAnswersShort(t *testing.T) {
	s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
	dn := s.AddPerson(t, "alain@contoso.com", first, nil)
	for n := range 30 {
		s.Add(t, fmt.Sprintf("cn=g%02d,%s", n, ldaptest.Groups), map[string][]string{"objectClass": {"groupOfNames"}, "cn": {fmt.Sprintf("g%02d", n)}, "member": {dn}})
		s.AddPerson(t, fmt.Sprintf("p%02d@contoso.com", n), first, nil)
	}
	c := s.Config()
	c.Sync.Every = org.LeastSync
	all := func(what string, want, listed bool) {
		t.Helper()
		e, err := hurried(t, c).LookUp(t.Context(), "alain@contoso.com")
		if want && (err != nil || len(e.Groups) != 30) || !want && !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s: %d groups, %v", what, len(e.Groups), err)
		}
		people := 0
		_, _, err = lister(t, c).Changes(t.Context(), "", func(page []directory.Entry) error { people += len(page); return nil })
		if want && (err != nil || people != 31) || !want && listed && (err != nil || people != 30) || !listed && !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s: %d people, %v", what, people, err)
		}
		wrong, said := examined(t, c)
		if got := slices.Contains(wrong, "limits"); got == want {
			t.Errorf("%s: doctor finds\n%s", what, said)
		}
	}
	all("as installed", true, true)
	const database = "cn=config,cn=ldbm database,cn=plugins,cn=config"
	for _, limit := range []struct {
		at, name, usual string
		listed          bool
	}{{"cn=config", "nsslapd-sizelimit", "2000", true}, {database, "nsslapd-lookthroughlimit", "5000", false}} {
		s.Modify(t, limit.at, map[string][]string{limit.name: {"20"}})
		all(limit.name, false, limit.listed)
		s.Modify(t, ldaptest.DS389Service, map[string][]string{
			"nsSizeLimit": {"-1"}, "nsPagedSizeLimit": {"-1"}, "nsLookThroughLimit": {"-1"}, "nsPagedLookThroughLimit": {"-1"},
		})
		all(limit.name+", and none for Kunci", true, true)
		s.Modify(t, ldaptest.DS389Service, map[string][]string{"nsSizeLimit": nil, "nsPagedSizeLimit": nil, "nsLookThroughLimit": nil, "nsPagedLookThroughLimit": nil})
		s.Modify(t, limit.at, map[string][]string{limit.name: {limit.usual}})
	}
}
