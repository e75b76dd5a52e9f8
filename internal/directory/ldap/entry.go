package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// maxText bounds a name that comes from a directory.
const maxText = 256

// find gives the one person that a filter finds. Two are none: which of them was
// meant, nobody knows. With a user ID the found one's has to be the same.
func (d *Directory) find(ctx context.Context, c *conn, filter, userID string) (person, error) {
	found, err := c.search(ctx, d.set.BaseDN, ldap.ScopeWholeSubtree, filter, 2, d.attributes()...)
	switch {
	case errors.Is(err, errCutShort):
		d.log.WarnContext(ctx, "more than one entry matches one person; none is taken", "cause", err)
	case err != nil:
		return person{}, err
	case len(found) > 1:
		d.log.WarnContext(ctx, "two entries match one person; neither is taken", "first", d.dialect.key(found[0]), "second", d.dialect.key(found[1]))
	}
	if len(found) != 1 {
		d.nobody(ctx, c)
		return person{}, directory.ErrNotFound
	}
	p, err := d.person(ctx, c, found[0])
	if err != nil {
		return person{}, err
	}
	if userID != "" && !slices.ContainsFunc(p.entry.GetEqualFoldAttributeValues(d.set.Attributes.UserID), func(v string) bool {
		return directory.NormalizeUserID(v) == userID
	}) {
		return person{}, directory.ErrNotFound
	}
	return p, nil
}

// nobody takes the time that somebody's groups would take.
func (d *Directory) nobody(ctx context.Context, c *conn) {
	e := ldap.NewEntry("cn=nobody,"+d.set.BaseDN, nil)
	_, _ = d.dialect.groups(ctx, c, e) // nobody is in no group
}

func (d *Directory) get(ctx context.Context, c *conn, key string) (person, error) {
	f := d.dialect.keyFilter(key)
	if f == "" {
		return person{}, directory.ErrNotFound
	}
	return d.find(ctx, c, d.people.and(f), "")
}

// attributes are all that are asked for.
func (d *Directory) attributes() []string {
	var all []string
	for key, name := range d.set.Attributes.Named() {
		if name, _, _ := strings.Cut(name, "="); name != "" && key != "group_name" {
			all = append(all, name)
		}
	}
	all = append(all, d.dialect.attributes()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// person reads an entry.
func (d *Directory) person(ctx context.Context, c *conn, e *ldap.Entry) (person, error) {
	a := d.set.Attributes
	p := person{dn: e.DN, entry: e, Entry: directory.Entry{
		Key: d.dialect.key(e), UserID: directory.NormalizeUserID(e.GetEqualFoldAttributeValue(a.UserID)),
		DisplayName: text(e, a.DisplayName), GivenName: text(e, a.GivenName), FamilyName: text(e, a.FamilyName),
		Language: language(text(e, a.Language)), Source: directory.Managed,
	}}
	if p.Key == "" || p.UserID == "" {
		d.log.WarnContext(ctx, "an entry has no key or no user ID that can be read; it is not taken", "key", p.Key, "below", above(e.DN))
		return person{}, directory.ErrNotFound
	}
	p.Contacts = directory.Contacts{Emails: values(e, a.Email), MobilePhones: values(e, a.MobilePhone), OfficePhones: values(e, a.OfficePhone)}
	of, err := d.dialect.groups(ctx, c, e)
	if err != nil {
		return person{}, err
	}
	is := func(rule string) bool { return says(e, rule) || throughGroups(of, rule) }
	p.Groups, p.Disabled, p.MustChange, p.Privileged = namesOf(of), is(a.Disabled), is(a.MustChange), is(a.Privileged)
	if !d.set.WriteBack || is(a.External) {
		p.Source = directory.External
	}
	if err := d.dialect.state(ctx, c, e, &p.Entry); err != nil {
		return person{}, err
	}
	return p, nil
}

// mostValues bounds what is looked at of one attribute.
const mostValues = 20

// values are those of an attribute, in an order of their own: a directory has none.
func values(e *ldap.Entry, attribute string) []string {
	if attribute == "" {
		return nil
	}
	all := slices.DeleteFunc(slices.Clone(e.GetEqualFoldAttributeValues(attribute)), func(v string) bool { return v == "" || len(v) > maxText })
	slices.Sort(all)
	return all[:min(len(all), mostValues)]
}

// above is a name without its first part, in which a person's address may stand.
func above(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return ""
	}
	return (&ldap.DN{RDNs: parsed.RDNs[1:]}).String()
}

// text is an attribute as it can stand on a page: no controls, nothing that
// turns a text around, not longer than a name.
func text(e *ldap.Entry, attribute string) string {
	if attribute == "" {
		return ""
	}
	clean := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, e.GetEqualFoldAttributeValue(attribute))
	if letters := []rune(clean); len(letters) > maxText {
		clean = string(letters[:maxText])
	}
	return strings.TrimSpace(clean)
}

// language is the first of a list like preferredLanguage has: "id, en;q=0.8".
func language(s string) string {
	first, _, _ := strings.Cut(s, ",")
	first, _, _ = strings.Cut(first, ";")
	return strings.TrimSpace(first)
}

// says tells whether an attribute has the value that its rule names: NAME for
// NAME=TRUE, or NAME=VALUE.
func says(e *ldap.Entry, rule string) bool {
	if rule == "" {
		return false
	}
	name, want, ok := strings.Cut(rule, "=")
	if !ok {
		want = "TRUE"
	}
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues(name), func(v string) bool { return strings.EqualFold(v, want) })
}
