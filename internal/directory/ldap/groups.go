package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

const (
	// groupDepth is how deep groups are followed into each other, and mostGroups
	// how many one person may be in.
	groupDepth  = 16
	mostGroups  = 2000
	groupsAsked = 100 // entries in one filter
)

// membership is a group that holds an entry, itself or through other groups.
type membership struct{ dn, name string }

// namesOf are the names of groups, each once; one without a name has none.
func namesOf(of []membership) []string {
	var names []string
	for _, g := range of {
		if g.name != "" {
			names = append(names, g.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// memberOf is how servers name on an entry the groups that hold it. Most name only
// those that hold it themselves.
const memberOf = "memberOf"

// throughGroups tells whether a rule names a group (memberOf=NAME) that holds the
// entry, through however many others.
func throughGroups(of []membership, rule string) bool {
	name, want, ok := strings.Cut(rule, "=")
	if !ok || !strings.EqualFold(name, memberOf) {
		return false
	}
	key := nameKey(want)
	return slices.ContainsFunc(of, func(g membership) bool { return nameKey(g.dn) == key })
}

// memberGroups are the groups that hold an entry, and those that hold them, found
// level by level; one that holds itself ends there. Somebody in more, or deeper,
// than is followed is not taken for being in fewer: a group may be what keeps them
// out.
func (d *Directory) memberGroups(ctx context.Context, c *conn, e *ldap.Entry) ([]membership, error) {
	if d.set.GroupFilter == "" {
		return nil, nil
	}
	var of []membership
	seen := map[string]bool{}
	level := []string{e.DN}
	for range groupDepth + 1 { // the last one sees that there is no more
		var next []string
		for part := range slices.Chunk(level, groupsAsked) {
			found, err := c.searchAll(ctx, d.groupBase(), groupsOf(d.set.GroupFilter, part), mostGroups, d.set.Attributes.GroupName)
			if err != nil {
				return nil, err
			}
			for _, g := range found {
				if seen[g.DN] {
					continue
				}
				seen[g.DN] = true
				next = append(next, g.DN)
				of = append(of, membership{g.DN, text(g, d.set.Attributes.GroupName)})
			}
		}
		if len(seen) > mostGroups {
			return nil, fmt.Errorf("%w: %w", directory.ErrRights, errCutShort)
		}
		if level = next; len(level) == 0 {
			return of, nil
		}
	}
	return nil, fmt.Errorf("%w: groups are nested more than %d deep: %w", directory.ErrRights, groupDepth, errCutShort)
}

// groupBase is where groups are looked for: the domain of the base, since groups
// seldom stand under the people.
func (d *Directory) groupBase() string { return suffixOf(d.set.BaseDN) }

// suffixOf is the part of a name made of dc=, or the whole name where there is none.
func suffixOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return dn
	}
	for i := range parsed.RDNs {
		rest := &ldap.DN{RDNs: parsed.RDNs[i:]}
		if !slices.ContainsFunc(rest.RDNs, func(r *ldap.RelativeDN) bool {
			return len(r.Attributes) != 1 || !isDomain(r.Attributes[0].Type)
		}) {
			return rest.String()
		}
	}
	return dn
}

func isDomain(attribute string) bool {
	return attribute == "dc" || attribute == "DC" || attribute == "Dc"
}
