package org

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/config"
)

// maxLogo is generous for a logo of 440 px at most.
const maxLogo = 256 << 10

const svgType = "image/svg+xml"

// pictures are the media types a logo may have, by the ending of its file.
var pictures = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".svg": svgType,
}

const expectedLogo = "expected a .svg, .png, .jpg or .webp picture"

// readLogo loads what branding.logo names: a file of the document's folder, or
// the picture itself as a data: address, which is how a document is written out.
func (d *Document) readLogo(folder string) error {
	name := d.Branding.Logo
	if name == "" {
		return nil
	}
	kind, data, err := dataURL(name)
	if err != nil {
		return err
	}
	if kind == "" {
		if kind = pictures[strings.ToLower(filepath.Ext(name))]; kind == "" {
			return errors.New(expectedLogo)
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		if data, err = readAtMost(name, maxLogo+1); err != nil {
			return fmt.Errorf("the picture %s is not there or cannot be read", name)
		}
	}
	if err := checkLogo(kind, data); err != nil {
		return err
	}
	d.logo, d.logoType = data, kind
	return nil
}

func readAtMost(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, n))
}

// dataURL reads "data:image/png;base64,…"; the kind is empty when it is none.
func dataURL(text string) (kind string, data []byte, err error) {
	rest, ok := strings.CutPrefix(text, "data:")
	if !ok {
		return "", nil, nil
	}
	kind, body, ok := strings.Cut(rest, ";base64,")
	if !ok || !isPicture(kind) {
		return "", nil, errors.New(expectedLogo)
	}
	if data, err = base64.StdEncoding.DecodeString(body); err != nil {
		return "", nil, errors.New("the picture is damaged")
	}
	return kind, data, nil
}

func isPicture(kind string) bool {
	for _, k := range pictures {
		if k == kind {
			return true
		}
	}
	return false
}

// PictureIn is the picture that LogoURL gave. Problems: config.Faults.
func PictureIn(address string) ([]byte, error) {
	_, data, err := dataURL(address)
	if err != nil || data == nil {
		return nil, config.Faults{sentence("branding.logo", "logo_damaged").fault()}
	}
	return data, nil
}

// LogoURL is the logo as a document or a page can hold it, as a data: address;
// empty where there is none.
func (b Branding) LogoURL() string {
	if len(b.Logo) == 0 {
		return ""
	}
	return "data:" + b.LogoType + ";base64," + base64.StdEncoding.EncodeToString(b.Logo)
}

func checkLogo(kind string, data []byte) error {
	if len(data) > maxLogo {
		return errors.New("the picture is larger than 256 KiB")
	}
	if kind == svgType {
		return checkSVG(data)
	}
	if http.DetectContentType(data) != kind {
		return fmt.Errorf("the picture is not what its name says; %s", expectedLogo)
	}
	return nil
}

// drawing are the elements of SVG that draw and do nothing else. What is not
// here may run scripts (script, handlers of animations), embed pages
// (foreignObject) or load something (image, a, feImage).
var drawing = strings.Fields(`svg g defs symbol use title desc metadata style path rect circle ellipse line polyline polygon
	text tspan textPath linearGradient radialGradient stop clipPath mask pattern marker filter feBlend feColorMatrix
	feComposite feFlood feGaussianBlur feMerge feMergeNode feMorphology feOffset feDropShadow`)

// notes are the namespaces in which drawing programs leave remarks that no browser acts on.
var notes = []string{
	"http://www.inkscape.org/namespaces/inkscape", "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
	"http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/",
	"http://creativecommons.org/ns#", "http://web.resource.org/cc/",
}

// checkSVG refuses a picture that could run a script or load something from
// elsewhere. Pages show a logo by <img>, which does neither; this is for
// whoever opens the picture itself.
func checkSVG(data []byte) error {
	decoder := xml.NewDecoder(bytes.NewReader(data))
	inStyle, root := false, true
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			if root {
				return errors.New("the picture is not an SVG")
			}
			return nil
		}
		if err != nil {
			return errors.New("the picture is not a well-formed SVG")
		}
		switch t := token.(type) {
		case xml.Directive: // a DOCTYPE can define entities
			return errors.New("the SVG holds a DOCTYPE; save it as plain SVG")
		case xml.ProcInst:
			if t.Target != "xml" {
				return errors.New("the SVG names a style sheet of its own; save it as plain SVG")
			}
		case xml.StartElement:
			if root && t.Name.Local != "svg" {
				return errors.New("the picture is not an SVG")
			}
			root = false
			if err := checkElement(t); err != nil {
				return err
			}
			inStyle = t.Name.Local == "style"
		case xml.EndElement:
			inStyle = false
		case xml.CharData:
			if inStyle && loads(string(t)) {
				return errors.New("the SVG's style loads something from elsewhere; save it as plain SVG")
			}
		}
	}
}

func checkElement(t xml.StartElement) error {
	if slices.Contains(notes, t.Name.Space) {
		return nil
	}
	if t.Name.Space != "http://www.w3.org/2000/svg" || !slices.Contains(drawing, t.Name.Local) {
		return fmt.Errorf("the SVG holds <%s>, which does more than draw; save it as plain SVG", t.Name.Local)
	}
	for _, a := range t.Attr {
		name := strings.ToLower(a.Name.Local)
		switch {
		case a.Name.Space == "xmlns" || name == "xmlns":
		case strings.HasPrefix(name, "on"):
			return fmt.Errorf("the SVG holds a script (%s); save it as plain SVG", a.Name.Local)
		case name == "src" || name == "href" && !strings.HasPrefix(a.Value, "#") || loads(a.Value):
			return fmt.Errorf("the SVG refers to something outside of it (%s); save it as plain SVG", a.Name.Local)
		}
	}
	return nil
}

// loads tells whether a piece of CSS can fetch something. A backslash could
// spell any word in another way.
func loads(css string) bool {
	css = strings.ToLower(css)
	if strings.ContainsAny(css, `\@`) || strings.Contains(css, "script:") || strings.Contains(css, "image-set(") {
		return true
	}
	for {
		_, after, found := strings.Cut(css, "url(")
		if !found {
			return false
		}
		if !strings.HasPrefix(strings.TrimLeft(after, ` "'`), "#") {
			return true
		}
		css = after
	}
}
