package notify

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
)

//go:embed templates
var templates embed.FS

var (
	htmlLayout = htmltemplate.Must(htmltemplate.New("mail.html.tmpl").ParseFS(templates, "templates/mail.html.tmpl"))
	textLayout = texttemplate.Must(texttemplate.New("mail.txt.tmpl").Funcs(texttemplate.FuncMap{"wrap": wrap}).
			ParseFS(templates, "templates/mail.txt.tmpl"))
)

// Render writes a message in a language: subject, text part and HTML part. It
// looks nothing up and sends nothing.
func Render(lang, orgName, color string, body Body) (Mail, error) {
	d, err := newComposer(lang, orgName).compose(color, body)
	if err != nil {
		return Mail{}, err
	}
	return write(d, body)
}

// renderOwn is Render with an organization's own text, and with places.
func (s *Service) renderOwn(p payload, body Body) (Mail, error) {
	c := newComposer(p.Lang, p.OrgName)
	c.p = c.p.In(p.Zone)
	c.places = s.places
	d, err := c.compose(p.Color, body)
	if err != nil {
		return Mail{}, err
	}
	if p.Own != nil {
		if err := c.put(&d, body, *p.Own); err != nil {
			return Mail{}, err
		}
	}
	if p.Test {
		d.Subject = c.t("notify.test.subject", "subject", d.Subject)
		d.Blocks = append([]block{{Note: c.t("notify.test.note")}}, d.Blocks...)
	}
	return write(d, body)
}

func write(d document, body Body) (Mail, error) {
	var html, text bytes.Buffer
	if err := htmlLayout.Execute(&html, d); err != nil {
		return Mail{}, fmt.Errorf("write HTML part: %w", err)
	}
	if err := textLayout.Execute(&text, d); err != nil {
		return Mail{}, fmt.Errorf("write text part: %w", err)
	}
	return Mail{Subject: d.Subject, Text: text.String(), HTML: html.String(), Lang: d.Lang, Kind: body.kind()}, nil
}

// textWidth is where lines of the text part break, as mail programs expect.
const textWidth = 72

// wrap breaks a paragraph into lines; words longer than a line stay whole.
func wrap(s string) string {
	var b strings.Builder
	width := 0
	for i, w := range strings.Fields(s) {
		n := len([]rune(w))
		switch {
		case i == 0:
		case width+1+n > textWidth:
			b.WriteByte('\n')
			width = 0
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(w)
		width += n
	}
	return b.String()
}
