package ldap

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
)

// lockedByHand is the time that slapo-ppolicy knows as "for ever".
const lockedByHand = "000001010000Z"

// uuidForm is what entryUUID looks like; nothing else is asked for.
var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// openLDAP speaks with slapd, whose rules come from slapo-ppolicy.
type openLDAP struct {
	d *Directory

	mu       sync.Mutex
	policies map[string]policy // by name; "" is the one that holds for whoever has none of their own
	read     time.Time
}

// policy is the part of a pwdPolicy entry that is shown or judged by.
type policy struct {
	minLength, history int
	lockFor            time.Duration // zero: until somebody unlocks
	checked            bool          // quality and length are judged
	neverLocks         bool          // pwdLockout is not TRUE: what is noted locks nobody
}

func newOpenLDAP(d *Directory) dialect { return &openLDAP{d: d} }

func (o *openLDAP) defaults() org.DirectoryConfig {
	return org.DirectoryConfig{
		UserFilter:  "(&(objectClass=inetOrgPerson)(mail={user_id}))",
		GroupFilter: "(|(member={dn})(uniqueMember={dn}))",
		Attributes: org.DirectoryAttributes{
			UserID: "mail", DisplayName: "cn", GivenName: "givenName", FamilyName: "sn", Language: "preferredLanguage", GroupName: "cn",
		},
	}
}

func (o *openLDAP) attributes() []string {
	return []string{
		"entryUUID", "pwdChangedTime", "pwdAccountLockedTime", "pwdAccountTmpLockoutEnd", "pwdReset", "pwdPolicySubentry",
		"pwdStartTime", "pwdEndTime",
	}
}

func (o *openLDAP) key(e *ldap.Entry) string { return e.GetEqualFoldAttributeValue("entryUUID") }

func (o *openLDAP) keyFilter(key string) string {
	if !uuidForm.MatchString(key) {
		return ""
	}
	return "(entryUUID=" + ldap.EscapeFilter(key) + ")"
}

func (o *openLDAP) groups(ctx context.Context, c *conn, e *ldap.Entry) ([]membership, error) {
	return o.d.memberGroups(ctx, c, e)
}

func (o *openLDAP) state(ctx context.Context, c *conn, e *ldap.Entry, into *directory.Entry) error {
	now := o.d.now()
	into.PasswordChangedAt = timeIn(e, "pwdChangedTime")
	into.HasPassword = !into.PasswordChangedAt.IsZero()
	if !into.HasPassword {
		// An entry older than the policy overlay has a password without a time.
		has, err := c.search(ctx, e.DN, ldap.ScopeBaseObject, "(userPassword=*)", 1, "1.1")
		if err != nil {
			return err
		}
		into.HasPassword = len(has) > 0
	}
	if e.GetEqualFoldAttributeValue("pwdReset") == "TRUE" {
		into.MustChange = true
	}
	if end := timeIn(e, "pwdEndTime"); !end.IsZero() && !end.After(now) || timeIn(e, "pwdStartTime").After(now) {
		into.Disabled = true
	}
	into.LockedUntil = later(into.LockedUntil, timeIn(e, "pwdAccountTmpLockoutEnd"))
	switch since := e.GetEqualFoldAttributeValue("pwdAccountLockedTime"); since {
	case "":
	case lockedByHand:
		into.Disabled = true
	default:
		p, err := o.policyOf(ctx, c, e)
		if err != nil {
			return err
		}
		until := forEver
		switch {
		case p.neverLocks:
			until = time.Time{}
		case p.lockFor > 0:
			until = timeIn(e, "pwdAccountLockedTime").Add(p.lockFor)
		}
		into.LockedUntil = later(into.LockedUntil, until)
	}
	if !into.LockedUntil.After(now) {
		into.LockedUntil = time.Time{}
	}
	return nil
}

// forEver is when a lock ends that only an unlock ends.
var forEver = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// timeIn reads a generalized time; zero where there is none.
func timeIn(e *ldap.Entry, attribute string) time.Time {
	text := e.GetEqualFoldAttributeValue(attribute)
	if text == "" {
		return time.Time{}
	}
	t, err := ber.ParseGeneralizedTime([]byte(text))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (o *openLDAP) judge(p person, controls []ldap.Control, err error) (directory.CheckResult, error) {
	return judgeByPolicy(p, controls, err)
}

// set uses the password modify operation as the service account: the server
// hashes, and its policy holds as for anybody who is not its manager.
func (o *openLDAP) set(ctx context.Context, c *conn, p person, pw string, opts directory.SetOptions) error {
	if p.entry.GetEqualFoldAttributeValue("pwdAccountLockedTime") == lockedByHand {
		return noRights(errLockedByHand) // a new password would lift it
	}
	if opts.MustChange {
		if err := o.mayDemand(ctx, c, p); err != nil {
			return err
		}
	}
	if err := modifyPassword(ctx, c, p.dn, "", pw); err != nil {
		return refusal(err)
	}
	return o.d.dialect.settle(ctx, c, p, opts)
}

// settle does what slapd does not do with the password itself, and may be
// repeated. What it refuses leaves the password set.
func (o *openLDAP) settle(ctx context.Context, c *conn, p person, opts directory.SetOptions) error {
	now, err := c.read(ctx, p.dn, "pwdAccountLockedTime", "pwdReset")
	if err != nil || now == nil {
		return err
	}
	change := ldap.NewModifyRequest(p.dn, nil)
	if reset := now.GetEqualFoldAttributeValue("pwdReset") == "TRUE"; opts.MustChange && !reset {
		change.Replace("pwdReset", []string{"TRUE"})
	} else if reset && !opts.MustChange {
		change.Delete("pwdReset", nil) // the person chose it: nothing is left to change
	}
	if opts.Unlock && now.GetEqualFoldAttributeValue("pwdAccountLockedTime") != "" { // slapo-ppolicy does so itself with a new password
		change.Delete("pwdAccountLockedTime", nil)
	}
	if len(change.Changes) == 0 {
		return nil
	}
	return incomplete(directory.LeftMustChange, o.d.gone(c.modify(ctx, change)))
}

// mayDemand finds out before anything is set whether another password may be
// asked for: slapd takes an old demand away with a new password, so this one can
// only come after it. The change cannot happen: a part deletes what is not there.
func (o *openLDAP) mayDemand(ctx context.Context, c *conn, p person) error {
	change := ldap.NewModifyRequest(p.dn, nil)
	change.Delete("pwdAccountLockedTime", []string{never})
	change.Replace("pwdReset", []string{"TRUE"})
	return o.d.gone(c.modify(ctx, change))
}

// gone takes a value that somebody else deleted a moment ago for deleted.
func (d *Directory) gone(err error) error {
	if code, answered := resultOf(err); answered && code == ldap.LDAPResultNoSuchAttribute {
		return nil
	}
	return fault(err)
}

func (o *openLDAP) change(ctx context.Context, c *conn, p person, old, pw string) error {
	return o.d.changeAsOwner(ctx, o, c, p, old, pw, refusal)
}

func (o *openLDAP) unlock(ctx context.Context, c *conn, p person) error {
	if p.entry.GetEqualFoldAttributeValue("pwdAccountLockedTime") == lockedByHand {
		return noRights(errLockedByHand)
	}
	change := ldap.NewModifyRequest(p.dn, nil)
	// Deleting a lock deletes the count with it; where there is none yet, one is
	// made that is over, to be deleted in the same step.
	change.Replace("pwdAccountLockedTime", []string{"19700101000000Z"})
	change.Delete("pwdAccountLockedTime", nil)
	return o.d.gone(c.modify(ctx, change))
}

// policyOf gives the policy that holds for an entry. The overlay's default is not
// named on entries, so it is the one policy there is, or the one called default.
func (o *openLDAP) policyOf(ctx context.Context, c *conn, e *ldap.Entry) (policy, error) {
	o.mu.Lock()
	known := o.policies
	if o.d.now().Sub(o.read) > o.d.pool.limits.age {
		known = nil
	}
	o.mu.Unlock()
	if known == nil {
		found, err := c.search(ctx, suffixOf(o.d.set.BaseDN), ldap.ScopeWholeSubtree, "(objectClass=pwdPolicy)", 100,
			"cn", "pwdMinLength", "pwdCheckQuality", "pwdInHistory", "pwdLockout", "pwdLockoutDuration")
		if err != nil {
			return policy{}, err
		}
		known = make(map[string]policy)
		for _, f := range found {
			p := policy{
				minLength: number(f, "pwdMinLength"), history: number(f, "pwdInHistory"),
				checked:    number(f, "pwdCheckQuality") > 0,
				neverLocks: f.GetEqualFoldAttributeValue("pwdLockout") != "TRUE",
				lockFor:    time.Duration(number(f, "pwdLockoutDuration")) * time.Second,
			}
			known[nameKey(f.DN)] = p
			if len(found) == 1 || f.GetEqualFoldAttributeValue("cn") == "default" {
				known[""] = p
			}
		}
		o.mu.Lock()
		o.policies, o.read = known, o.d.now()
		o.mu.Unlock()
	}
	return known[nameKey(e.GetEqualFoldAttributeValue("pwdPolicySubentry"))], nil
}

// nameKey writes a DN in one way, to be compared.
func nameKey(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if dn == "" || err != nil {
		return dn
	}
	return strings.ToLower(parsed.String())
}

func number(e *ldap.Entry, attribute string) int {
	n, err := strconv.Atoi(e.GetEqualFoldAttributeValue(attribute))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (o *openLDAP) rules(ctx context.Context, c *conn, p person) ([]directory.Rule, error) {
	set, err := o.policyOf(ctx, c, p.entry)
	if err != nil {
		return nil, err
	}
	return set.rules(), nil
}

// rules are those of a policy that a person can be told beforehand.
func (p policy) rules() []directory.Rule {
	var rules []directory.Rule
	if p.minLength > 0 {
		rules = append(rules, directory.Rule{Name: "too_short", Args: map[string]any{"count": p.minLength}})
	}
	if p.history > 0 { // the current one is not among those it keeps, and refused too
		rules = append(rules, directory.Rule{Name: "history", Args: map[string]any{"count": p.history + 1}})
	}
	return rules
}
