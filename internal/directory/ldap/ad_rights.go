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

// adExaminer gathers what is found about one server.
type adExaminer struct {
	a     *activeDirectory
	found []Finding
}

func (x *adExaminer) good(name, text string, args ...any) {
	x.found = append(x.found, Finding{Name: name, OK: true, Text: fmt.Sprintf(text, args...)})
}

func (x *adExaminer) bad(name, mend, text string, args ...any) {
	x.found = append(x.found, Finding{Name: name, Text: fmt.Sprintf(text, args...), Mend: mend})
}

// examine looks at the rights of the service account on one person without
// changing anything.
func (a *activeDirectory) examine(ctx context.Context, c *conn, p *person) []Finding {
	x := &adExaminer{a: a}
	x.domain(ctx, c)
	switch hints, err := hintsOf(ctx, c); {
	case err != nil:
		x.bad("history", "see why the server's root entry cannot be read", "%v", err)
	case len(hints) > 0:
		x.good("history", "a reset keeps the domain's password history and minimum age")
	default:
		x.good("history", "this server has no control for it: a reset does not look at the password history, a change does")
	}
	if p, err := a.d.unprotected(ctx, c, p, "(!(adminCount=1))"); err != nil {
		x.bad("rights", "see why people cannot be searched for", "%v", err)
	} else if p != nil {
		x.rights(ctx, c, p)
	}
	return x.found
}

// domain looks at the rules that hold for whoever has none of their own.
func (x *adExaminer) domain(ctx context.Context, c *conn) {
	suffix := suffixOf(x.a.d.set.BaseDN)
	head, err := c.read(ctx, suffix, domainAttributes...)
	if err != nil || head == nil || head.GetEqualFoldAttributeValue("minPwdLength") == "" {
		x.bad("password policy", "let base_dn end in the dc= parts of the domain, and let the service account read the domain's own entry",
			"the rules of %s cannot be read (%s)", suffix, said(err))
		return
	}
	p := domainPolicy(head)
	if p.threshold == 0 {
		x.bad("password policy", "set an account lockout threshold in the Default Domain Policy", "nobody is locked after wrong passwords")
		return
	}
	x.good("password policy", "at least %d characters, complexity %v, %d old passwords refused, locked after %d wrong ones", p.minLength, p.complex, p.history, p.threshold)
}

func (x *adExaminer) rights(ctx context.Context, c *conn, p *person) {
	unit, service := parentOf(p.dn), x.service(ctx, c)
	if name := p.entry.GetEqualFoldAttributeValue("msDS-ResultantPSO"); name != "" {
		if settings, err := c.read(ctx, name, policyAttributes...); err != nil {
			x.bad("fine-grained policy", "see why it cannot be read", "%v", err)
		} else if _, ok := settingsPolicy(settings); !ok {
			x.bad("fine-grained policy", dsacls("CN=Password Settings Container,CN=System,"+suffixOf(p.dn), "/I:T", service, "GR"),
				"%s holds for %s and cannot be read; pages show the domain's rules instead", name, p.dn)
		}
	}
	writable, err := c.read(ctx, p.dn, allowedEffective)
	if err != nil || writable == nil {
		x.bad("rights", "let the service account read people", "%s cannot be read (%s)", p.dn, said(err))
		return
	}
	may := writable.GetEqualFoldAttributeValues(allowedEffective)
	for _, right := range []struct{ name, attribute string }{{"unlock", "lockoutTime"}, {"ask for another password", "pwdLastSet"}} {
		if slices.ContainsFunc(may, func(v string) bool { return strings.EqualFold(v, right.attribute) }) {
			x.good(right.name, "the service account may write %s", right.attribute)
		} else {
			x.bad(right.name, dsacls(unit, "/I:S", service, "RPWP;"+right.attribute+";user"), "the service account may not write %s of %s", right.attribute, p.dn)
		}
	}
	switch missing, err := mayNotReset(ctx, c, p.dn); {
	case err != nil:
		x.bad("set passwords", "see the event log of the domain controller", "the trial was not judged: %v", err)
	case missing:
		x.bad("set passwords", dsacls(unit, "/I:S", service, "CA;Reset Password;user"), "the service account may not reset the password of %s", p.dn)
	default:
		x.good("set passwords", "the service account may reset passwords")
	}
}

// service is the service account as dsacls takes it: name@domain, or what the
// organization's file has where that is no DN.
func (x *adExaminer) service(ctx context.Context, c *conn) string {
	name := x.a.d.set.BindDN
	if !strings.Contains(name, "=") {
		return name
	}
	e, err := c.read(ctx, name, "sAMAccountName")
	if err != nil || e == nil {
		return name
	}
	return e.GetEqualFoldAttributeValue("sAMAccountName") + "@" + domainName(name)
}

// domainName is the DNS name in the dc= parts of a DN.
func domainName(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return ""
	}
	var parts []string
	for _, rdn := range parsed.RDNs {
		if len(rdn.Attributes) == 1 && isDomain(rdn.Attributes[0].Type) {
			parts = append(parts, rdn.Attributes[0].Value)
		}
	}
	return strings.Join(parts, ".")
}

// mayNotReset tries to write what can never become a password: three bytes are no
// UTF-16. A domain controller looks at the rights first and at the value then, so
// that every answer but "insufficient rights" means that the right is there.
func mayNotReset(ctx context.Context, c *conn, dn string) (bool, error) {
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace("unicodePwd", []string{`"x"`})
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

// dsacls is the command that gives the service account a right.
func dsacls(dn, scope, account, right string) string {
	return fmt.Sprintf(`run on a domain controller: dsacls "%s" %s /G "%s:%s"`, dn, scope, account, right)
}

// parentOf is the name of the entry above.
func parentOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) < 2 {
		return dn
	}
	return (&ldap.DN{RDNs: parsed.RDNs[1:]}).String()
}
