package ldap

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
)

// Times of its own FreeIPA writes in this form.
const ipaTime = "20060102150405Z"

// ipaLongest is how many bytes a password has at most (util/ipa_krb5.h).
const ipaLongest = 1000

// freeIPA speaks with FreeIPA: a 389 Directory Server where plugins of FreeIPA's
// own set passwords, count wrong ones and keep a policy of Kerberos' kind. What it
// knows of them comes from their source (ipa-pwd-extop, ipa-lockout and
// ipa-graceperiod below daemons/ipa-slapi-plugins of FreeIPA 4.14).
type freeIPA struct {
	d *Directory

	mu       sync.Mutex
	policies map[string]ipaPolicy // by name; "" is the global one
	kinds    []string             // of signing in, for whoever has none of their own
	read     time.Time
}

// newFreeIPA: the server starts its count anew from what it read at first when
// wrong passwords come at once.
func newFreeIPA(d *Directory) dialect {
	d.turns = newTurns()
	return &freeIPA{d: d}
}

func (f *freeIPA) defaults() org.DirectoryConfig {
	return org.DirectoryConfig{
		UserFilter:  "(&(objectClass=krbPrincipalAux)(mail={user_id}))",
		GroupFilter: "(&(objectClass=ipaUserGroup)(member={dn}))",
		Attributes: org.DirectoryAttributes{
			UserID: "mail", DisplayName: "displayName", GivenName: "givenName", FamilyName: "sn", Language: "preferredLanguage", GroupName: "cn",
		},
	}
}

func (f *freeIPA) attributes() []string {
	return append([]string{"ipaUniqueID", "uid", "nsAccountLock", "krbPrincipalExpiration", "ipaUserAuthType", memberOf}, ipaTimes...)
}

// ipaTimes are what a lock and the age of a password are judged by.
var ipaTimes = []string{
	"krbLastPwdChange", "krbPasswordExpiration", "krbLoginFailedCount", "krbLastFailedAuth", "krbLastAdminUnlock", "krbPwdPolicyReference",
}

// ipaAside is where FreeIPA keeps people who are not there yet and those who are
// not any more ("ipa user-del --preserve"). The first have no identifier of their
// own, and neither may sign in.
const ipaAside = "cn=provisioning,"

// key leaves out whoever was put aside, wherever the search begins.
func (f *freeIPA) key(e *ldap.Entry) string {
	key := e.GetEqualFoldAttributeValue("ipaUniqueID")
	if !uuidForm.MatchString(key) || within(e.DN, ipaAside+suffixOf(f.d.set.BaseDN)) {
		return ""
	}
	return key
}

func (f *freeIPA) keyFilter(key string) string {
	if !uuidForm.MatchString(key) {
		return ""
	}
	return "(ipaUniqueID=" + ldap.EscapeFilter(key) + ")"
}

func (f *freeIPA) groups(ctx context.Context, c *conn, e *ldap.Entry) ([]membership, error) {
	return f.d.memberGroups(ctx, c, e)
}

// ipaAdmins is the group whose members nobody else may reset.
const ipaAdmins = "admins"

func (f *freeIPA) state(ctx context.Context, c *conn, e *ldap.Entry, into *directory.Entry) error {
	now := f.d.now()
	into.PasswordChangedAt = timeIn(e, "krbLastPwdChange")
	has, err := c.search(ctx, e.DN, ldap.ScopeBaseObject, "(userPassword=*)", 1, "1.1")
	if err != nil {
		return err
	}
	into.HasPassword = len(has) > 0
	if into.HasPassword && demanded(e, now) {
		into.MustChange = true
	}
	if end := timeIn(e, "krbPrincipalExpiration"); says(e, "nsAccountLock") || end.Unix() > 0 && !end.After(now) {
		into.Disabled = true
	}
	if err := f.load(ctx, c); err != nil {
		return err
	}
	if f.withoutPassword(e) {
		into.Source = directory.External
	}
	if into.LockedUntil, err = f.lockedUntil(ctx, c, e); err != nil {
		return err
	}
	if f.protected(e, into.Groups) {
		into.Privileged = true
	}
	return nil
}

// overdue tells whether a password ended.
func overdue(e *ldap.Entry, now time.Time) bool {
	end := timeIn(e, "krbPasswordExpiration")
	return !end.IsZero() && !end.After(now)
}

// demanded tells whether it ended with the moment it was set, as the server writes
// for one that somebody else set.
func demanded(e *ldap.Entry, now time.Time) bool {
	changed := timeIn(e, "krbLastPwdChange")
	return overdue(e, now) && (changed.IsZero() || !timeIn(e, "krbPasswordExpiration").After(changed))
}

// protected tells whether somebody is an administrator, through other groups too.
// The server keeps memberOf of all groups on the entry; the service account may not
// be let read it, or it may be behind, so the groups that were found count as well.
func (f *freeIPA) protected(e *ldap.Entry, groups []string) bool {
	if slices.ContainsFunc(groups, func(n string) bool { return strings.EqualFold(n, ipaAdmins) }) {
		return true
	}
	admins := nameKey("cn=" + ipaAdmins + ",cn=groups,cn=accounts," + suffixOf(f.d.set.BaseDN))
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues(memberOf), func(dn string) bool { return nameKey(dn) == admins })
}

// withoutPassword tells whether no password of FreeIPA's lets somebody in: their
// kinds of signing in are a certificate, a passkey, another provider's or a RADIUS
// server's password. "disabled" among the global ones makes them hold for everybody.
func (f *freeIPA) withoutPassword(e *ldap.Entry) bool {
	f.mu.Lock()
	kinds := f.kinds
	f.mu.Unlock()
	if own := e.GetEqualFoldAttributeValues("ipaUserAuthType"); len(own) > 0 && !slices.Contains(kinds, "disabled") {
		kinds = own
	}
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == "disabled" })
	return len(kinds) > 0 && !slices.ContainsFunc(kinds, func(k string) bool { return k == "password" || k == "otp" || k == "hardened" })
}

// lockedUntil is when the lock of an account ends, judged as the server does at a
// sign-in; zero when it is not locked.
func (f *freeIPA) lockedUntil(ctx context.Context, c *conn, e *ldap.Entry) (time.Time, error) {
	failed, last := number(e, "krbLoginFailedCount"), timeIn(e, "krbLastFailedAuth")
	if unlocked := timeIn(e, "krbLastAdminUnlock"); failed == 0 || last.IsZero() || !last.After(unlocked) {
		return time.Time{}, nil
	}
	p, err := f.policyOf(ctx, c, e)
	if err != nil || p.threshold == 0 || failed < p.threshold {
		return time.Time{}, err
	}
	if p.lockFor == 0 {
		return forEver, nil
	}
	if until := last.Add(p.lockFor); until.After(f.d.now()) {
		return until, nil
	}
	return time.Time{}, nil
}

// judge: a lock, the end of an account and a password that is out of its last
// sign-ins are all said before the password is looked at, so only the first is
// told, and none of them is a right password. One that ended lets the person in
// all the same.
func (f *freeIPA) judge(p person, controls []ldap.Control, err error) (directory.CheckResult, error) {
	if code, answered := resultOf(err); answered {
		switch said := saidIn(err); {
		case code == ldap.LDAPResultUnwillingToPerform && (strings.Contains(said, "Too many failed logins") || strings.Contains(said, "permanently locked")):
			return directory.Locked, nil
		case code == ldap.LDAPResultUnwillingToPerform:
			return directory.Wrong, nil
		}
		if problem, said := policyError(controlsIn(err)); said && (problem == passwordExpired || problem == changeAfterReset) {
			return directory.Wrong, nil
		}
	}
	result, err := judgeByPolicy(p, controls, err)
	if now := f.d.now(); err == nil && result == directory.OK && p.entry != nil && overdue(p.entry, now) && !demanded(p.entry, now) {
		return directory.Expired, nil
	}
	return result, err
}

// set uses the password modify operation. For somebody else's password the
// server looks at the history alone, so what the policy says besides is looked at
// here first.
func (f *freeIPA) set(ctx context.Context, c *conn, p person, pw string, o directory.SetOptions) error {
	rules, err := f.policyOf(ctx, c, p.entry)
	if err != nil {
		return err
	}
	if rule, args := rules.broken(pw, p, f.d.now()); rule != "" {
		return &directory.RefusedError{Rule: rule, Args: args, Cause: errKept}
	}
	if err := modifyPassword(ctx, c, p.dn, "", pw); err != nil {
		return ipaRefusal(rules, err)
	}
	return f.d.dialect.settle(ctx, c, p, o)
}

func (f *freeIPA) change(ctx context.Context, c *conn, p person, old, pw string) error {
	rules, err := f.policyOf(ctx, c, p.entry)
	if err != nil {
		return err
	}
	return f.d.changeAsOwner(ctx, f, c, p, old, pw, func(err error) error { return ipaRefusal(rules, err) })
}

// settle ends a lock, and gives the password the time that the policy gives to one
// that its owner chose: the server ends each that somebody else set at once, unless
// that is one of its managers of passwords.
func (f *freeIPA) settle(ctx context.Context, c *conn, p person, o directory.SetOptions) error {
	now, err := c.read(ctx, p.dn, ipaTimes...)
	if err != nil || now == nil {
		return err
	}
	if until, err := f.lockedUntil(ctx, c, now); err != nil {
		return err
	} else if o.Unlock && !until.IsZero() {
		if err := f.unlock(ctx, c, p); err != nil {
			return incomplete(directory.LeftLocked, err)
		}
	}
	if overdue(now, f.d.now()) == o.MustChange {
		return nil
	}
	changed := timeIn(now, "krbLastPwdChange")
	if changed.IsZero() {
		changed = f.d.now().UTC()
	}
	change := ldap.NewModifyRequest(p.dn, nil)
	if o.MustChange {
		change.Replace("krbPasswordExpiration", []string{changed.Format(ipaTime)})
	} else {
		rules, err := f.policyOf(ctx, c, now)
		if err != nil {
			return err
		}
		change.Replace("krbPasswordExpiration", rules.end(changed))
	}
	return incomplete(directory.LeftMustChange, fault(c.modify(ctx, change)))
}

// unlock is what "ipa user-unlock" writes: the count is each server's own, and the
// time of the unlock is everybody's.
func (f *freeIPA) unlock(ctx context.Context, c *conn, p person) error {
	change := ldap.NewModifyRequest(p.dn, nil)
	change.Replace("krbLoginFailedCount", []string{"0"})
	change.Replace("krbLastAdminUnlock", []string{f.d.now().UTC().Format(ipaTime)})
	return fault(c.modify(ctx, change))
}

func (f *freeIPA) rules(ctx context.Context, c *conn, p person) ([]directory.Rule, error) {
	set, err := f.policyOf(ctx, c, p.entry)
	return set.rules(), err
}
