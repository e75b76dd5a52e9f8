package org

import (
	"slices"
	"strings"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/wording"
)

// Role is what an administrator may do.
type Role string

// The administrator roles, from the most to the least powerful.
const (
	Owner               Role = "owner"
	PolicyAdmin         Role = "policy_admin"
	AuthenticationAdmin Role = "authentication_admin"
	Helpdesk            Role = "helpdesk"
	Auditor             Role = "auditor"
)

// Roles lists the roles, the most powerful first.
var Roles = []Role{Owner, PolicyAdmin, AuthenticationAdmin, Helpdesk, Auditor}

// Administrator gives a person of the organization, or everybody in a group of its
// directory, a role.
type Administrator struct {
	UserID string `json:"user_id,omitzero"`
	Group  string `json:"group,omitzero"`
	Role   Role   `json:"role"`
}

// String is the administrator in a list of changes.
func (a Administrator) String() string {
	if a.Group != "" {
		return "group " + a.Group + " " + string(a.Role)
	}
	return a.UserID + " " + string(a.Role)
}

// Branding is what people recognize their organization by.
type Branding struct {
	Logo     []byte `json:"logo,omitempty"`
	LogoType string `json:"logo_type,omitempty"` // media type of Logo
	Color    string `json:"color,omitempty"`     // #rrggbb
	// ColorDark is the color on dark pages; empty: Color, lightened.
	ColorDark string `json:"color_dark,omitempty"`
}

// Support is where people turn to when self-service does not help.
type Support struct {
	Email string `json:"email,omitempty"`
	URL   string `json:"url,omitempty"`
	Phone string `json:"phone,omitempty"`
	// Text says what an address and a number do not: where the desk is, and when.
	Text config.Texts `json:"text,omitzero"`
}

// Links are the organization's own pages that people find at the foot of ours.
type Links struct {
	Privacy string `json:"privacy,omitzero"`
	Help    string `json:"help,omitzero"`
}

// Organization is a tenant as it is stored.
type Organization struct {
	ID        string // opaque, never used again
	Slug      string // the name in commands and files: contoso
	Name      string
	Domains   []string
	Language  string
	TimeZone  string `json:"time_zone,omitzero"` // by the IANA database, such as Asia/Jakarta; empty: UTC
	Branding  Branding
	Support   Support
	Links     Links `json:"links,omitzero"`
	Directory DirectoryConfig
	// IdentityProvider is where people can sign in instead of here; empty: nowhere.
	IdentityProvider IdentityProvider `json:"identity_provider,omitzero"`
	Administrators   []Administrator
	Messages         []wording.Text `json:",omitempty"` // its own texts, in the order of their names
	// HelpTexts are its own words on pages of help and dead ends, in the order of their names.
	HelpTexts []wording.PageText `json:"help_texts,omitempty"`
	Policy    Policy
	Version   int64 // goes up with every change

	// Kept is the password of the directory's account, sealed, where the document says
	// that it is kept here. It has a row of its own and is in no document.
	Kept []byte `json:"-"`

	// Channels is what this installation can send over; no document says it.
	Channels Channels `json:"-"`
}

// Channels says for which phone messages this installation has a gateway.
type Channels struct{ Text, Call bool }

// Reaches tells whether a kind of method can be sent anything here: an office
// phone is called, a mobile phone is texted or called. Kinds that are no phones
// need neither.
func (c Channels) Reaches(k method.Kind) bool {
	switch k {
	case method.MobilePhone:
		return c.Text || c.Call
	case method.OfficePhone:
		return c.Call
	}
	return true
}

// Offers tells whether a kind can be used in the organization at all: phones
// need a gateway, and countries to which it may send.
func (o *Organization) Offers(k method.Kind) bool {
	return k.Class() != method.PhoneLine || o.Channels.Reaches(k) && len(o.Policy.Phone.Countries) > 0
}

// Unreachable are the kinds that the policy asks for, with countries for them, and
// that have no gateway here.
func (o *Organization) Unreachable() []method.Kind {
	var all []method.Kind
	for _, k := range method.Kinds() {
		if k.Class() == method.PhoneLine && o.Policy.Allows(k) && len(o.Policy.Phone.Countries) > 0 && !o.Channels.Reaches(k) {
			all = append(all, k)
		}
	}
	return all
}

// RoleOf gives the role of a user ID that is in these groups, nested ones
// included, and whether it has one. Of several it is the highest.
func (o *Organization) RoleOf(userID string, groups []string) (Role, bool) {
	userID = normalize(userID)
	highest := len(Roles)
	for _, a := range o.Administrators {
		if a.Group == "" && a.UserID == userID && userID != "" || a.Group != "" && slices.Contains(groups, a.Group) {
			if at := slices.Index(Roles, a.Role); at >= 0 {
				highest = min(highest, at)
			}
		}
	}
	if highest == len(Roles) {
		return "", false
	}
	return Roles[highest], true
}

// HasDomain tells whether a domain is one of the organization's.
func (o *Organization) HasDomain(domain string) bool {
	return slices.Contains(o.Domains, asciiLower(domain))
}

// normalize brings a user ID to the form it is compared in: without spaces at
// the ends and in ASCII lower case. Other letters are left alone: folding them
// would make different people the same (Kelvin sign, long s, dotless i).
func normalize(userID string) string { return asciiLower(strings.TrimSpace(userID)) }

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// DomainOf is the part of a user ID after its last @, in lower case; empty when there is none.
func DomainOf(userID string) string {
	userID = normalize(userID)
	if at := strings.LastIndexByte(userID, '@'); at >= 0 {
		return userID[at+1:]
	}
	return ""
}
