package org

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/method"
)

// Document is an organization as an administrator writes it down.
type Document struct {
	Slug           string          `yaml:"organization"`
	Name           string          `yaml:"name"`
	Domains        []string        `yaml:"domains"`
	Language       string          `yaml:"language"`
	Branding       BrandingFile    `yaml:"branding"`
	Support        Support         `yaml:"support"`
	Directory      DirectoryConfig `yaml:"directory"`
	Administrators []Administrator `yaml:"administrators"`
	Policy         Policy          `yaml:"policy"`

	logo     []byte
	logoType string
}

// BrandingFile names the logo by its file.
type BrandingFile struct {
	Logo  string `yaml:"logo"`
	Color string `yaml:"color"`
}

// Problem is one thing that is wrong with a document.
type Problem struct {
	Key  string `json:"key"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

func (p Problem) fault() config.Fault { return config.Fault{Line: p.Line, Key: p.Key, Text: p.Text} }

// Parse reads the organizations of a file, one a document. The error holds
// everything that is wrong, by key and line. Files it names are looked for in folder.
func Parse(r io.Reader, folder string) ([]Document, error) {
	parts, err := config.Read(r)
	if err != nil {
		return nil, err
	}
	var faults config.Faults
	var all []Document
	for _, part := range parts {
		d, wrong := parse(part, folder)
		faults = append(faults, wrong...)
		all = append(all, d)
	}
	if len(all) == 0 && len(faults) == 0 {
		faults = append(faults, config.Fault{Text: "the file holds no organization; it begins with: organization: NAME"})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return all, nil
}

func parse(part config.Document, folder string) (Document, config.Faults) {
	d := Document{Language: "id", Directory: DirectoryConfig{Kind: Embedded}}
	name := part.Text("policy", "preset")
	if name == "" {
		name = PresetKunci
	}
	start, ok := preset(name)
	if !ok {
		return d, config.Faults{{Line: part.Line("policy", "preset"), Key: "policy.preset",
			Text: "expected kunci, entra, nist_aal2 or asvs"}}
	}
	d.Policy = start
	var faults config.Faults
	if err := part.Decode(&d); err != nil && !errors.As(err, &faults) {
		return d, config.Faults{{Text: err.Error()}}
	}
	d.Policy.Preset = name
	unread := make(map[string]bool, len(faults)) // what could not be read is not judged besides
	for _, f := range faults {
		unread[f.Key] = true
	}
	if err := d.readLogo(folder); err != nil {
		faults = append(faults, config.Fault{Line: part.Line("branding", "logo"), Key: "branding.logo", Text: err.Error()})
	}
	for _, p := range d.Check() {
		if unread[p.Key] {
			continue
		}
		p.Line = part.Line(keyPath(p.Key)...)
		faults = append(faults, p.fault())
	}
	return d, faults
}

// keyPath splits a key at its dots, without list places.
func keyPath(key string) []string {
	var path []string
	word := ""
	for _, r := range key + "." {
		switch r {
		case '.':
			path, word = append(path, word), ""
		case '[':
			return append(path, word)
		default:
			word += string(r)
		}
	}
	return path
}

// maxLogo is generous for a logo of 440 px at most.
const maxLogo = 256 << 10

// logoTypes are image formats that hold no script. SVG does, so it is not one of them.
var logoTypes = map[string]string{".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}

func (d *Document) readLogo(folder string) error {
	if d.Branding.Logo == "" {
		return nil
	}
	kind, ok := logoTypes[filepath.Ext(d.Branding.Logo)]
	if !ok {
		return fmt.Errorf("expected a .png, .jpg or .webp picture")
	}
	path := d.Branding.Logo
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the picture cannot be read")
	}
	if len(data) > maxLogo {
		return fmt.Errorf("the picture is larger than 256 KiB")
	}
	d.logo, d.logoType = data, kind
	return nil
}

// Document is the organization as a document, the opposite of Apply.
func (o *Organization) Document() Document {
	return Document{
		Slug: o.Slug, Name: o.Name, Domains: o.Domains, Language: o.Language,
		Branding: BrandingFile{Color: o.Branding.Color}, Support: o.Support, Directory: o.Directory,
		Administrators: o.Administrators, Policy: o.Policy,
		logo: o.Branding.Logo, logoType: o.Branding.LogoType,
	}
}

// KindNames is a list of kinds as texts.
func KindNames(kinds []method.Kind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return names
}
