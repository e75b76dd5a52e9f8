package page

import (
	"slices"

	"kunci.dev/kunci/internal/wording"
)

// OwnBlock is a paragraph or a list of an organization's own text, filled in.
type OwnBlock struct {
	List  bool
	Items [][]OwnSpan
}

// OwnSpan is a piece of a line; one with an address is a link.
type OwnSpan struct {
	Text, Address string
	Strong        bool
}

// OwnText is what the organization says on a page of this name in the page's
// language; nothing where the product's text stands, as where a later version
// refuses the organization's.
func (b Base) OwnText(name string) []OwnBlock {
	i := slices.IndexFunc(b.Brand.texts, func(t wording.PageText) bool { return t.Page == name && t.Language == b.Lang() })
	if i < 0 {
		return nil
	}
	return b.Brand.Fill(b.Brand.texts[i])
}

// Fill puts the organization's values into a text; nothing where it is refused.
func (b Brand) Fill(t wording.PageText) (all []OwnBlock) {
	if len(t.Check()) > 0 {
		return nil
	}
	for _, block := range t.Blocks() {
		filled := OwnBlock{List: block.List}
		for _, item := range block.Items {
			var spans []OwnSpan
			for _, s := range item {
				spans = append(spans, b.span(s))
			}
			filled.Items = append(filled.Items, spans)
		}
		all = append(all, filled)
	}
	return all
}

func (b Brand) span(s wording.Span) OwnSpan {
	switch s.Variable {
	case wording.Org:
		return OwnSpan{Text: b.Name, Strong: s.Strong}
	case wording.SupportEmail:
		return OwnSpan{Text: b.Support.Email, Address: "mailto:" + b.Support.Email, Strong: s.Strong}
	case wording.SupportURL:
		return OwnSpan{Text: b.Support.URL, Address: b.Support.URL, Strong: s.Strong}
	case wording.SupportPhone:
		return OwnSpan{Text: b.Support.Phone, Strong: s.Strong}
	}
	return OwnSpan{Text: s.Text, Strong: s.Strong}
}
