package ldap

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// impossible is a count of wrong passwords that nobody has.
const impossible = "2147483647"

// ipaTrials are changes that cannot happen, each of what one right is needed for:
// the first part deletes a value that is not there. The server looks at the rights
// for all parts first.
var ipaTrials = []struct {
	name, attributes, permission string
	change                       func(*ldap.ModifyRequest)
}{
	{"set passwords", "userPassword and krbPrincipalKey", "System: Change User password", func(r *ldap.ModifyRequest) {
		r.Delete("krbPrincipalKey", []string{rand.Text()})
		r.Replace("userPassword", []string{rand.Text() + "-aA1"})
	}},
	{"ask for another password", "krbPasswordExpiration", "System: Change User password", func(r *ldap.ModifyRequest) {
		r.Delete("krbPasswordExpiration", []string{never})
	}},
	{"unlock", "krbLastAdminUnlock and krbLoginFailedCount", "System: Unlock User", func(r *ldap.ModifyRequest) {
		r.Delete("krbLoginFailedCount", []string{impossible})
		r.Replace("krbLastAdminUnlock", []string{never})
	}},
}

// examine proves the rights of the service account without changing anyone, on
// somebody who is no administrator: for those nobody has them.
func (f *freeIPA) examine(ctx context.Context, c *conn, p *person) []Finding {
	var found []Finding
	if suffix := suffixOf(f.d.set.BaseDN); within(ipaAside+suffix, f.d.set.BaseDN) {
		found = append(found, Finding{
			Name: "base_dn", Code: "base-dn-wide", Text: "people who are not there yet or not any more are below it too: somebody new with the user ID of one of them is not found",
			Mend: "write base_dn: cn=users,cn=accounts," + suffix,
		})
	}
	p, err := f.d.unprotected(ctx, c, p, "(!(memberOf=cn="+ipaAdmins+",cn=groups,cn=accounts,"+ldap.EscapeFilter(suffixOf(f.d.set.BaseDN))+"))")
	if err != nil {
		return append(found, Finding{Name: "rights", Text: err.Error(), Mend: "see why people cannot be searched for"})
	}
	if p == nil {
		return found
	}
	found = append(found, f.examinePolicy(ctx, c, p), f.examineCounts(ctx, c))
	for _, t := range ipaTrials {
		change := ldap.NewModifyRequest(p.dn, nil)
		t.change(change)
		err := c.modify(ctx, change)
		switch code, answered := resultOf(err); {
		case answered && code == ldap.LDAPResultNoSuchAttribute:
			found = append(found, Finding{Name: t.name, OK: true, Text: "the service account may write " + t.attributes})
		case answered && code == ldap.LDAPResultInsufficientAccessRights:
			found = append(found, Finding{
				Name: t.name, Text: fmt.Sprintf("the service account may not write %s of %s", t.attributes, p.dn), Mend: granted(t.permission),
			})
		default:
			found = append(found, Finding{Name: t.name, Text: fmt.Sprintf("the trial was answered with: %v", err), Mend: "see the server's log for why it did not judge the trial"})
		}
	}
	return found
}

// granted is the command that gives the service account a permission, through the
// privilege that docs/directories/freeipa.md makes.
func granted(permission string) string {
	return fmt.Sprintf(`run on a FreeIPA server: ipa privilege-add-permission Kunci --permissions=%q`, permission)
}

// examinePolicy: what the server does not judge for somebody else's password is
// judged here, so it has to be known.
func (f *freeIPA) examinePolicy(ctx context.Context, c *conn, p *person) Finding {
	set, err := f.policyOf(ctx, c, p.entry)
	switch {
	case err != nil:
		return Finding{Name: "password policy", Text: err.Error(), Mend: "see why the policies below cn=kerberos cannot be searched for"}
	case !set.known:
		return Finding{Name: "password policy", Text: "the policy cannot be read: a reset would go around its length, kinds of characters and minimum age", Mend: granted("System: Read Group Password Policy")}
	case set.threshold == 0:
		return Finding{Name: "password policy", Text: "nobody is locked after wrong passwords", Mend: "run: ipa pwpolicy-mod --maxfail=6"}
	}
	return Finding{Name: "password policy", OK: true, Text: fmt.Sprintf("at least %d characters of %d kinds, %d old passwords refused, locked after %d wrong ones", set.minLength, set.kinds, set.history, set.threshold)}
}

// examineCounts looks whether anybody's count of wrong passwords can be read. Where
// nobody ever signed in there is none.
func (f *freeIPA) examineCounts(ctx context.Context, c *conn) Finding {
	found, err := c.search(ctx, f.d.set.BaseDN, ldap.ScopeWholeSubtree, f.d.people.and("(krbLoginFailedCount=*)"), 1, "1.1")
	switch {
	case err != nil:
		return Finding{Name: "locks", Text: err.Error(), Mend: "see why people cannot be searched for"}
	case len(found) == 0:
		return Finding{
			Name: "locks", Text: "nobody's count of wrong passwords can be read: locks are seen at a sign-in alone, and policies of groups are not",
			Mend: granted("System: Read User Kerberos Login Attributes") + " (where nobody signed in yet there is nothing to read)",
		}
	}
	return Finding{Name: "locks", OK: true, Text: "counts of wrong passwords can be read"}
}

func (f *freeIPA) keepOwn(dn string, attributes []string) (look, setting string) {
	return keepOwn389(f.d, dn, attributes)
}
