package account

import (
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
