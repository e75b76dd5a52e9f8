package ldaptest

import (
	"maps"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// manager writes and reads entries past every rule of a server.
type manager struct {
	address, dn string         // ldap://, and who it is
	controls    []ldap.Control // what a change needs to touch operational attributes
	operational []string       // the attributes that Read gives
}

// AsRoot runs something as the manager of the directory, whom no rule stops.
func (m *manager) AsRoot(t testing.TB, do func(*ldap.Conn) error) {
	t.Helper()
	must(t, m.root(do))
}

// root is AsRoot where no test is at hand.
func (m *manager) root(do func(*ldap.Conn) error) error {
	c, err := ldap.DialURL(m.address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(m.dn, rootPassword); err != nil {
		return err
	}
	return do(c)
}

// Own has somebody replace an attribute of their own entry.
func (m *manager) Own(dn, password, attribute, value string) error {
	c, err := ldap.DialURL(m.address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(dn, password); err != nil {
		return err
	}
	r := ldap.NewModifyRequest(dn, nil)
	r.Replace(attribute, []string{value})
	return c.Modify(r)
}

// Add makes an entry.
func (m *manager) Add(t testing.TB, dn string, attributes map[string][]string) {
	t.Helper()
	m.AsRoot(t, func(c *ldap.Conn) error {
		r := ldap.NewAddRequest(dn, nil)
		for name, values := range attributes {
			r.Attribute(name, values)
		}
		return c.Add(r)
	})
}

// AddPerson makes somebody with a user ID and a password, and gives their name.
func (m *manager) AddPerson(t testing.TB, userID, password string, more map[string][]string) string {
	t.Helper()
	uid, _, _ := strings.Cut(userID, "@")
	dn := "uid=" + ldap.EscapeDN(uid) + "," + People
	all := map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {uid}, "sn": {uid}, "mail": {userID}}
	if password != "" {
		all["userPassword"] = []string{password}
	}
	maps.Copy(all, more)
	m.Add(t, dn, all)
	return dn
}

// Modify replaces attributes of an entry; no values delete one.
func (m *manager) Modify(t testing.TB, dn string, attributes map[string][]string) {
	t.Helper()
	m.AsRoot(t, func(c *ldap.Conn) error {
		r := ldap.NewModifyRequest(dn, m.controls)
		for name, values := range attributes {
			r.Replace(name, values)
		}
		return c.Modify(r)
	})
}

// Read gives an entry with its operational attributes; nil where there is none.
func (m *manager) Read(t testing.TB, dn string) *ldap.Entry {
	t.Helper()
	var e *ldap.Entry
	m.AsRoot(t, func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", m.operational, nil))
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return nil
		}
		if err == nil && len(found.Entries) == 1 {
			e = found.Entries[0]
		}
		return err
	})
	return e
}

// Move renames an entry and puts it under another, and gives its new name.
func (m *manager) Move(t testing.TB, dn, rdn, under string) string {
	t.Helper()
	m.AsRoot(t, func(c *ldap.Conn) error { return c.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, under)) })
	return rdn + "," + under
}
