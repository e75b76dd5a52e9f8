package ldap

import (
	"strings"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/org"
)

// filter is the template that finds people.
type filter struct{ template string }

func newFilter(template string) filter { return filter{template} }

// userID is the filter for one typed user ID. What was typed can only be a value.
func (f filter) userID(typed string) string {
	return strings.ReplaceAll(f.template, org.UserIDPlace, ldap.EscapeFilter(typed))
}

// anyone is the filter for everybody the template could find.
func (f filter) anyone() string { return strings.ReplaceAll(f.template, org.UserIDPlace, "*") }

// and is the filter for those of f that another one finds too.
func (f filter) and(other string) string { return "(&" + other + f.anyone() + ")" }

// groupsOf is the filter for the groups that hold one of these entries.
func groupsOf(template string, dns []string) string {
	var b strings.Builder
	b.WriteString("(|")
	for _, dn := range dns {
		b.WriteString(strings.ReplaceAll(template, org.DNPlace, ldap.EscapeFilter(dn)))
	}
	b.WriteString(")")
	return b.String()
}
