package org

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/wording"
)

// Document is an organization as an administrator writes it down.
type Document struct {
	Slug             string             `yaml:"organization"`
	Name             string             `yaml:"name"`
	Domains          []string           `yaml:"domains"`
	Language         string             `yaml:"language"`
	TimeZone         string             `yaml:"time_zone" json:"time_zone,omitzero"`
	Branding         BrandingFile       `yaml:"branding"`
	Support          Support            `yaml:"support"`
	Links            Links              `yaml:"links" json:"links,omitzero"`
	Directory        DirectoryConfig    `yaml:"directory"`
	IdentityProvider IdentityProvider   `yaml:"identity_provider"`
	Administrators   []Administrator    `yaml:"administrators"`
	Messages         []wording.Text     `yaml:"messages" json:"messages,omitzero"`
	HelpTexts        []wording.PageText `yaml:"help_texts" json:"help_texts,omitzero"`
	Policy           Policy             `yaml:"policy"`

	logo     []byte
	logoType string
}

// BrandingFile names the logo by its file.
type BrandingFile struct {
	Logo  string `yaml:"logo"`
	Color string `yaml:"color"`
	// ColorDark is the color on dark pages.
	ColorDark string `yaml:"color_dark" json:"color_dark,omitzero"`
}

// Problem is one thing that is wrong with a document.
type Problem struct {
	Key  string `json:"key"`
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`

	code string // of the catalogues' sentence, with what fills it
	args map[string]any
}

func (p Problem) fault() config.Fault {
	return config.Fault{Line: p.Line, Key: p.Key, Text: p.Text, Code: p.code, Args: p.args}
}

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
	start, faults := startOf(part, "policy", "preset")
	d.Policy = start
	d.Directory.WriteBack = part.Text("directory", "kind") == LDAP
	var unreadable config.Faults
	if err := part.Decode(&d); err != nil && !errors.As(err, &unreadable) {
		return d, config.Faults{{Text: err.Error()}}
	}
	d.Policy.Preset = start.Preset
	faults = append(faults, unreadable...)
	unread := keysIn(faults)
	if err := d.readLogo(folder); err != nil {
		faults = append(faults, config.Fault{Line: part.Line("branding", "logo"), Key: "branding.logo", Text: err.Error()})
	}
	for _, p := range slices.Concat(d.Directory.locate(folder), d.IdentityProvider.locate(folder), d.Check()) {
		if unread[p.Key] {
			continue
		}
		p.Line = part.Line(keyPath(p.Key)...)
		faults = append(faults, p.fault())
	}
	slices.SortStableFunc(faults, func(a, b config.Fault) int { return cmp.Compare(a.Line, b.Line) })
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

// Document is the organization as a document, the opposite of Apply.
func (o *Organization) Document() Document {
	return Document{
		Slug: o.Slug, Name: o.Name, Domains: slices.Clone(o.Domains), Language: o.Language, TimeZone: o.TimeZone,
		Branding: BrandingFile{Logo: o.Branding.LogoURL(), Color: o.Branding.Color, ColorDark: o.Branding.ColorDark},
		Support:  o.Support, Links: o.Links, Directory: o.Directory, IdentityProvider: o.IdentityProvider,
		Administrators: slices.Clone(o.Administrators), Messages: slices.Clone(o.Messages), HelpTexts: slices.Clone(o.HelpTexts), Policy: o.Policy.clone(),
		logo: o.Branding.Logo, logoType: o.Branding.LogoType,
	}
}
