package ldap_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// examined gives the names of what is not well, and everything as text.
func examined(t *testing.T, c org.DirectoryConfig, groups ...string) (wrong []string, all string) {
	t.Helper()
	o := &org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: c}
	o.Policy.Reset.Groups = groups
	for _, f := range ldap.New(ldap.Deps{}).Examine(t.Context(), o) {
		all += fmt.Sprintln(f.OK, f.Name, f.Text, f.Mend)
		if !f.OK {
			wrong = append(wrong, f.Name)
		}
		if !slices.Contains(ldap.Codes, f.Code) {
			t.Errorf("%+v has a code that nobody knows", f)
		}
		if f.Text == "" || f.OK == (f.Mend != "") {
			t.Errorf("%+v says nothing, or does not say how to mend it", f)
		}
	}
	return wrong, all
}

func TestDoctorFindsWhatIsMissing(t *testing.T) {
	usual := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	dn := usual.AddPerson(t, "alain@contoso.com", first, nil)
	usual.Add(t, "cn=staff,"+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"staff"}, "member": {dn}})
	before := usual.Read(t, dn)
	if wrong, all := examined(t, usual.Config(), "staff"); len(wrong) > 0 || !strings.Contains(all, "is in 1") {
		t.Errorf("all is well, and it finds:\n%s", all)
	}
	if after := usual.Read(t, dn); !reflect.DeepEqual(before, after) {
		t.Errorf("the examination changed the person:\n%v\n%v", before, after)
	}
	is(t, open(t, usual.Config()), keyOf(t, usual, dn), first, directory.OK)

	open600 := filepath.Join(t.TempDir(), "readable")
	if err := os.WriteFile(open600, []byte("least rights of a test"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := ldaptest.NewAuthority(t)
	for name, c := range map[string]struct {
		change func(*org.DirectoryConfig)
		want   string
		groups string
	}{
		"a file that all can read": {func(c *org.DirectoryConfig) { c.BindPasswordFile = open600 }, "password file", ""},
		"no such file":             {func(c *org.DirectoryConfig) { c.BindPasswordFile = "/nowhere" }, "password file bind", ""},
		"another authority":        {func(c *org.DirectoryConfig) { c.CAFile = other.File }, "TLS", ""},
		"a name that is not there": {func(c *org.DirectoryConfig) { c.URLs = []string{"ldaps://127.0.0.1:1"} }, "connection", ""},
		"an unknown account":       {func(c *org.DirectoryConfig) { c.BindDN = "cn=nobody" }, "bind", ""},
		"a base that is not there": {func(c *org.DirectoryConfig) { c.BaseDN = "ou=nowhere," + ldaptest.Suffix }, "base_dn", ""},
		"a filter for nobody":      {func(c *org.DirectoryConfig) { c.UserFilter = "(telexNumber={user_id})" }, "user_filter", ""},
		"a user ID that is none":   {func(c *org.DirectoryConfig) { c.Attributes.UserID = "telexNumber" }, "attributes", ""},
		"a group filter for none":  {func(c *org.DirectoryConfig) { c.GroupFilter = "(roleOccupant={dn})" }, "group_filter", "staff"},
		"no write-back":            {func(c *org.DirectoryConfig) { c.WriteBack = false }, "", ""},
	} {
		config := usual.Config()
		c.change(&config)
		wrong, all := examined(t, config, strings.Fields(c.groups)...)
		if got := strings.Join(wrong, " "); got != c.want {
			t.Errorf("%s: %q, want %q\n%s", name, got, c.want, all)
		}
	}
	one, all := examined(t, func() org.DirectoryConfig {
		c := usual.Config()
		c.URLs = append(c.URLs, "ldaps://127.0.0.1:1")
		return c
	}())
	if len(one) != 1 || one[0] != "ldaps://127.0.0.1:1 connection" {
		t.Errorf("of two servers one is dead:\n%s", all)
	}
}

func TestDoctorProvesTheRights(t *testing.T) {
	for name, c := range map[string]struct {
		options ldaptest.SlapdOptions
		root    bool
		want    string
		mend    string
	}{
		"to set":       {ldaptest.SlapdOptions{Rights: strings.Replace(ldaptest.Rights, "=ws", "search", 1)}, false, "set passwords", `access to attrs=userPassword by dn.exact="` + ldaptest.Service + `" =ws by self =xw by anonymous auth by * break`},
		"to unlock":    {ldaptest.SlapdOptions{Rights: strings.Replace(ldaptest.Rights, "attrs=pwdAccountLockedTime,pwdReset", "attrs=pwdReset", 1)}, false, "", "access to attrs=pwdAccountLockedTime"},
		"to ask again": {ldaptest.SlapdOptions{Rights: strings.Replace(ldaptest.Rights, "attrs=pwdAccountLockedTime,pwdReset", "attrs=pwdAccountLockedTime", 1)}, false, "ask for another password", "access to attrs=pwdReset"},
		"to see rules": {ldaptest.SlapdOptions{Rights: strings.Replace(ldaptest.Rights, "access to *\n", "access to dn.subtree=\"ou=policies,"+ldaptest.Suffix+"\" by * none\naccess to *\n", 1)}, false, "password policy", "cn=default"},
		"the manager":  {ldaptest.SlapdOptions{}, true, "password policy", "not with the rootdn"},
		"no policy":    {ldaptest.SlapdOptions{NoPolicy: true, Rights: strings.Replace(ldaptest.Rights, "access to attrs=pwdAccountLockedTime,pwdReset\n  by dn.exact=\""+ldaptest.Service+"\" write\n  by * none\n", "", 1)}, false, "password policy", "slapo-ppolicy"},
		"never a lock": {ldaptest.SlapdOptions{Policy: map[string]string{"pwdLockout": "FALSE"}}, false, "password policy", "pwdLockout: TRUE"},
		"nothing at all": {ldaptest.SlapdOptions{Rights: "access to attrs=userPassword by anonymous auth\naccess to * by dn.exact=\"" + ldaptest.Service + "\" read\n"}, false,
			"unlock ask for another password set passwords see passwords", "access to attrs=userPassword"},
		"to see whether there is a password": {ldaptest.SlapdOptions{Rights: strings.Replace(ldaptest.Rights, "=ws", "=w", 1)}, false, "see passwords", "=ws by self"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ldaptest.StartSlapd(t, c.options)
			dn := s.AddPerson(t, "alain@contoso.com", first, nil)
			before := s.Read(t, dn)
			config := s.Config()
			if c.root {
				config.BindDN, config.BindPasswordFile = s.Root(t)
			}
			wrong, all := examined(t, config)
			if got := strings.Join(wrong, " "); c.want != "" && got != c.want || len(wrong) == 0 {
				t.Errorf("found %q, want %q\n%s", got, c.want, all)
			}
			if !strings.Contains(all, c.mend) {
				t.Errorf("it does not say %q:\n%s", c.mend, all)
			}
			if after := s.Read(t, dn); !reflect.DeepEqual(before, after) {
				t.Errorf("the examination changed the person:\n%v\n%v", before, after)
			}
		})
	}
}

// What doctor says is missing is what is missing: with the rules that it writes,
// and no others, it finds nothing more.
func TestTheRulesThatDoctorWritesAreEnough(t *testing.T) {
	const reading = "access to attrs=userPassword by anonymous auth\naccess to * by dn.exact=\"" + ldaptest.Service + "\" read\n"
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Rights: reading})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	_, all := examined(t, s.Config())
	rules := regexp.MustCompile(`access to attrs=.* break`).FindAllString(all, -1)
	s = ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Rights: strings.Join(rules, "\n") + "\n" + reading})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	if wrong, all := examined(t, s.Config()); len(rules) == 0 || len(wrong) > 0 {
		t.Errorf("slapd, after %q:\n%s", rules, all)
	}
	d := open(t, s.Config())
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true}); err != nil {
		t.Errorf("slapd: %v", err)
	}
	is(t, d, key, second, directory.OK)

	ds := ldaptest.StartDS389(t, ldaptest.DS389Options{Rights: ldaptest.DS389Rights[:1]})
	_, key = person389(t, ds, "alain@contoso.com")
	_, all = examined(t, ds.Config())
	rules = slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`\(targetattr=.*;\)`).FindAllString(all, -1))))
	ds.Modify(t, ds.Config().BaseDN, map[string][]string{"aci": rules})
	if wrong, all := examined(t, ds.Config()); len(rules) == 0 || len(wrong) > 0 {
		t.Errorf("389 Directory Server, after %q:\n%s", rules, all)
	}
	d = open(t, ds.Config())
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true}); err != nil {
		t.Errorf("389 Directory Server: %v", err)
	}
	is(t, d, key, second, directory.OK)
}
