package wording

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
)

// PageText is an organization's own text on one page in one language.
type PageText struct {
	Page     string `json:"page"`     // a name of Pages
	Language string `json:"language"` // id, en
	Text     string `json:"text"`
}

// Stands is the place of the text among an organization's own.
func (t PageText) Stands() (page, language string) { return t.Page, t.Language }

// SupportURL is the variable of the helpdesk's address on the web; pages have it, messages do not.
const SupportURL = "support_url"

// onPages are the variables that a page's text may name.
var onPages = Message{Variables: optional(Org, SupportEmail, SupportPhone, SupportURL)}

// pageKeys are the sentences of the product that a text stands for, by page.
var pageKeys = map[string]string{"help": "help.intro", "contact": "reset.contact.intro"}

// deadEnds are the ends of a reset that an organization may explain.
var deadEnds = strings.Fields("not-managed not-enabled not-verified blocked directory-unavailable directory-refused expired cookies")

// Pages lists the pages that may have a text of the organization's own: the list of
// help, the request to the helpdesk, and every dead end of a reset.
func Pages() []string {
	all := []string{"help", "contact"}
	for _, code := range deadEnds {
		all = append(all, "problem."+code)
	}
	return all
}

// KnownPage tells whether a name is one of Pages.
func KnownPage(name string) bool { return slices.Contains(Pages(), name) }

// ProductPage is what the product says there, as a text that PageText could hold.
func ProductPage(name, lang string) string {
	key, ok := pageKeys[name]
	if !ok {
		key = "reset." + name + ".text"
	}
	return i18n.For(lang).T(key, "org", braces(Org))
}

// Check gives everything that is wrong with a text, by key: page, language, text.
func (t PageText) Check() config.Faults {
	c := &checker{}
	if !KnownPage(t.Page) {
		c.say("page", "page_unknown", "names", strings.Join(Pages(), ", "))
	}
	if !slices.Contains(i18n.Languages(), t.Language) {
		c.say("language", "one_of_languages", "choices", strings.Join(i18n.Languages(), ", "))
	}
	if len(c.faults) > 0 {
		return c.faults
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(t.Text)); n < 3 || n > LongestText {
		c.say("text", "message_length", "most", LongestText)
		return c.faults
	}
	if strings.ContainsFunc(t.Text, func(r rune) bool { return hidden(r) && r != '\n' && r != '\r' }) {
		c.say("text", "message_characters")
	}
	if HoldsAddress(t.Text) {
		c.say("text", "page_address", "email", braces(SupportEmail), "url", braces(SupportURL))
	}
	onPages.names(c, "text", t.Text)
	if len(t.Blocks()) > mostParts {
		c.say("text", "message_parts", "most", mostParts)
	}
	return c.faults
}

// Names tells whether the text names a variable.
func (t PageText) Names(name string) bool { return Text{Text: t.Text}.Names(name) }

// Block is a paragraph, which has one item, or a list.
type Block struct {
	List  bool
	Items [][]Span
}

// Span is a piece of a line: words, or a variable.
type Span struct {
	Text     string
	Strong   bool
	Variable string
}

// Blocks splits a text. Its marks are all there is: an empty line ends a paragraph,
// a line that begins with "- " is an item of a list, **words** are strong, and
// {{name}} is a variable. Everything else is words.
func (t PageText) Blocks() (all []Block) {
	var lines []string
	end := func() {
		if len(lines) > 0 {
			all = append(all, Block{Items: [][]Span{spans(strings.Join(lines, " "))}})
		}
		lines = nil
	}
	for line := range strings.Lines(t.Text) {
		line = strings.TrimSpace(line)
		item, listed := strings.CutPrefix(line, "- ")
		switch {
		case line == "":
			end()
			all = append(all, Block{}) // what follows is no item of a list before it
		case listed:
			end()
			if n := len(all); n == 0 || !all[n-1].List {
				all = append(all, Block{List: true})
			}
			last := &all[len(all)-1]
			last.Items = append(last.Items, spans(item))
		default:
			lines = append(lines, line)
		}
	}
	end()
	return slices.DeleteFunc(all, func(b Block) bool { return len(b.Items) == 0 })
}

var strong = regexp.MustCompile(`\*\*([^*]+)\*\*`)

func spans(line string) (all []Span) {
	plain := func(text string, bold bool) {
		for text != "" {
			at := variable.FindStringSubmatchIndex(text)
			if at == nil {
				all = append(all, Span{Text: text, Strong: bold})
				return
			}
			if at[0] > 0 {
				all = append(all, Span{Text: text[:at[0]], Strong: bold})
			}
			all = append(all, Span{Variable: text[at[2]:at[3]], Strong: bold})
			text = text[at[1]:]
		}
	}
	for line != "" {
		at := strong.FindStringSubmatchIndex(line)
		if at == nil {
			break
		}
		plain(line[:at[0]], false)
		plain(line[at[2]:at[3]], true)
		line = line[at[1]:]
	}
	plain(line, false)
	return all
}
