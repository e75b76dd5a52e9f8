package org

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodSVG = `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
  xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" viewBox="0 0 8 8">
  <inkscape:page/><title>Contoso</title><defs><linearGradient id="g"><stop offset="0" stop-color="#0f6cbd"/></linearGradient></defs>
  <style>.a { fill: url(#g) }</style><g id="k"><path class="a" d="M0 0h8v8z" style="stroke: none"/></g><use xlink:href="#k"/></svg>`

func TestPicturesThatAreTaken(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, data := range map[string][]byte{"logo.svg": []byte(goodSVG), "LOGO.PNG": picture.Bytes()} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		d := Document{Branding: BrandingFile{Logo: name}}
		if err := d.readLogo(folder); err != nil || !bytes.Equal(d.logo, data) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := Document{Branding: BrandingFile{Logo: "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture.Bytes())}}
	if err := d.readLogo(""); err != nil || d.logoType != "image/png" {
		t.Errorf("data: %v, %s", err, d.logoType)
	}
}

func TestPicturesThatAreRefused(t *testing.T) {
	svg := func(inside string) string {
		return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:h="http://www.w3.org/1999/xhtml">` + inside + `</svg>`
	}
	for name, text := range map[string]string{
		"script":                  svg(`<script>alert(1)</script>`),
		"handler":                 svg(`<g OnLoad="alert(1)"/>`),
		"handler on the root":     `<svg xmlns="http://www.w3.org/2000/svg" onload="x()"/>`,
		"page inside":             svg(`<foreignObject/>`),
		"page by its namespace":   svg(`<h:script>alert(1)</h:script>`),
		"link":                    svg(`<a href="https://evil.example"/>`),
		"picture from elsewhere":  svg(`<image href="https://evil.example/x.png"/>`),
		"use from elsewhere":      svg(`<use xlink:href="https://evil.example/x.svg#a"/>`),
		"use of data":             svg(`<use href="data:image/svg+xml,x"/>`),
		"animated handler":        svg(`<set attributeName="onload" to="alert(1)"/>`),
		"style that loads":        svg(`<style>a { fill: url(https://evil.example) }</style>`),
		"style that imports":      svg(`<style>@import "https://evil.example";</style>`),
		"style spelled otherwise": svg(`<style>a { fill: u\72l(https://evil.example) }</style>`),
		"attribute that loads":    svg(`<path style="fill: URL( 'https://evil.example' )"/>`),
		"second of two loads":     svg(`<path style="fill: url(#a); mask: url(//evil.example)"/>`),
		"entities":                `<!DOCTYPE svg [<!ENTITY a "b">]>` + svg(""),
		"style sheet":             `<?xml-stylesheet href="https://evil.example"?>` + svg(""),
		"not well formed":         `<svg xmlns="http://www.w3.org/2000/svg"><g></svg>`,
		"no namespace":            `<svg/>`,
		"a page":                  `<html xmlns="http://www.w3.org/1999/xhtml"/>`,
		"nothing":                 ``,
		"too large":               svg(strings.Repeat(" ", maxLogo)),
	} {
		if err := checkLogo(svgType, []byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := checkLogo("image/png", []byte(goodSVG)); err == nil {
		t.Error("an SVG was taken for a PNG")
	}
	for _, name := range []string{"logo.gif", "logo", "gone.svg", "data:text/html;base64,AAAA", "data:image/png;base64,***", "data:image/png,x"} {
		d := Document{Branding: BrandingFile{Logo: name}}
		if err := d.readLogo(t.TempDir()); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzSVG(f *testing.F) {
	f.Add(goodSVG)
	f.Add(`<svg xmlns="http://www.w3.org/2000/svg"><style>a{b:url("#c")}</style></svg>`)
	f.Fuzz(func(t *testing.T, text string) {
		if checkSVG([]byte(text)) != nil {
			return
		}
		low := strings.ToLower(text)
		for _, word := range []string{"<script", "<foreignobject", "<!doctype"} {
			if strings.Contains(low, word) && !strings.Contains(low, "<!--") && !strings.Contains(low, "<![cdata[") {
				t.Errorf("taken with %s: %q", word, text)
			}
		}
	})
}
