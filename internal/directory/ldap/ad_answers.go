package ldap

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// A domain controller puts the Windows error behind its LDAP result into the
// text of the answer, in hexadecimal (MS-ERREF 2.2). In that of a bind it stands
// after "data"; everywhere else the text begins with it.
const (
	winAccessDenied         = 0x5
	winGeneralFailure       = 0x1f // a password over a connection in the open
	winInvalidPassword      = 0x56 // the old password of a change is wrong
	winNoLogonServers       = 0x51f
	winNoSuchUser           = 0x525
	winLogonFailure         = 0x52e
	winPasswordRestriction  = 0x52d
	winAccountRestriction   = 0x52f
	winInvalidLogonHours    = 0x530
	winInvalidWorkstation   = 0x531
	winPasswordExpired      = 0x532
	winAccountDisabled      = 0x533
	winTooManyContextIDs    = 0x568
	winLogonTypeNotGranted  = 0x569
	winAccountExpired       = 0x701
	winPasswordMustChange   = 0x773
	winAccountLockedOut     = 0x775
	winInsufficientAccess   = 0x2098
	winDirectoryUnavailable = 0x200f
	winDirectoryBusy        = 0x200e
)

var (
	bindCode  = regexp.MustCompile(`(?i)\bdata ([0-9a-f]{1,8})\b`)
	otherCode = regexp.MustCompile(`(?i)^\s*([0-9a-f]{8})\s*:`)
)

// winCode finds the Windows error in a text by one of the forms; false for none.
func winCode(form *regexp.Regexp, text string) (uint32, bool) {
	found := form.FindStringSubmatch(text)
	if found == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(found[1], 16, 32)
	return uint32(n), err == nil
}

// adJudge reads a domain controller's answer to a bind. Locked is said before the
// password is looked at, everything else that keeps a person out only after it
// was right; so the sub-codes of CheckResult.Right are safe to tell. What is not
// known is Wrong: a new code must not let anybody in.
func adJudge(err error) (directory.CheckResult, error) {
	if err == nil {
		return directory.OK, nil
	}
	result, answered := resultOf(err)
	if !answered {
		return "", unavailable(err)
	}
	if result == ldap.LDAPResultNoSuchObject || result == ldap.LDAPResultInvalidDNSyntax {
		return directory.Wrong, nil
	}
	if result != ldap.LDAPResultInvalidCredentials {
		return "", fault(err)
	}
	code, _ := winCode(bindCode, saidIn(err))
	switch code {
	case winAccountLockedOut:
		return directory.Locked, nil
	case winPasswordExpired:
		return directory.Expired, nil
	case winPasswordMustChange:
		return directory.MustChange, nil
	case winAccountDisabled, winAccountExpired, winInvalidLogonHours, winInvalidWorkstation, winAccountRestriction, winLogonTypeNotGranted:
		return directory.Disabled, nil
	case winNoLogonServers, winTooManyContextIDs:
		return "", unavailable(err)
	}
	return directory.Wrong, nil
}

// sambaRules are the words in which Samba names the rule behind 0x52D, which
// Windows keeps to itself.
var sambaRules = []struct{ says, rule string }{
	{"too short", directory.RuleLength},
	{"complexity", directory.RuleComplexity},
	{"already used", directory.RuleHistory},
	{"too young", directory.RuleMinimumAge},
}

// adRefusal reads why a password was not taken. Where the directory says only
// that a rule was broken the rule is RuleOther, and the caller may know more.
func adRefusal(err error) error {
	if err == nil {
		return nil
	}
	result, answered := resultOf(err)
	if !answered {
		return unavailable(err)
	}
	said := saidIn(err)
	code, known := winCode(otherCode, said)
	switch {
	case result == ldap.LDAPResultInsufficientAccessRights, code == winAccessDenied, code == winInsufficientAccess, code == winGeneralFailure:
		return noRights(err)
	case code == winInvalidPassword, code == winAccountLockedOut:
		return fmt.Errorf("%w: %w", directory.ErrWrongPassword, err)
	case code == winPasswordRestriction:
		for _, r := range sambaRules {
			if strings.Contains(said, r.says) {
				return &directory.RefusedError{Rule: r.rule, Cause: err}
			}
		}
		return &directory.RefusedError{Rule: directory.RuleOther, Cause: err}
	case code == winDirectoryBusy, code == winDirectoryUnavailable:
		return unavailable(err)
	case result == ldap.LDAPResultConstraintViolation && !known:
		// A password filter of somebody else's says no in its own words.
		return &directory.RefusedError{Rule: directory.RuleOther, Cause: err}
	}
	return fault(err)
}
