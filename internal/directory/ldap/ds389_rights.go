package ldap

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// examine proves the rights of the service account by changes that cannot
// happen, as on OpenLDAP: the first part of each deletes a value that is not there.
func (s *ds389) examine(ctx context.Context, c *conn, p *person) []Finding {
	if p == nil {
		return nil
	}
	var found []Finding
	set, err := s.policyOf(ctx, c, p.entry)
	switch {
	case err != nil:
		found = append(found, Finding{Name: "password policy", Text: err.Error(), Mend: "see why the server does not answer for its policy"})
	case set == policy{}:
		found = append(found, Finding{Name: "password policy", OK: true, Text: "it may not be read: rules are named when they are broken, and not beforehand"})
	case set.neverLocks:
		found = append(found, Finding{Name: "password policy", Text: "nobody is locked after wrong passwords", Mend: "set passwordLockout: on"})
	default:
		found = append(found, Finding{Name: "password policy", OK: true, Text: fmt.Sprintf("at least %d characters, %d old passwords refused", set.minLength, set.history)})
	}
	for _, r := range []struct {
		name, attributes, allow string
		change                  ldap.PartialAttribute
	}{
		{"set passwords", "userPassword", "search,write", ldap.PartialAttribute{Type: "userPassword", Vals: []string{rand.Text() + "-aA1"}}},
		{"unlock", "accountUnlockTime || passwordRetryCount", "write", ldap.PartialAttribute{Type: "passwordRetryCount", Vals: []string{"0"}}},
		{"ask for another password", "passwordExpirationTime", "write", ldap.PartialAttribute{Type: "passwordExpirationTime", Vals: []string{mustChangeTime}}},
	} {
		switch code, err := s.try(ctx, c, p, r.change); code {
		case ldap.LDAPResultNoSuchAttribute:
			found = append(found, Finding{Name: r.name, OK: true, Text: "the service account may write " + r.attributes})
		case ldap.LDAPResultInsufficientAccessRights:
			found = append(found, Finding{
				Name: r.name, Text: fmt.Sprintf("the service account may not write %s of %s", r.attributes, p.dn),
				Mend: s.aci(r.attributes, r.name, r.allow),
			})
		default:
			found = append(found, Finding{Name: r.name, Text: fmt.Sprintf("the trial was answered with: %v", err), Mend: "see the server's log for why it did not judge the trial"})
		}
	}
	found = append(found, s.d.seePasswords(ctx, c, s.aci("userPassword", "see passwords", "search")))
	if set.minLength > 1 {
		if code, _ := s.try(ctx, c, p, ldap.PartialAttribute{Type: "userPassword", Vals: []string{"x"}}); code == ldap.LDAPResultNoSuchAttribute {
			found = append(found, Finding{
				Name: "password policy", Text: fmt.Sprintf("the policy does not hold for %s: a reset would go around its rules", s.d.set.BindDN),
				Mend: "let Kunci sign in with an account of its own, neither the Directory Manager nor a password administrator",
			})
		}
	}
	return found
}

// aci is the access rule that gives the service account a right.
func (s *ds389) aci(attributes, name, allow string) string {
	return fmt.Sprintf(`add to %s: aci: (targetattr="%s")(version 3.0; acl "Kunci: %s"; allow (%s) userdn="ldap:///%s";)`, s.d.set.BaseDN, attributes, name, allow, s.d.set.BindDN)
}

// try gives the code that a change is refused with which cannot happen.
func (s *ds389) try(ctx context.Context, c *conn, p *person, change ldap.PartialAttribute) (uint16, error) {
	r := ldap.NewModifyRequest(p.dn, []ldap.Control{policyControl()})
	r.Delete("accountUnlockTime", []string{never})
	r.Replace(change.Type, change.Vals)
	err := c.modify(ctx, r)
	code, _ := resultOf(err)
	return code, err
}

func (s *ds389) keepOwn(dn string, attributes []string) (look, setting string) {
	return keepOwn389(s.d, dn, attributes)
}

// keepOwn389: the server tells the rights of somebody (1.3.6.1.4.1.42.2.27.9.5.2) to
// themselves and to the Directory Manager, and to nobody else. A rule that denies holds
// against every one that allows.
func keepOwn389(d *Directory, dn string, attributes []string) (look, setting string) {
	return fmt.Sprintf(`look as the Directory Manager, where attributeLevelRights may have no w: ldapsearch -x -H %s -D "cn=Directory Manager" -W -b "%s" -s base -E '!1.3.6.1.4.1.42.2.27.9.5.2=:dn:%[2]s' "(objectClass=*)" %s`,
			d.pool.servers[0], dn, strings.Join(attributes, " ")),
		fmt.Sprintf(`add to %s: aci: (targetattr="%s")(version 3.0; acl "Kunci: ways to reset"; deny (write) userdn="ldap:///self";)`, d.set.BaseDN, strings.Join(attributes, " || "))
}
