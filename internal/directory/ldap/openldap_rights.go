package ldap

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// never is a time of a lock that no account has.
const never = "19700101000001Z"

// examine proves the rights of the service account by changes that cannot
// happen: the first part of each deletes a value that is not there. slapd looks at
// the rights for all parts before it tries the first, and does all parts or none.
func (o *openLDAP) examine(ctx context.Context, c *conn, p *person) []Finding {
	var found []Finding
	good := func(name, text string, args ...any) {
		found = append(found, Finding{Name: name, OK: true, Text: fmt.Sprintf(text, args...)})
	}
	bad := func(name, mend, text string, args ...any) {
		found = append(found, Finding{Name: name, Text: fmt.Sprintf(text, args...), Mend: mend})
	}
	can, err := c.able(ctx)
	if err != nil {
		bad("server", "see why the server's root entry cannot be read", "%v", err)
		return found
	}
	if !can.extensions[passwordModify] {
		bad("password operation", "allow the password modify operation (RFC 3062) in slapd's configuration", "the server does not offer the operation that passwords are set with")
	}
	hasPolicy := can.controls[ldap.ControlTypeBeheraPasswordPolicy]
	if !hasPolicy {
		bad("password policy", "load slapo-ppolicy with a default policy that has pwdLockout: TRUE", "nobody counts wrong passwords: the server has no password policy")
	}
	if p == nil {
		return found
	}
	if hasPolicy {
		o.examinePolicy(ctx, c, p, good, bad)
	}
	impossible := ldap.Change{Operation: ldap.DeleteAttribute, Modification: ldap.PartialAttribute{Type: "pwdAccountLockedTime", Vals: []string{never}}}
	if !hasPolicy {
		impossible.Modification = ldap.PartialAttribute{Type: "userPassword", Vals: []string{"{SSHA}" + rand.Text()}}
	}
	try := func(more ...ldap.Change) (may bool, err error) {
		r := ldap.NewModifyRequest(p.dn, []ldap.Control{policyControl()})
		r.Changes = append([]ldap.Change{impossible}, more...)
		err = c.modify(ctx, r)
		switch code, answered := resultOf(err); {
		case err == nil:
			return false, fmt.Errorf("%s had a value that nobody has", p.dn)
		case !answered:
			return false, unavailable(err)
		case code == ldap.LDAPResultInsufficientAccessRights:
			return false, nil
		case code == ldap.LDAPResultNoSuchAttribute:
			return true, nil
		}
		return false, err
	}
	rule := func(name, attributes, right string, more ...ldap.Change) {
		switch may, err := try(more...); {
		case err != nil:
			bad(name, "see the server's log for why it did not judge the trial", "the trial was answered with: %v", err)
		case !may:
			bad(name, fmt.Sprintf("add to slapd's access rules, before wider ones: access to attrs=%s by dn.exact=%q %s by * break", attributes, o.d.set.BindDN, right),
				"the service account may not write %s of %s", attributes, p.dn)
		default:
			good(name, "the service account may write %s", attributes)
		}
	}
	if hasPolicy {
		rule("unlock", "pwdAccountLockedTime", "write")
		rule("ask for another password", "pwdReset", "write",
			ldap.Change{Operation: ldap.ReplaceAttribute, Modification: ldap.PartialAttribute{Type: "pwdReset", Vals: []string{"FALSE"}}})
	}
	// People change their own password themselves, and sign in before they have a name.
	rule("set passwords", "userPassword", "=ws by self =xw by anonymous auth",
		ldap.Change{Operation: ldap.ReplaceAttribute, Modification: ldap.PartialAttribute{Type: "userPassword", Vals: []string{rand.Text() + "-a1"}}})
	return append(found, o.d.seePasswords(ctx, c, fmt.Sprintf("add to slapd's access rules, before wider ones: access to attrs=userPassword by dn.exact=%q =ws by self =xw by anonymous auth by * break", o.d.set.BindDN)))
}

// seePasswords looks whether the service account can tell who has a password, which
// takes the right to search by it and not the one to read it. mend gives it.
func (d *Directory) seePasswords(ctx context.Context, c *conn, mend string) Finding {
	found, err := c.search(ctx, d.set.BaseDN, ldap.ScopeWholeSubtree, d.people.and("(userPassword=*)"), 1, "1.1")
	switch {
	case err != nil:
		return Finding{Name: "see passwords", Text: err.Error(), Mend: "see why people cannot be searched for"}
	case len(found) == 0:
		return Finding{
			Name: "see passwords", Text: "nobody is seen to have a password: everybody is taken for somebody who never had one",
			Mend: mend + " (where nobody has one yet there is nothing to see)",
		}
	}
	return Finding{Name: "see passwords", OK: true, Text: "the service account can tell who has a password, and not which"}
}

// examinePolicy sees that a policy can be read and holds for the service account
// too: for the manager of the database it does not, and a reset would go around
// history and length.
func (o *openLDAP) examinePolicy(ctx context.Context, c *conn, p *person, good func(name, text string, args ...any), bad func(name, mend, text string, args ...any)) {
	set, err := o.policyOf(ctx, c, p.entry)
	switch {
	case err != nil:
		bad("password policy", "let the service account read the policies", "%v", err)
		return
	case set == policy{}:
		bad("password policy", "let the service account read the policies, and call the default one cn=default", "no policy can be read for %s: rules and the end of a lock are not known", p.dn)
		return
	case set.neverLocks:
		bad("password policy", "set pwdLockout: TRUE in the policy", "nobody is locked after wrong passwords")
		return
	}
	if set.minLength > 1 && set.checked {
		r := ldap.NewModifyRequest(p.dn, []ldap.Control{policyControl()})
		r.Delete("pwdAccountLockedTime", []string{never})
		r.Replace("userPassword", []string{"x"})
		if code, _ := resultOf(c.modify(ctx, r)); code == ldap.LDAPResultNoSuchAttribute {
			bad("password policy", "let Kunci sign in with an account of its own, not with the rootdn", "the policy does not hold for %s: a reset would go around its rules", o.d.set.BindDN)
			return
		}
	}
	good("password policy", "at least %d characters, %d old passwords refused", set.minLength, set.history)
}

func (*openLDAP) keepOwn(dn string, attributes []string) (look, setting string) {
	return fmt.Sprintf(`look on the server, which has to say DENIED: slapacl -D %q -b %[1]q %s/write`, dn, strings.Join(attributes, "/write ")),
		fmt.Sprintf("add to slapd's access rules, before wider ones: access to attrs=%s by self read by * break", strings.Join(attributes, ","))
}
