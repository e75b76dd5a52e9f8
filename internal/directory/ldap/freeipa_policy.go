package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
)

// errKept is a refusal that came from here: the server would have taken it.
var errKept = errors.New("the policy was looked at before the password was sent")

// ipaPolicy is a krbPwdPolicy entry. The zero one is a policy that cannot be read.
type ipaPolicy struct {
	known                      bool
	minLength, kinds, history  int
	threshold                  int // wrong passwords; zero locks nobody
	lockFor                    time.Duration
	minAge, maxAge             time.Duration
	maxRepeat, maxSequence     int
	name, dictionary           bool
	digits, upper, lower, sign int // at least so many
}

var ipaPolicyAttributes = []string{
	"cn", "krbPwdMinLength", "krbPwdMinDiffChars", "krbPwdHistoryLength", "krbPwdMaxFailure", "krbPwdLockoutDuration", "krbMinPwdLife", "krbMaxPwdLife",
	"ipaPwdMaxRepeat", "ipaPwdMaxSequence", "ipaPwdUserCheck", "ipaPwdDictCheck", "ipaPwdDcredit", "ipaPwdUcredit", "ipaPwdLcredit", "ipaPwdOcredit",
}

const (
	// ipaQuality is the least length that libpwquality takes, which the server asks
	// once any of its rules is set.
	ipaQuality = 6
	// ipaLife is how long a password lives where no policy says.
	ipaLife = 90 * 24 * time.Hour
)

func ipaPolicyIn(e *ldap.Entry) ipaPolicy {
	seconds := func(attribute string) time.Duration { return time.Duration(number(e, attribute)) * time.Second }
	least := func(attribute string) int { // a credit below zero is a number that is asked for
		if text, below := strings.CutPrefix(e.GetEqualFoldAttributeValue(attribute), "-"); below {
			return number(ldap.NewEntry("", map[string][]string{"n": {text}}), "n")
		}
		return 0
	}
	p := ipaPolicy{
		known: true, minLength: number(e, "krbPwdMinLength"), kinds: number(e, "krbPwdMinDiffChars"), history: number(e, "krbPwdHistoryLength"),
		threshold: number(e, "krbPwdMaxFailure"), lockFor: seconds("krbPwdLockoutDuration"), minAge: seconds("krbMinPwdLife"), maxAge: seconds("krbMaxPwdLife"),
		maxRepeat: number(e, "ipaPwdMaxRepeat"), maxSequence: number(e, "ipaPwdMaxSequence"),
		name: says(e, "ipaPwdUserCheck"), dictionary: says(e, "ipaPwdDictCheck"),
		digits: least("ipaPwdDcredit"), upper: least("ipaPwdUcredit"), lower: least("ipaPwdLcredit"), sign: least("ipaPwdOcredit"),
	}
	if p.maxRepeat+p.maxSequence+p.digits+p.upper+p.lower+p.sign > 0 || p.name || p.dictionary {
		p.minLength = max(p.minLength, ipaQuality)
	}
	return p
}

// load reads all policies, and the kinds of signing in, once in a while.
func (f *freeIPA) load(ctx context.Context, c *conn) error {
	f.mu.Lock()
	fresh := f.policies != nil && f.d.now().Sub(f.read) <= f.d.pool.limits.age
	f.mu.Unlock()
	if fresh {
		return nil
	}
	suffix := suffixOf(f.d.set.BaseDN)
	found, err := c.search(ctx, "cn=kerberos,"+suffix, ldap.ScopeWholeSubtree, "(objectClass=krbPwdPolicy)", 1000, ipaPolicyAttributes...)
	if err != nil {
		return err
	}
	policies := make(map[string]ipaPolicy)
	for _, e := range found {
		p := ipaPolicyIn(e)
		policies[nameKey(e.DN)] = p
		if e.GetEqualFoldAttributeValue("cn") == "global_policy" {
			policies[""] = p
		}
	}
	settings, err := c.read(ctx, "cn=ipaConfig,cn=etc,"+suffix, "ipaUserAuthType")
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.policies, f.kinds, f.read = policies, nil, f.d.now()
	if settings != nil {
		f.kinds = settings.GetEqualFoldAttributeValues("ipaUserAuthType")
	}
	return nil
}

// policyOf gives the policy that holds for an entry: that of its group, which the
// server names on it, else the global one.
func (f *freeIPA) policyOf(ctx context.Context, c *conn, e *ldap.Entry) (ipaPolicy, error) {
	if err := f.load(ctx, c); err != nil {
		return ipaPolicy{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.policies[nameKey(e.GetEqualFoldAttributeValue("krbPwdPolicyReference"))], nil
}

// end is when a password that was set then has to be changed; none for never.
func (p ipaPolicy) end(set time.Time) []string {
	switch {
	case !p.known:
		return []string{set.Add(ipaLife).UTC().Format(ipaTime)}
	case p.maxAge == 0:
		return nil
	}
	return []string{set.Add(p.maxAge).UTC().Format(ipaTime)}
}

// rules are the lines of the checklist. The history holds the current password too.
func (p ipaPolicy) rules() []directory.Rule {
	var rules []directory.Rule
	add := func(name string, count int) {
		if count > 0 {
			rules = append(rules, directory.Rule{Name: name, Args: map[string]any{"count": count}})
		}
	}
	add(password.RuleTooShort, p.minLength)
	add(directory.RuleComplexity, p.asked())
	add(password.RuleHistory, p.history)
	if p.name {
		rules = append(rules, directory.Rule{Name: password.RuleContainsName})
	}
	return rules
}

// asked is how many kinds of characters a password needs, by either way to say so.
func (p ipaPolicy) asked() int {
	each := 0
	for _, n := range []int{p.digits, p.upper, p.lower, p.sign} {
		each += min(n, 1)
	}
	return max(p.kinds, each)
}

// broken says which rule a password breaks, in the server's order; "" for none that
// can be seen from here: history and dictionary are the server's.
func (p ipaPolicy) broken(pw string, of person, now time.Time) (rule string, args map[string]any) {
	uid := strings.ToLower(of.entry.GetEqualFoldAttributeValue("uid"))
	count := countIPA(pw)
	changed := timeIn(of.entry, "krbLastPwdChange")
	switch {
	case len(pw) > ipaLongest:
		return password.RuleTooLong, map[string]any{"count": ipaLongest}
	case p.minAge > 0 && !changed.IsZero() && !timeIn(of.entry, "krbPasswordExpiration").Equal(changed) && now.Before(changed.Add(p.minAge)):
		return directory.RuleMinimumAge, nil
	case count.kinds() < p.kinds:
		return directory.RuleComplexity, map[string]any{"count": p.asked()}
	case utf8.RuneCountInString(pw) < p.minLength:
		return directory.RuleLength, map[string]any{"count": p.minLength}
	case p.maxRepeat > 0 && count.repeat > p.maxRepeat, p.maxSequence > 0 && count.sequence > p.maxSequence:
		return password.RuleBanned, nil
	case p.name && uid != "" && (strings.Contains(strings.ToLower(pw), uid) || strings.Contains(strings.ToLower(pw), reversed(uid))):
		return password.RuleContainsName, nil
	case count.digits < p.digits, count.upper < p.upper, count.lower < p.lower, count.signs+count.other < p.sign:
		return directory.RuleComplexity, map[string]any{"count": p.asked()}
	}
	return "", nil
}

func reversed(s string) string {
	letters := []rune(s)
	slices.Reverse(letters)
	return string(letters)
}

// ipaCount is what the server counts in a password: only ASCII letters are capital
// or small, everything beyond ASCII is one more kind.
type ipaCount struct {
	digits, upper, lower, signs, other int
	repeat, sequence                   int // the longest run of one character, and up or down
}

func countIPA(pw string) (n ipaCount) {
	letters := []rune(pw)
	same, run, step := 1, 1, rune(0)
	for i, r := range letters {
		switch {
		case '0' <= r && r <= '9':
			n.digits++
		case 'A' <= r && r <= 'Z':
			n.upper++
		case 'a' <= r && r <= 'z':
			n.lower++
		case r < utf8.RuneSelf:
			n.signs++
		default:
			n.other++
		}
		if i > 0 {
			switch d := r - letters[i-1]; {
			case d == 0:
				same, run, step = same+1, 1, 0
			case d == step && (d == 1 || d == -1):
				same, run = 1, run+1
			case d == 1 || d == -1:
				same, run, step = 1, 2, d
			default:
				same, run, step = 1, 1, 0
			}
		}
		n.repeat, n.sequence = max(n.repeat, same), max(n.sequence, run)
	}
	return n
}

// kinds is how many kinds of characters there are; one that stands three times in
// a row costs a kind.
func (n ipaCount) kinds() int {
	kinds := 0
	for _, c := range []int{n.digits, n.upper, n.lower, n.signs, n.other} {
		kinds += min(c, 1)
	}
	if n.repeat > 2 {
		kinds--
	}
	return kinds
}

// ipaRules are the words in which the plugin names a rule (util/ipa_pwd.c). Its
// control calls half of them "not allowed", which would read like a missing right.
var ipaRules = []struct{ says, rule string }{
	{"Too soon to change", directory.RuleMinimumAge},
	{"too short", directory.RuleLength},
	{"reuse not permitted", directory.RuleHistory},
	{"too simple", directory.RuleComplexity},
	{"consecutive characters", password.RuleBanned},
	{"monotonic sequence", password.RuleBanned},
	{"dictionary word", password.RuleBanned},
	{"palindro", password.RuleBanned}, // it writes "palindrone"
	{"contains username", password.RuleContainsName},
	{"too few", directory.RuleComplexity},
	{"too long", password.RuleTooLong},
	{"policy requirements", directory.RuleOther},
}

// ipaRefusal reads why the plugin did not take a password.
func ipaRefusal(p ipaPolicy, err error) error {
	code, answered := resultOf(err)
	if !answered || code != ldap.LDAPResultConstraintViolation {
		return refusal(err)
	}
	said := saidIn(err)
	for _, r := range ipaRules {
		if !strings.Contains(said, r.says) {
			continue
		}
		refused := &directory.RefusedError{Rule: r.rule, Cause: err}
		switch r.rule {
		case directory.RuleLength:
			refused.Args = map[string]any{"count": p.minLength}
		case directory.RuleHistory:
			refused.Args = map[string]any{"count": p.history}
		case directory.RuleComplexity:
			refused.Args = map[string]any{"count": p.asked()}
		case password.RuleTooLong:
			refused.Args = map[string]any{"count": ipaLongest}
		}
		return refused
	}
	return refusal(err)
}
