package ldap

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
)

// mustChangeTime is the end of a password that 389 Directory Server writes for
// one that has to be changed; as the end of a lock it means never.
const mustChangeTime = "19700101000000Z"

// uniqueIDForm is what nsUniqueId looks like; nothing else is asked for.
var uniqueIDForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`)

// ds389 speaks with 389 Directory Server, which keeps its policy in cn=config and
// in entries that pwdPolicySubentry names.
type ds389 struct{ d *Directory }

// newDS389: the server reads and writes its count of wrong passwords in two steps,
// and of some that come at once loses all but one.
func newDS389(d *Directory) dialect {
	d.turns = newTurns()
	return &ds389{d}
}

func (s *ds389) defaults() org.DirectoryConfig { return newOpenLDAP(s.d).defaults() }

func (s *ds389) attributes() []string {
	return []string{"nsUniqueId", "nsAccountLock", "accountUnlockTime", "passwordExpirationTime", "pwdUpdateTime", "pwdPolicySubentry"}
}

func (s *ds389) key(e *ldap.Entry) string { return e.GetEqualFoldAttributeValue("nsUniqueId") }

func (s *ds389) keyFilter(key string) string {
	if !uniqueIDForm.MatchString(key) {
		return ""
	}
	return "(nsUniqueId=" + ldap.EscapeFilter(key) + ")"
}

func (s *ds389) groups(ctx context.Context, c *conn, e *ldap.Entry) ([]membership, error) {
	return s.d.memberGroups(ctx, c, e)
}

func (s *ds389) state(ctx context.Context, c *conn, e *ldap.Entry, into *directory.Entry) error {
	into.PasswordChangedAt = timeIn(e, "pwdUpdateTime") // with passwordTrackUpdateTime: on
	has, err := c.search(ctx, e.DN, ldap.ScopeBaseObject, "(userPassword=*)", 1, "1.1")
	if err != nil {
		return err
	}
	into.HasPassword = len(has) > 0
	if into.HasPassword && e.GetEqualFoldAttributeValue("passwordExpirationTime") == mustChangeTime {
		into.MustChange = true
	}
	if says(e, "nsAccountLock") {
		into.Disabled = true
	}
	if end := timeIn(e, "accountUnlockTime"); end.After(s.d.now()) {
		into.LockedUntil = end
	} else if e.GetEqualFoldAttributeValue("accountUnlockTime") == mustChangeTime {
		into.LockedUntil = forEver
	}
	return nil
}

// judge: an account that was made inactive gets the same refusal for a wrong
// password as for the right one, so it says nothing of it.
func (s *ds389) judge(p person, controls []ldap.Control, err error) (directory.CheckResult, error) {
	if code, answered := resultOf(err); answered && code == ldap.LDAPResultUnwillingToPerform {
		return directory.Wrong, nil
	}
	if problem, said := policyError(controlsIn(err)); said && problem == accountLocked {
		return directory.Locked, nil
	}
	return judgeByPolicy(p, controls, err)
}

// set uses the password modify operation. The server answers a plain modification
// before it has noted what belongs to a password, and would write that over what
// is settled after it; this operation it answers when all is noted.
func (s *ds389) set(ctx context.Context, c *conn, p person, pw string, o directory.SetOptions) error {
	if err := modifyPassword(ctx, c, p.dn, "", pw); err != nil {
		return s.refused(ctx, c, p.dn, pw, err)
	}
	return s.d.dialect.settle(ctx, c, p, o)
}

// refused finds out which rule was broken, which the password modify operation
// keeps to itself: a modification that cannot happen is judged by the rules first.
func (s *ds389) refused(ctx context.Context, c *conn, dn, pw string, err error) error {
	if code, answered := resultOf(err); !answered || code != ldap.LDAPResultConstraintViolation {
		return refusal(err)
	}
	trial := ldap.NewModifyRequest(dn, []ldap.Control{policyControl()})
	trial.Delete("accountUnlockTime", []string{never})
	trial.Replace("userPassword", []string{pw})
	said := c.modify(ctx, trial)
	if code, _ := resultOf(said); code != ldap.LDAPResultConstraintViolation {
		return refusal(err)
	}
	return ds389Refusal(said)
}

// ds389Refusal reads why a trial was refused: its control calls most rules a want of
// quality, its words know better.
func ds389Refusal(said error) error {
	if code, _ := resultOf(said); code == ldap.LDAPResultConstraintViolation {
		if rule := ruleIn(saidIn(said)); rule != "" {
			return &directory.RefusedError{Rule: rule, Cause: said}
		}
	}
	return refusal(said)
}

// lifted adds what ends a lock: the server does not do so with a new password.
func lifted(change *ldap.ModifyRequest) {
	change.Replace("accountUnlockTime", nil)
	change.Replace("passwordRetryCount", []string{"0"})
}

// settle ends a lock, and takes away the demand for another password, which
// passwordMustChange makes of each that somebody else set; or makes one.
func (s *ds389) settle(ctx context.Context, c *conn, p person, o directory.SetOptions) error {
	now, err := c.read(ctx, p.dn, "passwordExpirationTime", "accountUnlockTime")
	if err != nil || now == nil {
		return err
	}
	if o.Unlock && now.GetEqualFoldAttributeValue("accountUnlockTime") != "" {
		if err := s.unlock(ctx, c, p); err != nil {
			return incomplete(directory.LeftLocked, err)
		}
	}
	demanded := now.GetEqualFoldAttributeValue("passwordExpirationTime") == mustChangeTime
	if demanded == o.MustChange {
		return nil
	}
	change := ldap.NewModifyRequest(p.dn, nil)
	if o.MustChange {
		change.Replace("passwordExpirationTime", []string{mustChangeTime})
	} else {
		change.Replace("passwordExpirationTime", nil) // the server writes the next end by its rules
	}
	return incomplete(directory.LeftMustChange, fault(c.modify(ctx, change)))
}

// incomplete takes a refusal for one of what belongs to a password that is set.
func incomplete(left string, err error) error {
	if errors.Is(err, directory.ErrRights) {
		return &directory.IncompleteError{Left: left, Cause: err}
	}
	return err
}

func (s *ds389) change(ctx context.Context, c *conn, p person, old, pw string) error {
	return s.d.changeAsOwner(ctx, s, c, p, old, pw, func(err error) error { return s.refused(ctx, c, p.dn, pw, err) })
}

func (s *ds389) unlock(ctx context.Context, c *conn, p person) error {
	change := ldap.NewModifyRequest(p.dn, nil)
	lifted(change)
	return fault(c.modify(ctx, change))
}

// policyOf reads the policy of an entry: one of its own, else the server's, which
// only somebody who was granted it may read. Zero where nobody was.
func (s *ds389) policyOf(ctx context.Context, c *conn, e *ldap.Entry) (policy, error) {
	name := e.GetEqualFoldAttributeValue("pwdPolicySubentry")
	if name == "" {
		name = "cn=config"
	}
	f, err := c.read(ctx, name, "passwordCheckSyntax", "passwordMinLength", "passwordHistory", "passwordInHistory", "passwordLockout", "passwordLockoutDuration")
	if err != nil || f == nil {
		return policy{}, err
	}
	on := func(attribute string) bool { return f.GetEqualFoldAttributeValue(attribute) == "on" }
	p := policy{checked: on("passwordCheckSyntax"), neverLocks: !on("passwordLockout"), lockFor: time.Duration(number(f, "passwordLockoutDuration")) * time.Second}
	if p.checked {
		p.minLength = number(f, "passwordMinLength")
	}
	if on("passwordHistory") {
		p.history = number(f, "passwordInHistory")
	}
	return p, nil
}

func (s *ds389) rules(ctx context.Context, c *conn, p person) ([]directory.Rule, error) {
	set, err := s.policyOf(ctx, c, p.entry)
	return set.rules(), err
}
