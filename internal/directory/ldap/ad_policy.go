package ldap

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
)

// adPolicy is what a domain, or a password settings object, asks of passwords.
type adPolicy struct {
	minLength int
	complex   bool
	history   int
	minAge    time.Duration
	threshold int
	lockFor   time.Duration // zero: until somebody unlocks
}

var (
	domainAttributes = []string{"minPwdLength", "pwdProperties", "pwdHistoryLength", "minPwdAge", "lockoutThreshold", "lockoutDuration"}
	policyAttributes = []string{
		"msDS-MinimumPasswordLength", "msDS-PasswordComplexityEnabled", "msDS-PasswordHistoryLength",
		"msDS-MinimumPasswordAge", "msDS-LockoutThreshold", "msDS-LockoutDuration",
	}
)

// pwdComplex is DOMAIN_PASSWORD_COMPLEX in pwdProperties (MS-SAMR 2.2.4.1).
const pwdComplex = 0x1

// domainPolicy reads a domain's head.
func domainPolicy(e *ldap.Entry) adPolicy {
	return adPolicy{
		minLength: number(e, "minPwdLength"), complex: bits(e, "pwdProperties")&pwdComplex != 0, history: number(e, "pwdHistoryLength"),
		minAge: lasting(e, "minPwdAge"), threshold: number(e, "lockoutThreshold"), lockFor: lasting(e, "lockoutDuration"),
	}
}

// settingsPolicy reads a password settings object; false where the service
// account may not.
func settingsPolicy(e *ldap.Entry) (adPolicy, bool) {
	if e == nil || e.GetEqualFoldAttributeValue("msDS-MinimumPasswordLength") == "" {
		return adPolicy{}, false
	}
	return adPolicy{
		minLength: number(e, "msDS-MinimumPasswordLength"), complex: strings.EqualFold(e.GetEqualFoldAttributeValue("msDS-PasswordComplexityEnabled"), "TRUE"),
		history: number(e, "msDS-PasswordHistoryLength"), minAge: lasting(e, "msDS-MinimumPasswordAge"),
		threshold: number(e, "msDS-LockoutThreshold"), lockFor: lasting(e, "msDS-LockoutDuration"),
	}, true
}

// bits reads a number of flags. Active Directory writes the highest one as a sign.
func bits(e *ldap.Entry, attribute string) uint32 {
	n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(attribute), 10, 64)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// lasting reads a length of time; zero for one that is for ever.
func lasting(e *ldap.Entry, attribute string) time.Duration {
	d, _ := adInterval(e.GetEqualFoldAttributeValue(attribute))
	return d
}

// rules are the lines of the checklist. The history holds for a reset only where
// the server knows the control for it.
func (p adPolicy) rules(history bool) []directory.Rule {
	var rules []directory.Rule
	if p.minLength > 0 {
		rules = append(rules, directory.Rule{Name: password.RuleTooShort, Args: map[string]any{"count": p.minLength}})
	}
	if p.complex {
		rules = append(rules,
			directory.Rule{Name: directory.RuleComplexity, Args: map[string]any{"count": adClasses}},
			directory.Rule{Name: password.RuleContainsName})
	}
	if history && p.history > 0 {
		rules = append(rules, directory.Rule{Name: password.RuleHistory, Args: map[string]any{"count": p.history}})
	}
	return rules
}

// adClasses is how many kinds of characters the complexity rule asks for.
const adClasses = 3

// about is what a refusal is explained by.
type about struct {
	account, displayName string
	changedAt            time.Time // zero when it must be changed, or never was set
	now                  time.Time
	aged                 bool // history and minimum age held for this write
}

// broken says which rule a password breaks, the way a domain controller looks:
// Windows answers one code for all of them. What is left when everything that can
// be seen from here is kept is the history, where it held, or a password filter
// that somebody installed.
func (p adPolicy) broken(pw string, a about) (rule string, args map[string]any) {
	switch {
	case len(utf16.Encode([]rune(pw))) < p.minLength:
		return directory.RuleLength, map[string]any{"count": p.minLength}
	case p.complex && holdsName(pw, a.account, a.displayName):
		return password.RuleContainsName, nil
	case p.complex && classesIn(pw) < adClasses:
		return directory.RuleComplexity, nil
	case a.aged && p.minAge > 0 && !a.changedAt.IsZero() && a.now.Before(a.changedAt.Add(p.minAge)):
		return directory.RuleMinimumAge, nil
	case a.aged && p.history > 0:
		return directory.RuleHistory, map[string]any{"count": p.history}
	}
	return directory.RuleOther, nil
}

// adSigns are the characters beside letters and digits that count as a kind. A
// space is none of them, and neither is the sign of a currency.
const adSigns = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/"

// classesIn counts the kinds of characters as Windows does: capital letters, small
// ones, digits, signs, and letters that are neither capital nor small (those of
// Arabic, Chinese and most other scripts).
func classesIn(pw string) int {
	var upper, lower, digit, letter, sign int
	for _, r := range pw {
		switch {
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsLower(r):
			lower = 1
		case r >= '0' && r <= '9':
			digit = 1
		case unicode.IsLetter(r):
			letter = 1
		case strings.ContainsRune(adSigns, r):
			sign = 1
		}
	}
	return upper + lower + digit + letter + sign
}

// holdsName tells whether a password holds the account's name, or a part of the
// display name that has three characters or more (the complexity rule of Windows).
func holdsName(pw, account, displayName string) bool {
	pw = strings.ToLower(pw)
	parts := strings.FieldsFunc(displayName, func(r rune) bool { return strings.ContainsRune(",.-_ #\t", r) })
	for _, part := range append(parts, account) {
		if len([]rune(part)) >= 3 && strings.Contains(pw, strings.ToLower(part)) {
			return true
		}
	}
	return false
}
