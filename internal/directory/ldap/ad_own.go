package ldap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

const (
	descriptor = "nTSecurityDescriptor"
	// accessList asks for the part of it that an ordinary account may read (MS-ADTS
	// 3.1.1.3.4.1.11).
	accessList = 4
)

// everybody are the identifiers that each person who signed in has, beside their own and
// those of their groups: SELF, Everyone and Authenticated Users.
var everybody = []string{"S-1-5-10", "S-1-1-0", "S-1-5-11"}

// ownWrites judges the access list of an entry as a domain controller does for the
// entry's own person (MS-ADTS 5.1.3.3.2). A right may be for one attribute, for the
// property set that it is in, or for all.
func (a *activeDirectory) ownWrites(ctx context.Context, c *conn, dn string, attributes []string) ([]string, bool, error) {
	e, err := c.readWith(ctx, []ldap.Control{&ldap.ControlMicrosoftSDFlags{ControlValue: accessList}}, dn, descriptor, "objectSid")
	if err != nil || e == nil || len(e.GetEqualFoldRawAttributeValue(descriptor)) == 0 {
		return nil, false, err
	}
	who, err := a.groupSIDs(ctx, c, e)
	if err != nil {
		return nil, false, err
	}
	who = append(append(who, everybody...), adSID(e.GetEqualFoldRawAttributeValue("objectSid")))
	list, err := adAccess(e.GetEqualFoldRawAttributeValue(descriptor))
	if err != nil {
		return nil, false, fmt.Errorf("%s of %s: %w", descriptor, dn, err)
	}
	root, err := c.read(ctx, "", "schemaNamingContext")
	if err != nil || root == nil {
		return nil, false, err
	}
	var may []string
	for _, name := range attributes {
		found, err := c.search(ctx, root.GetEqualFoldAttributeValue("schemaNamingContext"), ldap.ScopeSingleLevel, "(lDAPDisplayName="+ldap.EscapeFilter(name)+")", 1, "schemaIDGUID", "attributeSecurityGUID")
		if err != nil || len(found) == 0 {
			return nil, false, err
		}
		if list.writes(who, found[0].GetEqualFoldRawAttributeValue("schemaIDGUID"), found[0].GetEqualFoldRawAttributeValue("attributeSecurityGUID")) {
			may = append(may, name)
		}
	}
	return may, true, nil
}

func (a *activeDirectory) keepOwn(dn string, attributes []string) (look, setting string) {
	return fmt.Sprintf(`look on a domain controller for what SELF is allowed: dsacls "%s"`, dn),
		fmt.Sprintf(`run on a domain controller, in PowerShell: Get-ADUser -SearchBase "%s" -Filter * | ForEach-Object { dsacls $_.DistinguishedName /D "SELF:WP;%s" }`,
			a.d.set.BaseDN, strings.Join(attributes, `" "SELF:WP;`))
}

// adRules are the entries of an access list that hold for the object itself, in their
// order; nil where it has no list and everybody may do everything.
type adRules []adRule

type adRule struct {
	allow bool
	mask  uint32
	of    []byte // an attribute or a property set; nil: all
	sid   string
}

// Rights and kinds of entries (MS-DTYP 2.4.3, 2.4.4).
const (
	mayWriteProperty = 0x20 | 0x4000_0000 | 0x1000_0000 // or generic write, or generic all
	inheritOnly      = 0x08
	daclPresent      = 0x04
)

var errDescriptor = errors.New("the security descriptor cannot be read")

// adAccess reads the access list of a security descriptor in its self-relative form
// (MS-DTYP 2.4.6).
func adAccess(b []byte) (adRules, error) {
	if len(b) < 20 || b[0] != 1 {
		return nil, errDescriptor
	}
	at := uint64(binary.LittleEndian.Uint32(b[16:]))
	if binary.LittleEndian.Uint16(b[2:])&daclPresent == 0 || at == 0 {
		return nil, nil
	}
	if at+8 > uint64(len(b)) {
		return nil, errDescriptor
	}
	rules := adRules{}
	rest := b[at+8:]
	for range binary.LittleEndian.Uint16(b[at+4:]) {
		if len(rest) < 8 {
			return nil, errDescriptor
		}
		size := int(binary.LittleEndian.Uint16(rest[2:]))
		if size < 8 || size > len(rest) {
			return nil, errDescriptor
		}
		kind, flags, body := rest[0], rest[1], rest[8:size]
		r := adRule{allow: kind == 0 || kind == 5, mask: binary.LittleEndian.Uint32(rest[4:])}
		rest = rest[size:]
		if kind != 0 && kind != 1 && kind != 5 && kind != 6 || flags&inheritOnly != 0 {
			continue
		}
		if kind >= 5 {
			if len(body) < 4 {
				return nil, errDescriptor
			}
			present := binary.LittleEndian.Uint32(body)
			body = body[4:]
			for i, bit := range []uint32{1, 2} { // what it is about, and what it is handed down to
				if present&bit == 0 {
					continue
				}
				if len(body) < 16 {
					return nil, errDescriptor
				}
				if i == 0 {
					r.of = body[:16]
				}
				body = body[16:]
			}
		}
		if len(body) < 8 || len(body) < 8+4*int(body[1]) {
			return nil, errDescriptor
		}
		r.sid = adSID(body[:8+4*int(body[1])])
		rules = append(rules, r)
	}
	return rules, nil
}

// writes tells whether somebody may write an attribute: the first entry that is about
// them and it decides.
func (rules adRules) writes(who []string, attribute, set []byte) bool {
	if rules == nil {
		return true
	}
	for _, r := range rules {
		about := r.of == nil || bytes.Equal(r.of, attribute) || len(set) > 0 && bytes.Equal(r.of, set)
		if about && r.mask&mayWriteProperty != 0 && slices.Contains(who, r.sid) {
			return r.allow
		}
	}
	return false
}
