package ldap

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/method"
)

// contacts looks at the attributes that become methods: whether the schema has them,
// whether the service account reads them of anybody, and how many of a few people
// can be reached by what stands there.
func (x *examiner) contacts(ctx context.Context, c *conn) {
	a := x.d.set.Attributes
	var seen, attributes, people []string
	for _, of := range []struct {
		key, attribute string
		kind           method.Kind
	}{{"email", a.Email, method.Email}, {"mobile_phone", a.MobilePhone, method.MobilePhone}, {"office_phone", a.OfficePhone, method.OfficePhone}} {
		if of.attribute == "" {
			continue
		}
		bad := func(mend, text string, args ...any) { x.bad("contacts", mend, "attributes."+of.key+": "+text, args...) }
		if known, err := x.inSchema(ctx, c, of.attribute); err == nil && !known {
			bad("see attributes."+of.key, "the server's schema has no attribute %s", of.attribute)
			return
		}
		found, err := c.search(ctx, x.d.set.BaseDN, ldap.ScopeWholeSubtree, x.d.people.and("("+of.attribute+"=*)"), ordinary, of.attribute)
		if err != nil {
			bad("let the service account search for "+of.attribute+" and read it", "%v", err)
			return
		}
		if len(found) == 0 {
			bad("let the service account read "+of.attribute+" of people (OpenLDAP: access to attrs, 389 Directory Server and FreeIPA: an aci or permission, "+
				"Active Directory: dsacls … RP;"+of.attribute+";user), or leave the key out if nobody has one", "nobody has a value of %s that %s may read", of.attribute, x.d.set.BindDN)
			return
		}
		usable := 0
		for _, e := range found {
			if !slices.Contains(people, e.DN) {
				people = append(people, e.DN)
			}
			if slices.ContainsFunc(values(e, of.attribute), func(v string) bool { return x.reaches(of.kind, v) }) {
				usable++
			}
		}
		attributes = append(attributes, of.attribute)
		seen = append(seen, fmt.Sprintf("%s of %d of %d people can be used", of.attribute, usable, len(found)))
	}
	if len(seen) > 0 {
		x.good("contacts", "%s; who may write them can give somebody a way to reset", strings.Join(seen, ", "))
		x.ownContacts(ctx, c, people[:min(len(people), ordinary)], attributes)
	}
}

// ownContacts looks whether people may write what they can be reached by: then whoever
// sits at a screen that was left unlocked can add a way to reset. Only Active Directory
// tells.
func (x *examiner) ownContacts(ctx context.Context, c *conn, people, attributes []string) {
	const name = "own contacts"
	ad, tells := x.d.dialect.(*activeDirectory)
	for _, dn := range people {
		var may []string
		var err error
		if tells {
			may, tells, err = ad.ownWrites(ctx, c, dn, attributes)
		}
		switch {
		case err != nil:
			x.bad(name, "see why the server does not answer", "what %s may write cannot be read: %v", dn, err)
			return
		case !tells:
			look, setting := x.d.dialect.keepOwn(dn, attributes)
			x.add(Finding{
				Name: name, Code: "own-contacts-unseen", OK: true, Setting: look + "; " + setting,
				Text: fmt.Sprintf("it cannot be seen from here whether people may write %s of their own entry; %s; if they may, %s", strings.Join(attributes, ", "), look, setting),
			})
			return
		case len(may) > 0:
			_, setting := x.d.dialect.keepOwn(dn, may)
			x.add(Finding{
				Name: name, Mend: setting, Setting: setting,
				Text: fmt.Sprintf("%s may write %s of their own entry: whoever sits at an unlocked screen can add a way to reset", dn, strings.Join(may, ", ")),
			})
			return
		}
	}
	x.good(name, "%d people may not write %s of their own entry", len(people), strings.Join(attributes, ", "))
}

func (x *examiner) reaches(k method.Kind, value string) bool {
	if x.org == nil {
		return true
	}
	_, ok := x.org.Reaches(k, value)
	return ok
}

var schemaName = regexp.MustCompile(`\bNAME (?:'([^']*)'|\(([^)]*)\))`)

// inSchema tells whether the server knows an attribute (RFC 4512, 4.2).
func (x *examiner) inSchema(ctx context.Context, c *conn, attribute string) (bool, error) {
	root, err := c.read(ctx, "", "subschemaSubentry")
	if err != nil || root == nil {
		return true, err
	}
	schema, err := c.read(ctx, root.GetEqualFoldAttributeValue("subschemaSubentry"), "attributeTypes")
	if err != nil || schema == nil || len(schema.GetEqualFoldAttributeValues("attributeTypes")) == 0 {
		return true, err // it does not say
	}
	for _, text := range schema.GetEqualFoldAttributeValues("attributeTypes") {
		names := schemaName.FindStringSubmatch(text)
		if names == nil {
			continue
		}
		for _, name := range append(strings.Fields(names[2]), names[1]) {
			if strings.EqualFold(strings.Trim(name, "'"), attribute) {
				return true, nil
			}
		}
	}
	return false, nil
}
