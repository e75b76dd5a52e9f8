package org

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
)

func look(change func(*Appearance)) Appearance {
	a := Appearance{Name: "Contoso", Language: "id", Support: Support{Email: "helpdesk@contoso.com"}}
	change(&a)
	return a
}

func TestWhatAnOrganizationMayLookLike(t *testing.T) {
	o := &Organization{Slug: "contoso", Name: "Contoso", Domains: []string{"contoso.com"}, Language: "id", Version: 1, Policy: preset(t), Directory: DirectoryConfig{Kind: Embedded}}
	for name, c := range map[string]struct {
		change func(*Appearance)
		wrong  string // keys
	}{
		"nothing more":           {func(*Appearance) {}, ""},
		"colors":                 {func(a *Appearance) { a.Branding.Color, a.Branding.ColorDark = "#0f6cbd", "#8cc3ff" }, ""},
		"pale on light":          {func(a *Appearance) { a.Branding.Color = "#ffcc00" }, "branding.color"},
		"deep on dark":           {func(a *Appearance) { a.Branding.Color, a.Branding.ColorDark = "#0f6cbd", "#0f6cbd" }, "branding.color_dark"},
		"no color":               {func(a *Appearance) { a.Branding.Color = "blue" }, "branding.color"},
		"the dark one alone":     {func(a *Appearance) { a.Branding.ColorDark = "#8cc3ff" }, "branding.color"},
		"no name":                {func(a *Appearance) { a.Name = "  " }, "name"},
		"a name that turns":      {func(a *Appearance) { a.Name = "Contoso\u202emoc" }, "name"},
		"a name with a hole":     {func(a *Appearance) { a.Name = "Con\u200btoso" }, "name"},
		"no address":             {func(a *Appearance) { a.Support.Email = "Budi <b@contoso.com>" }, "support.email"},
		"http":                   {func(a *Appearance) { a.Support.URL = "http://help.contoso.com" }, "support.url"},
		"a script":               {func(a *Appearance) { a.Links.Help = "javascript:alert(1)" }, "links.help"},
		"somebody in an address": {func(a *Appearance) { a.Links.Privacy = "https://kunci@evil.example/" }, "links.privacy"},
		"texts":                  {func(a *Appearance) { a.Support.Text = config.Texts{"id": "Lantai 2", "en": "Floor 2"} }, ""},
		"an unknown language":    {func(a *Appearance) { a.Support.Text = config.Texts{"xx": "Floor 2"} }, "support.text"},
		"a zone":                 {func(a *Appearance) { a.TimeZone = "Asia/Makassar" }, ""},
		"where the server is":    {func(a *Appearance) { a.TimeZone = "Local" }, "time_zone"},
		"no language":            {func(a *Appearance) { a.Language = "" }, "language"},
		"an empty text":          {func(a *Appearance) { a.Support.Text = config.Texts{"": " "} }, "support.text"},
		"a long text":            {func(a *Appearance) { a.Support.Text = config.Texts{"": strings.Repeat("a", 201)} }, "support.text"},
	} {
		var keys []string
		for _, f := range o.CheckAppearance(look(c.change)) {
			keys = append(keys, f.Key)
		}
		if got := strings.Join(keys, " "); got != c.wrong {
			t.Errorf("%s: %q, want %q", name, got, c.wrong)
		}
	}
	faults := o.CheckAppearance(look(func(a *Appearance) { a.Branding.Color = "#ffcc00" }))
	if len(faults) != 1 || !strings.Contains(faults[0].Text, "1.3:1") || !strings.Contains(faults[0].Text, "#") {
		t.Errorf("neither the ratio nor a color that passes is named: %v", faults)
	}
	// What a file asked for stays until somebody changes it.
	o.Branding.Color = "#ffcc00"
	if faults := o.CheckAppearance(look(func(a *Appearance) { a.Branding.Color = "#ffcc00" })); len(faults) > 0 {
		t.Errorf("a color that is there already keeps the page from being saved: %v", faults)
	}
}

func preset(t *testing.T) Policy {
	t.Helper()
	p, ok := PresetPolicy(PresetKunci)
	if !ok {
		t.Fatal("no preset")
	}
	return p
}

func TestALogoIsDrawnAnew(t *testing.T) {
	small := image.NewGray(image.Rect(0, 0, 4, 4))
	var asPNG, asJPEG, huge bytes.Buffer
	if err := png.Encode(&asPNG, small); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, small, nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&huge, image.NewGray(image.Rect(0, 0, 5000, 1000))); err != nil {
		t.Fatal(err)
	}
	ridesAlong := append(bytes.Clone(asPNG.Bytes()), "<script>alert(1)</script>"...)
	for name, c := range map[string]struct {
		data []byte
		kind string
	}{"png": {asPNG.Bytes(), "image/png"}, "jpeg": {asJPEG.Bytes(), "image/jpeg"}, "something behind": {ridesAlong, "image/png"}, "svg": {[]byte(goodSVG), "image/svg+xml"}} {
		clean, err := CleanLogo(c.data)
		if err != nil || clean.LogoType != c.kind || bytes.Contains(clean.Logo, []byte("script")) {
			t.Errorf("%s: %s, %v", name, clean.LogoType, err)
		}
		if again, err := PictureIn(clean.LogoURL()); err != nil || !bytes.Equal(again, clean.Logo) {
			t.Errorf("%s as an address: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		data []byte
		code string
	}{
		"a page": {[]byte("<!doctype html><script>alert(1)</script>"), "logo_kind"}, "nothing": {nil, "logo_kind"},
		"a gif": {[]byte("GIF89a\x01\x00\x01\x00"), "logo_kind"}, "cut": {asPNG.Bytes()[:len(asPNG.Bytes())/2], "logo_damaged"},
		"too many pixels": {huge.Bytes(), "logo_pixels"}, "too large": {make([]byte, maxLogo+1), "logo_size"},
		"an svg with a script": {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "logo_svg"},
		"an svg that loads":    {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><image href="https://evil.example/x"/></svg>`), "logo_svg"},
		"an svg in a page":     {[]byte(`<html><svg xmlns="http://www.w3.org/2000/svg"></svg></html>`), "logo_svg"},
	} {
		_, err := CleanLogo(c.data)
		var faults config.Faults
		if !errors.As(err, &faults) || faults[0].Code != c.code || faults[0].Key != "branding.logo" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := PictureIn("https://evil.example/logo.png"); err == nil {
		t.Error("an address elsewhere is a picture")
	}
}
