package ldap

import (
	"errors"
	"regexp"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// The errors of the password policy control (draft-behera-ldap-password-policy-10, 6.2).
const (
	passwordExpired             = 0
	accountLocked               = 1
	changeAfterReset            = 2
	passwordModNotAllowed       = 3
	mustSupplyOldPassword       = 4
	insufficientPasswordQuality = 5
	passwordTooShort            = 6
	passwordTooYoung            = 7
	passwordInHistory           = 8
)

// policyControl asks a server to say what its password policy thinks.
func policyControl() ldap.Control { return ldap.NewControlBeheraPasswordPolicy() }

// policyError gives the error that a policy control names; false for none.
func policyError(controls []ldap.Control) (int8, bool) {
	for _, c := range controls {
		if p, ok := c.(*ldap.ControlBeheraPasswordPolicy); ok && p.Error >= 0 {
			return p.Error, true
		}
	}
	return 0, false
}

// judgeByPolicy reads a bind's answer on servers that speak the password policy
// control. Such a server looks at the lock before the password, and at everything
// else only after a right one.
func judgeByPolicy(p person, controls []ldap.Control, err error) (directory.CheckResult, error) {
	problem, said := policyError(controls)
	if err == nil {
		switch {
		case said && problem == changeAfterReset:
			return directory.MustChange, nil
		case said && problem == passwordExpired, onGrace(controls):
			return directory.Expired, nil
		}
		return directory.OK, nil
	}
	code, answered := resultOf(err)
	if !answered {
		return "", unavailable(err)
	}
	switch {
	case said && problem == accountLocked:
		return directory.Locked, nil
	case said && problem == passwordExpired:
		return directory.Expired, nil
	case said && problem == changeAfterReset:
		return directory.MustChange, nil
	case code == ldap.LDAPResultInvalidCredentials && !p.LockedUntil.IsZero():
		// A server may keep to itself that an account is locked.
		return directory.Locked, nil
	case code == ldap.LDAPResultInvalidCredentials, code == ldap.LDAPResultInappropriateAuthentication,
		code == ldap.LDAPResultNoSuchObject, code == ldap.LDAPResultInvalidDNSyntax:
		// The second is how a server names an account without a password.
		return directory.Wrong, nil
	}
	return "", fault(err)
}

// onGrace tells whether a bind used one of the last sign-ins with an expired password.
func onGrace(controls []ldap.Control) bool {
	for _, c := range controls {
		if p, ok := c.(*ldap.ControlBeheraPasswordPolicy); ok && p.Grace >= 0 {
			return true
		}
	}
	return false
}

// refusals are how servers name a broken rule in words, for those that send no
// control. The first that matches counts.
var refusals = []struct {
	rule string
	says *regexp.Regexp
}{
	{directory.RuleHistory, regexp.MustCompile(`(?i)history|not being changed from existing|reuse|used before|already used`)},
	{directory.RuleMinimumAge, regexp.MustCompile(`(?i)too young|too soon|minimum age|within password min`)},
	{directory.RuleLength, regexp.MustCompile(`(?i)too short|length|at least \d+ characters`)},
	{directory.RuleComplexity, regexp.MustCompile(`(?i)quality|syntax|character|classes|digit|dictionary|palindrome|complex|simple`)},
}

// ruleIn is the rule that a server's words name; "" for none.
func ruleIn(said string) string {
	for _, r := range refusals {
		if r.says.MatchString(said) {
			return r.rule
		}
	}
	return ""
}

// refusal reads why a new password was not taken. An error that is about
// something else is given back mapped.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	code, answered := resultOf(err)
	if !answered {
		return unavailable(err)
	}
	refuse := func(rule string) error { return &directory.RefusedError{Rule: rule, Cause: err} }
	if problem, said := policyError(controlsIn(err)); said {
		switch problem {
		case passwordInHistory:
			return refuse(directory.RuleHistory)
		case passwordTooYoung:
			return refuse(directory.RuleMinimumAge)
		case passwordTooShort:
			return refuse(directory.RuleLength)
		case insufficientPasswordQuality:
			return refuse(directory.RuleComplexity)
		case passwordModNotAllowed, mustSupplyOldPassword:
			return noRights(err)
		}
	}
	switch code {
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInvalidAttributeSyntax:
		if rule := ruleIn(saidIn(err)); rule != "" {
			return refuse(rule)
		}
		if code == ldap.LDAPResultUnwillingToPerform {
			break
		}
		return refuse(directory.RuleOther)
	}
	return fault(err)
}

// isRule tells whether an error is the refusal by one rule.
func isRule(err error, rule string) bool {
	r, ok := directory.Refused(err)
	return ok && r.Rule == rule
}

var errLockedByHand = errors.New("the account was locked by an administrator of the directory, and stays so")
