package ldap_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// mapped is a directory whose organization names attributes for what people can be
// reached by.
func mapped(c org.DirectoryConfig, email string) org.DirectoryConfig {
	c.Attributes.Email, c.Attributes.MobilePhone = email, "mobile"
	return c
}

// judged wants doctor to say who may write what, and the server to do so. own has the
// person write their mobile number.
func judged(t *testing.T, what string, c org.DirectoryConfig, may bool, own func() error) (all string) {
	t.Helper()
	wrong, all := examined(t, c)
	if got := slices.Contains(wrong, "own contacts"); got != may || len(wrong) > 1 || len(wrong) == 1 && !got {
		t.Errorf("%s: %q, may write it: %v\n%s", what, wrong, may, all)
	}
	if err := own(); may && err != nil || !may && !goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights) {
		t.Errorf("%s: the person writes it: %v; may: %v", what, err, may)
	}
	return all
}

// People of Active Directory may write their own mobile number until that is denied on
// their own entry; a denial on the unit changes nothing.
func TestActiveDirectoryDoctorSeesWhoWritesAWayToReset(t *testing.T) {
	const mobile, mailbox = "f0f8ffa3-1191-11d0-a060-00aa006c33ed", "0296c123-40da-11d1-a9c0-0000f80367c1"
	s := ldaptest.StartSamba(t)
	unit := s.Unit(t)
	for name, x := range map[string]struct {
		unit, entry string // a rule before those that there are
		writes      string // the attribute that the person may write
	}{
		"as it is installed":      {"", "", "mobile"},
		"denied on the unit":      {"(OD;CIIO;WP;" + mobile + ";bf967aba-0de6-11d0-a285-00aa003049e2;PS)", "", "mobile"},
		"denied on the entry":     {"", "(OD;;WP;" + mobile + ";;PS)", ""},
		"denied is another thing": {"", "(OD;;RP;" + mobile + ";;PS)(OD;;WP;" + mailbox + ";;PS)(OD;CIIO;WP;" + mobile + ";;PS)", "mobile"},
		"granted to a group":      {"", "(OA;;WP;" + mailbox + ";;DU)", "otherMailbox, mobile"},
	} {
		inner := s.Deeper(t, unit, name)
		if x.unit != "" {
			s.Rule(t, inner, x.unit)
		}
		dn := s.User(t, inner, ldaptest.SambaUser{UserID: "alain@contoso.com", Password: oldOne, More: map[string]string{"mobile": "+628123456789", "otherMailbox": "a@example.net"}})
		if x.entry != "" {
			s.Rule(t, dn, x.entry)
		}
		all := judged(t, name, mapped(samba(s, inner), "otherMailbox"), x.writes != "", func() error { return s.Own(dn, oldOne, "mobile", "+628123450000") })
		said := fmt.Sprintf(`may write %s of their own`, x.writes)
		command := `ForEach-Object { dsacls $_.DistinguishedName /D "SELF:WP;` + strings.ReplaceAll(x.writes, ", ", `" "SELF:WP;`) + `" }`
		if may := x.writes != ""; strings.Contains(all, said) != may || strings.Contains(all, command) != may {
			t.Errorf("%s: %s, %s\n%s", name, said, command, all)
		}
		if err := s.Own(dn, oldOne, "otherMailbox", "b@example.net"); (err == nil) != strings.Contains(x.writes, "otherMailbox") {
			t.Errorf("%s: otherMailbox: %v", name, err)
		}
	}
}

// No other server tells. Doctor says how to look, and what it writes takes the right away.
func TestDoctorSaysWhatItCannotSee(t *testing.T) {
	const own389 = `(targetattr="mobile")(version 3.0; acl "people write their own"; allow (write) userdn="ldap:///self";)`
	const own = "access to attrs=mobile by self write by dn.exact=\"" + ldaptest.Service + "\" read\n"
	person := map[string][]string{"mobile": {"+628123456789"}, "description": {"a@example.net"}}
	slapd := func(rights string) (org.DirectoryConfig, func() error) {
		s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Rights: rights + own + ldaptest.Rights})
		dn := s.AddPerson(t, "alain@contoso.com", first, person)
		return s.Config(), func() error { return s.Own(dn, first, "mobile", "+628123450000") }
	}
	for name, start := range map[string]func() (c org.DirectoryConfig, write func() error, deny func(all string)){
		"slapd": func() (org.DirectoryConfig, func() error, func(string)) {
			c, own := slapd("")
			return c, func() error { return own() }, func(all string) {
				_, own = slapd(regexp.MustCompile(`access to attrs=description,mobile .* break`).FindString(all) + "\n")
			}
		},
		"389": func() (org.DirectoryConfig, func() error, func(string)) {
			s := ldaptest.StartDS389(t, ldaptest.DS389Options{Rights: append(slices.Clone(ldaptest.DS389Rights), own389)})
			dn := s.AddPerson(t, "alain@contoso.com", first, person)
			s.Modify(t, dn, map[string][]string{"passwordExpirationTime": nil})
			return s.Config(), func() error { return s.Own(dn, first, "mobile", "+628123450000") }, func(all string) {
				s.Modify(t, s.Config().BaseDN, map[string][]string{"aci": {regexp.MustCompile(`\(targetattr="description \|\| mobile"\).*;\)`).FindString(all)}})
			}
		},
		"FreeIPA": func() (org.DirectoryConfig, func() error, func(string)) {
			s := ldaptest.StartFreeIPA(t, nil, append(slices.Clone(ldaptest.IPARights), own389))
			dn, key := s.AddPerson(t, "alain@contoso.com", first, person)
			is(t, open(t, s.Config()), key, first, directory.OK) // a count of wrong passwords is there from now on
			return s.Config(), func() error { return s.Own(dn, first, "mobile", "+628123450000") }, func(all string) {
				s.Modify(t, s.Config().BaseDN, map[string][]string{"aci": {regexp.MustCompile(`\(targetattr="description \|\| mobile"\).*;\)`).FindString(all)}})
			}
		},
	} {
		c, write, deny := start()
		wrong, all := examined(t, mapped(c, "description"))
		if err := write(); err != nil || len(wrong) > 0 || !strings.Contains(all, "it cannot be seen from here") || !strings.Contains(all, "slapacl -D") && !strings.Contains(all, "9.5.2=:dn:uid=alain,") {
			t.Errorf("%s: %q, %v\n%s", name, wrong, err, all)
		}
		deny(all)
		// 389 Directory Server remembers for a moment what it judged.
		eventually(t, func() bool { return goldap.IsErrorWithCode(write(), goldap.LDAPResultInsufficientAccessRights) })
	}
}

// A descriptor that is cut short or says of itself what is not true is no descriptor.
func TestADescriptorThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSamba(t)
	whole := s.Get(t, s.BaseDN, "nTSecurityDescriptor").GetRawAttributeValue("nTSecurityDescriptor")
	n, err := ldap.AccessRules(whole)
	if err != nil || n < 10 {
		t.Fatalf("%d rules, %v", n, err)
	}
	for at := range len(whole) {
		if m, err := ldap.AccessRules(whole[:at]); err == nil && m > n {
			t.Errorf("the first %d bytes have %d rules", at, m)
		}
	}
}
