package ldap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
)

// Bits of userAccountControl and of its computed sister (MS-ADTS 2.2.16).
const (
	uacDisabled          = 0x2
	uacLockout           = 0x10 // computed
	uacNoPasswordNeeded  = 0x20
	uacNeverExpires      = 0x10000
	uacSmartCardRequired = 0x40000
)

// The controls that make a reset keep the domain's history and minimum age, the
// newer one first (MS-ADTS 3.1.1.3.4.1.27).
var policyHints = []string{"1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066"}

// computedControl is where a domain controller says whether an account is locked
// now: lockoutTime stays when the lock is over.
const computedControl = "msDS-User-Account-Control-Computed"

// activeDirectory speaks with domain controllers, Microsoft's and Samba's.
type activeDirectory struct {
	d *Directory

	mu     sync.Mutex
	domain adPolicy
	read   time.Time
}

func newActiveDirectory(d *Directory) dialect { return &activeDirectory{d: d} }

func (a *activeDirectory) defaults() org.DirectoryConfig {
	return org.DirectoryConfig{
		// 805306368 are the accounts of people: no computers, no trusts (MS-SAMR
		// 2.2.1.9). The attribute is indexed.
		UserFilter:  "(&(sAMAccountType=805306368)(userPrincipalName={user_id}))",
		GroupFilter: "(member=" + org.DNPlace + ")",
		Attributes: org.DirectoryAttributes{
			UserID: "userPrincipalName", DisplayName: "displayName", GivenName: "givenName", FamilyName: "sn",
			Language: "preferredLanguage", GroupName: "cn",
		},
	}
}

func (a *activeDirectory) attributes() []string {
	return []string{
		"objectGUID", "objectSid", "sAMAccountName", "displayName", "userAccountControl", computedControl, "accountExpires",
		"pwdLastSet", "lockoutTime", "adminCount", "msDS-ResultantPSO",
	}
}

func (a *activeDirectory) key(e *ldap.Entry) string {
	return adGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
}

func (a *activeDirectory) keyFilter(key string) string {
	b, ok := adGUIDBytes(key)
	if !ok {
		return ""
	}
	return "(objectGUID=" + escapedBytes(b) + ")"
}

// state reads what a domain controller knows beside the mapped attributes. No
// attribute says whether there is a password; an account that needs none and
// never had one set has none.
func (a *activeDirectory) state(ctx context.Context, c *conn, e *ldap.Entry, into *directory.Entry) error {
	control := bits(e, "userAccountControl")
	changed, set := adTime(e.GetEqualFoldAttributeValue("pwdLastSet"))
	into.PasswordChangedAt = changed
	into.HasPassword = set || control&uacNoPasswordNeeded == 0
	if end, ends := adTime(e.GetEqualFoldAttributeValue("accountExpires")); control&uacDisabled != 0 || ends && !end.After(a.d.now()) {
		into.Disabled = true
	}
	if !set && into.HasPassword && control&uacNeverExpires == 0 {
		into.MustChange = true
	}
	if control&uacSmartCardRequired != 0 {
		into.Source = directory.External // nobody knows its password, and no password lets the person in
	}
	sids, err := a.groupSIDs(ctx, c, e)
	if err != nil {
		return err
	}
	if number(e, "adminCount") > 0 || protected(sids) || protectedAccount(adSID(e.GetEqualFoldRawAttributeValue("objectSid"))) {
		into.Privileged = true
	}
	into.LockedUntil, err = a.lockedUntil(ctx, c, e)
	return err
}

// lockedUntil is when the lock of an account ends; zero when it is not locked.
func (a *activeDirectory) lockedUntil(ctx context.Context, c *conn, e *ldap.Entry) (time.Time, error) {
	since, was := adTime(e.GetEqualFoldAttributeValue("lockoutTime"))
	said := e.GetEqualFoldAttributeValue(computedControl) != ""
	if !was || said && bits(e, computedControl)&uacLockout == 0 {
		return time.Time{}, nil
	}
	p, err := a.policyOf(ctx, c, e)
	if err != nil {
		return time.Time{}, err
	}
	now, until := a.d.now(), since.Add(p.lockFor)
	switch {
	case p.lockFor == 0:
		return forEver, nil // until somebody unlocks
	case until.After(now):
		return until, nil
	case said && now.Sub(until) < adSkew:
		return now.Add(time.Minute), nil
	case said:
		return forEver, nil // by a rule that the service account may not read
	}
	return time.Time{}, nil
}

// adSkew is how far a controller's clock may be behind; Kerberos allows no more.
const adSkew = 5 * time.Minute

func (a *activeDirectory) judge(_ person, _ []ldap.Control, err error) (directory.CheckResult, error) {
	return adJudge(err)
}

// set replaces the password as an administrator would. The lock and the demand
// for another password are in the same request: it is done whole or not at all.
func (a *activeDirectory) set(ctx context.Context, c *conn, p person, pw string, o directory.SetOptions) error {
	value, err := adWritten(c, pw)
	if err != nil {
		return err
	}
	hints, err := hintsOf(ctx, c)
	if err != nil {
		return err
	}
	change := ldap.NewModifyRequest(p.dn, hints)
	change.Replace("unicodePwd", []string{value})
	if o.MustChange {
		change.Replace("pwdLastSet", []string{"0"})
	}
	if _, was := adTime(p.entry.GetEqualFoldAttributeValue("lockoutTime")); o.Unlock && was {
		change.Replace("lockoutTime", []string{"0"})
	}
	return a.refused(ctx, c, p, pw, len(hints) > 0, c.modify(ctx, change))
}

// settle: everything was in the one request.
func (a *activeDirectory) settle(context.Context, *conn, person, directory.SetOptions) error {
	return nil
}

// hintsOf is the control for history and minimum age where the server has one.
func hintsOf(ctx context.Context, c *conn) ([]ldap.Control, error) {
	able, err := c.able(ctx)
	if err != nil {
		return nil, err
	}
	for _, oid := range policyHints {
		if able.controls[oid] {
			// SEQUENCE { INTEGER 1 }: keep the rules.
			return []ldap.Control{ldap.NewControlString(oid, true, "\x30\x03\x02\x01\x01")}, nil
		}
	}
	return nil, nil
}

// change takes the old password away and adds the new one in one request, which
// is how a domain controller knows it for a change by its owner: everybody may who
// knows the old one, so the service account's connection serves also where the
// person cannot sign in because the password must be changed. A domain
// controller would change a disabled account too, and counts a wrong old password
// of a change elsewhere than one of a sign-in: the bind goes first.
func (a *activeDirectory) change(ctx context.Context, c *conn, p person, old, pw string) error {
	value, err := adWritten(c, pw)
	if err != nil {
		return err
	}
	before, err := adPassword(old)
	if err != nil {
		return directory.ErrWrongPassword
	}
	own, _, err := c.server.bound(ctx, p.dn, old)
	if own != nil {
		own.close()
	}
	result, err := adJudge(err)
	if err != nil {
		return err
	}
	if !result.Right() || result == directory.Disabled {
		return directory.ErrWrongPassword
	}
	change := ldap.NewModifyRequest(p.dn, nil)
	change.Delete("unicodePwd", []string{before})
	change.Add("unicodePwd", []string{value})
	return a.refused(ctx, c, p, pw, true, c.modify(ctx, change))
}

// errOpen is a connection that a domain controller takes no password on.
var errOpen = errors.New("the connection is not encrypted")

// adWritten is a password as it is written, on a connection that may carry one.
func adWritten(c *conn, pw string) (string, error) {
	if _, encrypted := c.ldap.TLSConnectionState(); !encrypted {
		return "", noRights(errOpen)
	}
	value, err := adPassword(pw)
	switch {
	case errors.Is(err, errTooLong):
		return "", &directory.RefusedError{Rule: password.RuleTooLong, Args: map[string]any{"count": adLongest}, Cause: err}
	case err != nil:
		return "", &directory.RefusedError{Rule: directory.RuleUnreadable, Cause: err}
	}
	return value, nil
}

// refused reads the answer to a write, and finds out which rule was broken where
// the directory does not say.
func (a *activeDirectory) refused(ctx context.Context, c *conn, p person, pw string, aged bool, err error) error {
	err = adRefusal(err)
	r, refused := directory.Refused(err)
	if !refused {
		return err
	}
	rules, unread := a.policyOf(ctx, c, p.entry)
	if unread != nil {
		return err // what is known is enough
	}
	switch code, _ := winCode(otherCode, saidIn(r.Cause)); {
	case r.Rule == directory.RuleOther && code == winPasswordRestriction:
		r.Rule, r.Args = rules.broken(pw, about{
			account: p.entry.GetEqualFoldAttributeValue("sAMAccountName"), displayName: p.entry.GetEqualFoldAttributeValue("displayName"),
			changedAt: p.PasswordChangedAt, now: a.d.now(), aged: aged,
		})
	case r.Rule == directory.RuleLength:
		r.Args = map[string]any{"count": rules.minLength}
	case r.Rule == directory.RuleHistory:
		r.Args = map[string]any{"count": rules.history}
	}
	return r
}

func (a *activeDirectory) unlock(ctx context.Context, c *conn, p person) error {
	change := ldap.NewModifyRequest(p.dn, nil)
	change.Replace("lockoutTime", []string{"0"}) // clears badPwdCount with it
	return adRefusal(c.modify(ctx, change))
}

func (a *activeDirectory) rules(ctx context.Context, c *conn, p person) ([]directory.Rule, error) {
	hints, err := hintsOf(ctx, c)
	if err != nil {
		return nil, err
	}
	rules, err := a.policyOf(ctx, c, p.entry)
	if err != nil {
		return nil, err
	}
	return rules.rules(len(hints) > 0), nil
}

// policyOf gives the rules that hold for an account: its password settings object,
// where one applies and may be read, else the domain's.
func (a *activeDirectory) policyOf(ctx context.Context, c *conn, e *ldap.Entry) (adPolicy, error) {
	if name := e.GetEqualFoldAttributeValue("msDS-ResultantPSO"); name != "" {
		found, err := c.read(ctx, name, policyAttributes...)
		if err != nil {
			return adPolicy{}, err
		}
		if p, ok := settingsPolicy(found); ok {
			return p, nil
		}
	}
	a.mu.Lock()
	known, read := a.domain, a.read
	a.mu.Unlock()
	if now := a.d.now(); !read.IsZero() && now.Sub(read) < a.d.pool.limits.age {
		return known, nil
	}
	head, err := c.read(ctx, suffixOf(a.d.set.BaseDN), domainAttributes...)
	if err != nil || head == nil {
		return adPolicy{}, err
	}
	known = domainPolicy(head)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.domain, a.read = known, a.d.now()
	return known, nil
}
