package ldaptest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// SambaUser is one account of the domain.
type SambaUser struct {
	// Name is the common name, and UserID the address in mail. userPrincipalName is
	// one of the domain's unless More says another: no two may be the same.
	Name, UserID string
	Password     string // "" for an account that never received one
	Disabled     bool
	MustChange   bool
	// More are other attributes.
	More map[string]string
}

var sambaNumber atomic.Int64

// as runs change with the administrator's connection.
func (s *Samba) as(t testing.TB, change func(*ldap.Conn) error) {
	t.Helper()
	c, err := s.bind(s.admin.dn, s.admin.password)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := change(c); err != nil {
		t.Fatal(err)
	}
}

// The delegation of docs/directories/active-directory.md, as SDDL. To each user
// object below the unit: reset the password, read and write lockoutTime and
// pwdLastSet.
const sambaDelegation = "(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;%[1]s)" +
	"(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;bf967aba-0de6-11d0-a285-00aa003049e2;%[1]s)" +
	"(OA;CIIO;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;bf967aba-0de6-11d0-a285-00aa003049e2;%[1]s)"

// Unit makes an organizational unit in which the service account has its rights,
// and takes it away with everything in it when the test ends.
func (s *Samba) Unit(t testing.TB) string {
	t.Helper()
	dn := s.UnitWithoutRights(t)
	s.Rule(t, dn, fmt.Sprintf(sambaDelegation, s.sid(t, s.BindDN)))
	return dn
}

// UnitWithoutRights is Unit before anybody delegated anything.
func (s *Samba) UnitWithoutRights(t testing.TB) string {
	t.Helper()
	dn := fmt.Sprintf("OU=Unit %d,%s", sambaNumber.Add(1), s.BaseDN)
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	s.as(t, func(c *ldap.Conn) error { return c.Add(add) })
	t.Cleanup(func() {
		tree := ldap.NewControlString("1.2.840.113556.1.4.805", true, "")
		s.as(t, func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, []ldap.Control{tree})) })
	})
	return dn
}

// User makes an account in a unit, puts it into groups, and only then gives it its
// password: what a password settings object asks holds from the first one on.
func (s *Samba) User(t testing.TB, unit string, u SambaUser, groups ...string) string {
	t.Helper()
	name := u.Name
	if name == "" {
		name = u.UserID
	}
	dn := "CN=" + ldap.EscapeDN(name) + "," + unit
	control := 512
	if u.Password == "" {
		control |= 32
	}
	if u.Disabled {
		control |= 2
	}
	add := ldap.NewAddRequest(dn, nil)
	account := fmt.Sprintf("u%d", sambaNumber.Add(1))
	attributes := map[string]string{
		"objectClass": "user", "sAMAccountName": account, "userAccountControl": "544",
		"mail": u.UserID, "userPrincipalName": account + "@" + sambaRealm,
	}
	maps.Copy(attributes, u.More)
	for name, value := range attributes {
		if value != "" {
			add.Attribute(name, []string{value})
		}
	}
	s.as(t, func(c *ldap.Conn) error { return c.Add(add) })
	for _, g := range groups {
		s.Join(t, g, dn)
	}
	m := ldap.NewModifyRequest(dn, nil)
	if u.Password != "" {
		m.Replace("unicodePwd", []string{quoted(u.Password)})
	}
	m.Replace("userAccountControl", []string{fmt.Sprint(control)})
	if u.MustChange {
		m.Replace("pwdLastSet", []string{"0"})
	}
	s.as(t, func(c *ldap.Conn) error { return c.Modify(m) })
	return dn
}

// Entry makes an account that is no person's, with the attributes of User and more.
func (s *Samba) Entry(t testing.TB, dn, userID string, more map[string]string) {
	t.Helper()
	attributes := map[string]string{"sAMAccountName": fmt.Sprintf("e%d", sambaNumber.Add(1)), "userPrincipalName": userID, "mail": userID}
	maps.Copy(attributes, more)
	add := ldap.NewAddRequest(dn, nil)
	for name, value := range attributes {
		if value != "" {
			add.Attribute(name, []string{value})
		}
	}
	s.as(t, func(c *ldap.Conn) error { return c.Add(add) })
}

// Deeper makes a unit inside one; it goes with it.
func (s *Samba) Deeper(t testing.TB, unit, name string) string {
	t.Helper()
	dn := "OU=" + ldap.EscapeDN(name) + "," + unit
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	s.as(t, func(c *ldap.Conn) error { return c.Add(add) })
	return dn
}

// sambaAge moves times back in the database itself: the controller would refuse.
const sambaAge = `
import sys, ldb
db = ldb.Ldb("tdb://" + sys.argv[1])
for dn in sys.argv[3:]:
    entry = db.search(base=dn, scope=ldb.SCOPE_BASE, attrs=["pwdLastSet", "lockoutTime", "badPasswordTime"])[0]
    change = ldb.Message(entry.dn)
    for name in ("pwdLastSet", "lockoutTime", "badPasswordTime"):
        if name in entry and int(str(entry[name])) > 0:
            change[name] = ldb.MessageElement(str(int(str(entry[name])) - int(sys.argv[2])), ldb.FLAG_MOD_REPLACE, name)
    if len(change):
        db.modify(change)
`

// Age lets time pass for accounts: their passwords are older by that much, and
// their locks that much nearer to the end.
func (s *Samba) Age(t testing.TB, by time.Duration, dns ...string) {
	t.Helper()
	file := filepath.Join(s.dir, "private", "sam.ldb.d", strings.ToUpper(s.BaseDN)+".ldb")
	args := append([]string{"-c", sambaAge, file, fmt.Sprint(int64(by / 100))}, dns...)
	// Debian's Python has Samba's modules; another one in PATH has not.
	if said, err := exec.CommandContext(t.Context(), "/usr/bin/python3", args...).CombinedOutput(); err != nil {
		t.Fatalf("ageing: %v\n%s", err, said)
	}
}

// Key is an entry's objectGUID as text.
func (s *Samba) Key(t testing.TB, dn string) string {
	t.Helper()
	b := s.Get(t, dn, "objectGUID").GetRawAttributeValue("objectGUID")
	if len(b) != 16 {
		t.Fatalf("objectGUID of %s has %d bytes", dn, len(b))
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:])
}

// Group makes a group in a unit and gives its DN.
func (s *Samba) Group(t testing.TB, unit, name string, members ...string) string {
	t.Helper()
	dn := "CN=" + ldap.EscapeDN(name) + "," + unit
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"group"})
	add.Attribute("sAMAccountName", []string{fmt.Sprintf("g%d", sambaNumber.Add(1))})
	if len(members) > 0 {
		add.Attribute("member", members)
	}
	s.as(t, func(c *ldap.Conn) error { return c.Add(add) })
	return dn
}

// Join adds members to a group that is there, such as CN=Domain Admins,CN=Users,….
func (s *Samba) Join(t testing.TB, group string, members ...string) {
	t.Helper()
	m := ldap.NewModifyRequest(group, nil)
	m.Add("member", members)
	s.as(t, func(c *ldap.Conn) error { return c.Modify(m) })
}

// Set replaces an attribute, as an administrator would; no values take it away.
func (s *Samba) Set(t testing.TB, dn, attribute string, values ...string) {
	t.Helper()
	m := ldap.NewModifyRequest(dn, nil)
	m.Replace(attribute, values)
	s.as(t, func(c *ldap.Conn) error { return c.Modify(m) })
}

// Get reads attributes with the administrator's rights.
func (s *Samba) Get(t testing.TB, dn string, attributes ...string) *ldap.Entry {
	t.Helper()
	var e *ldap.Entry
	s.as(t, func(c *ldap.Conn) error {
		r, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 10, false, "(objectClass=*)", attributes, nil))
		if err != nil {
			return err
		}
		if len(r.Entries) != 1 {
			return fmt.Errorf("%s gives %d entries", dn, len(r.Entries))
		}
		e = r.Entries[0]
		return nil
	})
	return e
}

// Remove deletes an entry.
func (s *Samba) Remove(t testing.TB, dn string) {
	t.Helper()
	s.as(t, func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, nil)) })
}

// Rename gives an entry another name, and moves it where unit is not empty.
func (s *Samba) Rename(t testing.TB, dn, name, unit string) {
	t.Helper()
	s.as(t, func(c *ldap.Conn) error {
		return c.ModifyDN(ldap.NewModifyDNRequest(dn, "CN="+ldap.EscapeDN(name), true, unit))
	})
}

// Policy makes a password settings object for users or global groups. Attributes
// are named without "msDS-"; what is left out is lax. The service account may
// read it only after ReadPolicy.
func (s *Samba) Policy(t testing.TB, attributes map[string]string, appliesTo ...string) string {
	t.Helper()
	number := sambaNumber.Add(1)
	dn := fmt.Sprintf("CN=Policy %d,%s", number, s.policies())
	add := ldap.NewAddRequest(dn, nil)
	all := map[string]string{
		"PasswordSettingsPrecedence": fmt.Sprint(number), "PasswordReversibleEncryptionEnabled": "FALSE",
		"PasswordHistoryLength": "0", "PasswordComplexityEnabled": "FALSE", "MinimumPasswordLength": "0",
		"MinimumPasswordAge": "0", "MaximumPasswordAge": "-9223372036854775808",
		"LockoutThreshold": "0", "LockoutObservationWindow": SambaInterval(SambaLockFor), "LockoutDuration": SambaInterval(SambaLockFor),
	}
	for name, value := range attributes {
		all[name] = value
	}
	add.Attribute("objectClass", []string{"msDS-PasswordSettings"})
	for name, value := range all {
		add.Attribute("msDS-"+name, []string{value})
	}
	add.Attribute("msDS-PSOAppliesTo", appliesTo)
	s.as(t, func(c *ldap.Conn) error { return c.Add(add) })
	t.Cleanup(func() { s.Remove(t, dn) })
	return dn
}

func (s *Samba) policies() string { return "CN=Password Settings Container,CN=System," + s.BaseDN }

// ReadPolicy lets the service account read a password settings object, which by
// default only domain administrators may.
func (s *Samba) ReadPolicy(t testing.TB, policy string) {
	t.Helper()
	s.Rule(t, policy, fmt.Sprintf("(A;;RPLCLORC;;;%s)", s.sid(t, s.BindDN)))
}

// Rule puts an entry of an access list, as SDDL, before those that an object has.
func (s *Samba) Rule(t testing.TB, dn, sddl string) {
	t.Helper()
	if _, err := s.tool(t.Context(), "dsacl", "set", "--objectdn="+dn, "--action=allow", "--sddl="+sddl); err != nil {
		t.Fatal(err)
	}
}

// Own has somebody replace an attribute of their own entry.
func (s *Samba) Own(dn, password, attribute, value string) error {
	c, err := s.bind(dn, password)
	if err != nil {
		return err
	}
	defer c.Close()
	r := ldap.NewModifyRequest(dn, nil)
	r.Replace(attribute, []string{value})
	return c.Modify(r)
}

// sid is the security identifier of an entry, as text.
func (s *Samba) sid(t testing.TB, dn string) string {
	t.Helper()
	b := s.Get(t, dn, "objectSid").GetRawAttributeValue("objectSid")
	if len(b) < 8 || len(b) != 8+4*int(b[1]) {
		t.Fatalf("objectSid of %s has %d bytes", dn, len(b))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "S-%d-%d", b[0], b[7])
	for at := 8; at < len(b); at += 4 {
		fmt.Fprintf(&text, "-%d", binary.LittleEndian.Uint32(b[at:]))
	}
	return text.String()
}

// quoted is a password as unicodePwd takes it.
func quoted(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}
