package account

import (
	"context"
	"slices"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
)

// PasswordPolicy is what an organization asks of its people's passwords, its own
// names among the banned terms.
func PasswordPolicy(o *org.Organization) password.Policy {
	p := o.Policy.Password
	p.Banned = append(append([]string{}, p.Banned...), o.Name, o.Slug)
	return p
}

// ShownRules are the rules of PasswordPolicy that are judged: without a filter
// nothing is said about breaches.
func ShownRules(o *org.Organization, breached password.BreachFilter) []password.Rule {
	p := PasswordPolicy(o)
	if breached == nil {
		p.Breached = ""
	}
	return password.Rules(p)
}

// rulesWait is how long a page waits for a directory's own rules. They are a
// help: a password that breaks one is refused by name all the same.
const rulesWait = 3 * time.Second

// Rules gives the rules to show before a password is chosen: the organization's
// own, and those of a directory that has some and tells them. Never call it with a
// transaction open.
func (s *Service) Rules(ctx context.Context, o *org.Organization, a Account, ours []password.Rule) []password.Rule {
	d, err := s.Directory(o)
	ruled, ok := d.(directory.Ruled)
	if err != nil || !ok {
		return ours
	}
	// Such a directory keeps its own history, and no other.
	ours = slices.DeleteFunc(slices.Clone(ours), func(r password.Rule) bool { return r.Name == password.RuleHistory })
	ctx, cancel := context.WithTimeout(ctx, rulesWait)
	defer cancel()
	theirs, err := ruled.Rules(ctx, a.Entry.Key)
	if err != nil {
		s.log.WarnContext(ctx, "the directory does not tell its rules", "organization", o.Slug, "cause", err)
		return ours
	}
	return merged(ours, theirs)
}

// merged keeps the stricter of two rules about the same thing.
func merged(ours []password.Rule, theirs []directory.Rule) []password.Rule {
	for _, r := range theirs {
		name := r.Name
		if name == directory.RuleComplexity {
			name = password.RuleClasses
		}
		at := slices.IndexFunc(ours, func(o password.Rule) bool { return o.Name == name })
		switch {
		case at < 0:
			// The browser judges only what it can count.
			checkable := name == password.RuleTooShort || name == password.RuleTooLong || name == password.RuleClasses
			ours = append(ours, password.Rule{Name: name, Args: r.Args, Checkable: checkable})
		case stricter(name, count(r.Args), count(ours[at].Args)):
			ours[at].Args = r.Args
		}
	}
	return ours
}

func count(args map[string]any) int {
	n, _ := args["count"].(int) // a rule without a number has none
	return n
}

func stricter(rule string, theirs, ours int) bool {
	if rule == password.RuleTooLong {
		return theirs < ours
	}
	return theirs > ours
}
