package org

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/contrast"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/store"
)

// Appearance is what people recognize their organization by and whom they turn to,
// and how it speaks where nobody says otherwise: language and time zone.
type Appearance struct {
	Name     string
	Language string
	TimeZone string
	Branding Branding
	Support  Support
	Links    Links
}

// Appearance is what the organization has now.
func (o *Organization) Appearance() Appearance {
	return Appearance{o.Name, o.Language, o.TimeZone, o.Branding, o.Support, o.Links}
}

// LongestSupport is how long the text of a contact may be, in characters.
const LongestSupport = 200

func (d *Document) checkBranding(c *checker) {
	for key, color := range map[string]string{"color": d.Branding.Color, "color_dark": d.Branding.ColorDark} {
		if color != "" && !colorForm.MatchString(color) {
			c.say("branding."+key, "color")
		}
	}
	if d.Branding.Color == "" && d.Branding.ColorDark != "" {
		c.say("branding.color", "color_first")
	}
	for key, address := range map[string]string{"support.url": d.Support.URL, "links.privacy": d.Links.Privacy, "links.help": d.Links.Help} {
		if address != "" && !isLink(address) {
			c.say(key, "link")
		}
	}
}

// isLink tells whether an address can be put into a page: https, a host, and nobody's name in it.
func isLink(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && len(address) <= 500 && !strings.ContainsFunc(address, notPrintable)
}

func (d *Document) checkSupport(c *checker) {
	if d.Support.Email != "" {
		if a, err := mail.ParseAddress(d.Support.Email); err != nil || a.Address != d.Support.Email {
			c.say("support.email", "email")
		}
	}
	if utf8.RuneCountInString(d.Support.Phone) > 40 || strings.ContainsFunc(d.Support.Phone, notPrintable) {
		c.say("support.phone", "support_phone", "most", 40)
	}
	for lang, text := range d.Support.Text {
		switch n := utf8.RuneCountInString(strings.TrimSpace(text)); {
		case lang != "" && !slices.Contains(i18n.Languages(), lang):
			c.say("support.text", "one_of_languages", "choices", strings.Join(i18n.Languages(), ", "))
		case n < 1 || n > LongestSupport || strings.ContainsFunc(text, notPrintable):
			c.say("support.text", "support_text", "most", LongestSupport)
		}
	}
}

// Judge gives what is wrong with the colors: text in a color that cannot be read
// (WCAG 2.2, 1.4.3) is refused, and the nearest that can be is named. What the
// organization has already passes: a file may ask for any color, and pages shade it.
func (a Appearance) Judge(before Appearance) config.Faults {
	var faults config.Faults
	for _, one := range []struct {
		key, color, had string
		dark            bool
		code            string
	}{
		{"branding.color", a.Branding.Color, before.Branding.Color, false, "contrast_light"},
		{"branding.color_dark", a.Branding.ColorDark, before.Branding.ColorDark, true, "contrast_dark"},
	} {
		lowest, nearest, ok := contrast.Judge(one.color, one.dark)
		if !ok || lowest >= contrast.Enough || one.color == one.had {
			continue
		}
		faults = append(faults, sentence(one.key, one.code, "ratio", contrast.Ratio(lowest), "nearest", nearest).fault())
	}
	return faults
}

// SetAppearance changes what the organization looks like while it is at the
// expected version. change gets what it looks like there; a logo it puts in is one
// that CleanLogo gave. Problems: config.Faults (by the keys of a document),
// Conflict, NotFound.
func (s *Service) SetAppearance(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, expectedVersion int64, change func(*Appearance)) error {
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		before := d.appearance()
		a := before
		change(&a)
		d.setAppearance(a)
		if faults := a.Judge(before); len(faults) > 0 {
			for _, p := range d.Check() {
				faults = append(faults, p.fault())
			}
			return faults
		}
		return nil
	})
}

// CheckAppearance gives what SetAppearance would refuse, without changing anything.
func (o *Organization) CheckAppearance(a Appearance) config.Faults {
	d := o.Document()
	d.setAppearance(a)
	faults := a.Judge(o.Appearance())
	for _, p := range d.Check() {
		faults = append(faults, p.fault())
	}
	return faults
}

func (d *Document) appearance() Appearance {
	return Appearance{d.Name, d.Language, d.TimeZone, Branding{d.logo, d.logoType, d.Branding.Color, d.Branding.ColorDark}, d.Support, d.Links}
}

func (d *Document) setAppearance(a Appearance) {
	d.Name, d.Language, d.TimeZone, d.Support, d.Links = a.Name, a.Language, a.TimeZone, a.Support, a.Links
	d.Branding = BrandingFile{Logo: a.Branding.LogoURL(), Color: a.Branding.Color, ColorDark: a.Branding.ColorDark}
	d.logo, d.logoType = a.Branding.Logo, a.Branding.LogoType
}

// MaxLogo is how large a logo may be, in bytes.
const MaxLogo = maxLogo

// maxPixels bounds what has to be unpacked to look at a picture: a small file can
// hold a very large one.
const maxPixels = 4_000_000

// CleanLogo judges a picture that somebody sent by what it holds, not by what it is
// called, and gives it as it is kept: a PNG or JPEG is drawn anew, so that nothing
// rides along in it; an SVG that does more than draw is refused. Problems: config.Faults.
func CleanLogo(data []byte) (Branding, error) {
	refuse := func(code string, args ...any) (Branding, error) {
		return Branding{}, config.Faults{sentence("branding.logo", code, args...).fault()}
	}
	if len(data) > maxLogo {
		return refuse("logo_size", "most", maxLogo>>10)
	}
	kind := http.DetectContentType(data)
	if kind != "image/png" && kind != "image/jpeg" {
		if !bytes.Contains(data[:min(len(data), 4096)], []byte("<svg")) {
			return refuse("logo_kind")
		}
		if err := checkSVG(data); err != nil {
			return refuse("logo_svg")
		}
		return Branding{Logo: data, LogoType: svgType}, nil
	}
	header, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return refuse("logo_damaged")
	}
	if header.Width < 1 || header.Height < 1 || header.Width > maxPixels/header.Height {
		return refuse("logo_pixels", "most", maxPixels/1_000_000)
	}
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return refuse("logo_damaged")
	}
	var out bytes.Buffer
	if kind == "image/png" {
		err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, picture)
	} else {
		err = jpeg.Encode(&out, picture, &jpeg.Options{Quality: 90})
	}
	if err != nil {
		return Branding{}, err
	}
	if out.Len() > maxLogo {
		return refuse("logo_size", "most", maxLogo>>10)
	}
	return Branding{Logo: out.Bytes(), LogoType: kind}, nil
}
