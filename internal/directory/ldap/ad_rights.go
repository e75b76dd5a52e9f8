package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// allowedEffective is computed by a domain controller for whoever asks: the
// attributes of the entry that they may write (MS-ADTS 3.1.1.4.5.22).
const allowedEffective = "allowedAttributesEffective"

// examine looks at the rights of the service account on one person without
// changing anything.
func (a *activeDirectory) examine(ctx context.Context, c *conn, p *person) []Finding {
	var found []Finding
	add := func(name, text, mend string) {
		found = append(found, Finding{Name: name, OK: mend == "", Text: text, Mend: mend})
	}
	switch head, err := c.read(ctx, suffixOf(a.d.set.BaseDN), domainAttributes...); {
	case err != nil:
		add("password policy", err.Error(), "Look at why the domain's head cannot be read.")
	case head == nil || head.GetEqualFoldAttributeValue("minPwdLength") == "":
		add("password policy", "the domain's password rules cannot be read",
			"Set base_dn to a name that ends in the domain's own dc= parts, and let the service account read the domain's head.")
	default:
		add("password policy", fmt.Sprintf("the domain asks for %d characters or more", domainPolicy(head).minLength), "")
	}
	if hints, err := hintsOf(ctx, c); err == nil && len(hints) > 0 {
		add("history", "a reset keeps the domain's password history and minimum age", "")
	} else if err == nil {
		add("history", "this server has no control for it, so a reset does not look at the password history; a change does", "")
	}
	if p == nil {
		return found
	}
	unit := parentOf(p.dn)
	if name := p.entry.GetEqualFoldAttributeValue("msDS-ResultantPSO"); name != "" {
		settings, err := c.read(ctx, name, policyAttributes...)
		if _, ok := settingsPolicy(settings); err != nil || !ok {
			add("fine-grained password policy", name+" holds for "+p.dn+" and cannot be read",
				"Pages then show the domain's rules instead. Let the service account read it: "+
					dsacls("CN=Password Settings Container,CN=System,"+suffixOf(p.dn), "/I:T", "GR"))
		}
	}
	writable, err := c.read(ctx, p.dn, allowedEffective)
	if err != nil {
		add("rights", err.Error(), "Look at why "+p.dn+" cannot be read.")
		return found
	}
	for attribute, why := range map[string]string{"lockoutTime": "unlock", "pwdLastSet": "ask for another password"} {
		if writable != nil && slices.ContainsFunc(writable.GetEqualFoldAttributeValues(allowedEffective), func(v string) bool { return strings.EqualFold(v, attribute) }) {
			add(why, "the service account may write "+attribute, "")
		} else {
			add(why, "the service account may not write "+attribute+" of "+p.dn, a.mend(p, dsacls(unit, "/I:S", "RPWP;"+attribute+";user")))
		}
	}
	switch missing, err := a.mayNotReset(ctx, c, p.dn); {
	case err != nil:
		add("reset", err.Error(), "Look at why the domain controller did not judge the trial.")
	case missing:
		add("reset", "the service account may not reset the password of "+p.dn, a.mend(p, dsacls(unit, "/I:S", "CA;Reset Password;user")))
	default:
		add("reset", "the service account may reset passwords", "")
	}
	slices.SortStableFunc(found, func(x, y Finding) int { return strings.Compare(x.Name, y.Name) })
	return found
}

// mayNotReset tries to write what can never become a password: three bytes are no
// UTF-16. A domain controller looks at the rights first and at the value then, so
// that no answer but "insufficient rights" means that the right is there.
func (a *activeDirectory) mayNotReset(ctx context.Context, c *conn, dn string) (bool, error) {
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace("unicodePwd", []string{"\"x\""})
	err := c.modify(ctx, change)
	result, answered := resultOf(err)
	switch {
	case err == nil:
		return false, fmt.Errorf("%s took a value that is no password", dn)
	case !answered:
		return false, unavailable(err)
	}
	return result == ldap.LDAPResultInsufficientAccessRights, nil
}

// mend names the command that delegates a right, and what it cannot reach.
func (a *activeDirectory) mend(p *person, command string) string {
	if p.Privileged {
		return "This account is protected (adminCount): what is delegated does not reach it, and that is well so. Look at an ordinary one."
	}
	return "On a domain controller: " + command
}

// dsacls is the command that gives the service account a right.
func dsacls(dn, scope, right string) string {
	return fmt.Sprintf(`dsacls "%s" %s /G "DOMAIN\svc-kunci:%s"`, dn, scope, right)
}

// parentOf is the name of the entry above.
func parentOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) < 2 {
		return dn
	}
	return (&ldap.DN{RDNs: parsed.RDNs[1:]}).String()
}
