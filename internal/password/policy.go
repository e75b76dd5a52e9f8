package password

import "kunci.dev/kunci/internal/org"

// Policy is what an organization asks of a password: lengths in code points
// after NFKC, how many of the classes lower case, upper case, digits and others,
// its own banned terms, whether breached passwords are refused. History is shown
// here and judged by the directory.
type Policy = org.PasswordPolicy

// RefuseBreached is the value of Policy.Breached that refuses.
const RefuseBreached = "refuse"

// Context is whose password it is: a name is the first thing that is guessed.
type Context struct {
	UserID, DisplayName, GivenName, FamilyName string
	OrgName                                    string
	Domains                                    []string
}

// Rules a password can break. The sentence of a refusal is
// "password.refused.<rule>", the line of the checklist "password.rule.<rule>".
const (
	RuleTooShort         = "too_short"
	RuleTooLong          = "too_long"
	RuleClasses          = "classes"
	RuleControlCharacter = "control_character"
	RuleBanned           = "banned"
	RuleContainsName     = "contains_name"
	RuleBreached         = "breached"
	RuleHistory          = "history"
)

// Refusal is one broken rule. Args never hold any part of the password.
type Refusal struct {
	Rule string
	Args map[string]any
}

// Rule is one line of the checklist shown before a password is typed.
type Rule struct {
	Name string
	Args map[string]any
	// Checkable rules can be judged on the page while typing; the others need
	// what only the server knows.
	Checkable bool
}

// BreachFilter tells whether a password is known from a breach.
type BreachFilter interface {
	Contains(password string) bool
}

// Rules lists what the policy asks for, in the order to show it.
func Rules(p Policy) []Rule {
	rules := []Rule{{RuleTooShort, map[string]any{"count": p.MinLength}, true}}
	if p.MaxLength > 0 {
		rules = append(rules, Rule{RuleTooLong, map[string]any{"count": p.MaxLength}, true})
	}
	if p.Classes > 1 {
		rules = append(rules, Rule{RuleClasses, map[string]any{"count": p.Classes}, true})
	}
	rules = append(rules, Rule{Name: RuleContainsName}, Rule{Name: RuleBanned})
	if p.Breached == RefuseBreached {
		rules = append(rules, Rule{Name: RuleBreached})
	}
	if p.History > 0 {
		rules = append(rules, Rule{RuleHistory, map[string]any{"count": p.History}, false})
	}
	return rules
}
