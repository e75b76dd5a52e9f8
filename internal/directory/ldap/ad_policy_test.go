package ldap

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
)

func TestPoliciesAreRead(t *testing.T) {
	domain := ldap.NewEntry("DC=contoso,DC=test", map[string][]string{
		"minPwdLength": {"8"}, "pwdProperties": {"1"}, "pwdHistoryLength": {"24"}, "minPwdAge": {"-864000000000"},
		"lockoutThreshold": {"3"}, "lockoutDuration": {"-18000000000"},
	})
	want := adPolicy{minLength: 8, complex: true, history: 24, minAge: 24 * time.Hour, threshold: 3, lockFor: 30 * time.Minute}
	if got := domainPolicy(domain); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	settings := ldap.NewEntry("CN=Strict", map[string][]string{
		"msDS-MinimumPasswordLength": {"14"}, "msDS-PasswordComplexityEnabled": {"FALSE"}, "msDS-PasswordHistoryLength": {"5"},
		"msDS-MinimumPasswordAge": {"0"}, "msDS-LockoutThreshold": {"0"}, "msDS-LockoutDuration": {"-9223372036854775808"},
	})
	if got, ok := settingsPolicy(settings); !ok || got != (adPolicy{minLength: 14, history: 5}) {
		t.Errorf("%+v, %v", got, ok)
	}
	if got, ok := settingsPolicy(ldap.NewEntry("CN=Strict", nil)); ok {
		t.Errorf("one that may not be read is %+v", got)
	}
	if got := domainPolicy(ldap.NewEntry("DC=contoso", map[string][]string{"pwdProperties": {"-2147483647"}})); !got.complex {
		t.Error("the highest flag hides the lowest")
	}
}

func TestRulesAreTold(t *testing.T) {
	p := adPolicy{minLength: 14, complex: true, history: 24}
	want := []directory.Rule{
		{Name: password.RuleTooShort, Args: map[string]any{"count": 14}},
		{Name: directory.RuleComplexity, Args: map[string]any{"count": 3}},
		{Name: password.RuleContainsName},
	}
	if got := p.rules(false); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	want = append(want, directory.Rule{Name: password.RuleHistory, Args: map[string]any{"count": 24}})
	if got := p.rules(true); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := (adPolicy{}).rules(true); len(got) != 0 {
		t.Errorf("a domain without rules tells %v", got)
	}
}

func TestTheBrokenRuleIsFound(t *testing.T) {
	now := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	p := adPolicy{minLength: 8, complex: true, history: 3, minAge: 24 * time.Hour}
	who := about{account: "adupont", displayName: "Alain Du-Pont", changedAt: now.Add(-48 * time.Hour), now: now, aged: true}
	for _, c := range []struct {
		name, pw, want string
		change         func(*adPolicy, *about)
	}{
		{"short", "Aa1.", directory.RuleLength, nil},
		{"short in UTF-16 units", "Aa1.\U0001f511", directory.RuleLength, nil},
		{"long in UTF-16 units", "Aa1.\U0001f511\U0001f511", directory.RuleHistory, nil},
		{"two kinds", "hijau daun telaga", directory.RuleComplexity, nil},
		{"a space is no kind", "Hijau daun telaga", directory.RuleComplexity, nil},
		{"nor is a currency", "Hijau€daun€telaga", directory.RuleComplexity, nil},
		{"three kinds", "Hijau.daun.telaga", directory.RuleHistory, nil},
		{"letters without case count", "hijau.daun.日本", directory.RuleHistory, nil},
		{"the account's name", "My.ADupont.1", password.RuleContainsName, nil},
		{"part of the name", "hijau.ALAIN.1", password.RuleContainsName, nil},
		{"two letters of the name", "hijau.DU.1x", directory.RuleHistory, nil},
		{"no complexity, no names", "my alain dupont", directory.RuleHistory, func(p *adPolicy, _ *about) { p.complex = false }},
		{"young", "Hijau.daun.telaga", directory.RuleMinimumAge, func(_ *adPolicy, a *about) { a.changedAt = now.Add(-23 * time.Hour) }},
		{"old enough", "Hijau.daun.telaga", directory.RuleHistory, func(_ *adPolicy, a *about) { a.changedAt = now.Add(-24 * time.Hour) }},
		{"must be changed", "Hijau.daun.telaga", directory.RuleHistory, func(_ *adPolicy, a *about) { a.changedAt = time.Time{} }},
		{"reset without the control", "Hijau.daun.telaga", directory.RuleOther, func(_ *adPolicy, a *about) { a.aged, a.changedAt = false, now }},
		{"a password filter", "Hijau.daun.telaga", directory.RuleOther, func(p *adPolicy, _ *about) { p.history, p.minAge = 0, 0 }},
	} {
		rules, a := p, who
		if c.change != nil {
			c.change(&rules, &a)
		}
		if got, _ := rules.broken(c.pw, a); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzTheBrokenRuleIsFound(f *testing.F) {
	f.Add("hijau daun telaga", "adupont", "Alain Dupont", 8)
	f.Fuzz(func(t *testing.T, pw, account, name string, length int) {
		rule, args := adPolicy{minLength: length, complex: true}.broken(pw, about{account: account, displayName: name})
		if rule == "" {
			t.Fatal("no rule")
		}
		for _, v := range args {
			if s, ok := v.(string); ok && pw != "" && strings.Contains(s, pw) {
				t.Fatal("a refusal holds the password")
			}
		}
		if n := classesIn(pw); n > 5 {
			t.Fatalf("%q has %d kinds of characters", pw, n)
		}
	})
}
