package ldap

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// Search implements directory.Searcher. What was typed can only be the beginning of
// a value: of the user ID, the display name, the given name or the family name.
// Directories have indexes for that (on OpenLDAP "sub"); one without looks at as
// many entries as its limits allow, and then there may be more.
func (d *Directory) Search(ctx context.Context, begins string, limit int) (found []directory.Entry, more bool, err error) {
	begins = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1 // servers drop it (RFC 4518, 2.2), and nothing would be the beginning of everything
	}, begins))
	if begins == "" {
		return nil, false, nil
	}
	filter := d.people.and(d.beginning(begins))
	err = d.step(ctx, "", false, func(ctx context.Context, c *conn) error {
		found, more = nil, false
		entries, err := c.search(ctx, d.set.BaseDN, ldap.ScopeWholeSubtree, filter, limit+1, d.attributes()...)
		if code, answered := resultOf(err); answered && (code == ldap.LDAPResultTimeLimitExceeded || code == ldap.LDAPResultAdminLimitExceeded) {
			more = true
			return nil
		}
		if err != nil {
			return err
		}
		if len(entries) > limit {
			entries, more = entries[:limit], true
		}
		for _, e := range entries {
			p, ok, err := d.listed(ctx, c, e)
			if err != nil {
				return err
			}
			if ok {
				found = append(found, p)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b directory.Entry) int { return cmp.Compare(a.UserID, b.UserID) })
	return found, more, err
}

// listed is the person of an entry that came among others. One that is nobody's (it
// has no key, or no user ID), or whose groups cannot all be read, does not keep the
// others from being found.
func (d *Directory) listed(ctx context.Context, c *conn, e *ldap.Entry) (found directory.Entry, ok bool, err error) {
	p, err := d.person(ctx, c, e)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return found, false, nil
	case errors.Is(err, errCutShort):
		d.log.WarnContext(ctx, "somebody's groups cannot all be read; they are in no list and not found by name", "key", d.dialect.key(e))
		return found, false, nil
	}
	return p.Entry, err == nil, err
}

// beginning is the filter for whose user ID or name begins with a text.
func (d *Directory) beginning(text string) string {
	a := d.set.Attributes
	var b strings.Builder
	b.WriteString("(|")
	names := []string{a.UserID, a.DisplayName, a.GivenName, a.FamilyName}
	for i, name := range names {
		if name != "" && !slices.Contains(names[:i], name) {
			b.WriteString("(" + name + "=" + ldap.EscapeFilter(text) + "*)")
		}
	}
	b.WriteString(")")
	return b.String()
}
