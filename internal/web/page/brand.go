package page

import (
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/wording"
)

// Brand is what people recognize their organization by.
type Brand struct {
	Name    string // the organization's, or the product's where none is known
	Slug    string // the organization's short name, empty: none is known
	Logo    string // address of the picture, empty: none
	Style   string // address of the style sheet with its color, empty: none
	Support Support
	Zone    string // the time zone of the times on the page, empty: UTC
	// Privacy and Help are pages of the organization's own, empty: none.
	Privacy, Help string

	texts []wording.PageText // the organization's own, on pages
}

// Support is the helpdesk's own contact, shown at the foot of every page.
type Support struct {
	Email, URL, Phone string
	Text              config.Texts
}

// Any tells whether there is a contact to show.
func (s Support) Any() bool { return s.Email != "" || s.URL != "" || s.Phone != "" || len(s.Text) > 0 }

// BrandOf is how an organization is shown; nil: none is known.
func BrandOf(o *org.Organization) Brand {
	if o == nil {
		return Brand{}
	}
	b := Brand{
		Name: o.Name, Slug: o.Slug, Zone: o.TimeZone, Privacy: o.Links.Privacy, Help: o.Links.Help, texts: o.HelpTexts,
		Support: Support{Email: o.Support.Email, URL: o.Support.URL, Phone: o.Support.Phone, Text: o.Support.Text},
	}
	// Addresses change with what they lead to, so that the file may be kept.
	if len(o.Branding.Logo) > 0 {
		b.Logo = "/logo/" + o.Slug + "?v=" + strconv.FormatInt(o.Version, 10)
	}
	if o.Branding.Color != "" {
		b.Style = "/brand/" + o.Slug + ".css?v=" + strings.ReplaceAll(o.Branding.Color+o.Branding.ColorDark, "#", "")
	}
	return b
}

// SupportText is the text of the contact in the page's language.
func (b Base) SupportText() string { return b.Brand.Support.Text.In(b.Lang()) }
