package i18n

import (
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Printer writes sentences, dates and numbers in one language.
// It holds no state of a request and is safe for concurrent use.
type Printer struct {
	lang      string
	tag       language.Tag
	localizer *i18n.Localizer
	numbers   *message.Printer
	zone      *time.Location
	plural    map[string]bool // the sentences with plural forms
}

// Fallback is the language used when nothing better is known.
const Fallback = "en"

type registry struct {
	names    []string
	printers map[string]*Printer
	matcher  language.Matcher
}

// load reads the embedded catalogues once. They are part of the binary, so a
// fault in one is a fault of the build: it stops the program at the first use,
// and the catalogue test says where.
var load = sync.OnceValue(func() *registry {
	names, err := languageNames()
	if err != nil {
		panic("i18n: " + err.Error())
	}
	bundle, plural, err := newBundle(names)
	if err != nil {
		panic("i18n: " + err.Error())
	}
	r := &registry{names: names, printers: make(map[string]*Printer)}
	tags := make([]language.Tag, len(names))
	for i, name := range names {
		tags[i] = language.MustParse(name)
		r.printers[name] = &Printer{
			lang: name, tag: tags[i],
			localizer: i18n.NewLocalizer(bundle, name),
			numbers:   message.NewPrinter(tags[i]),
			zone:      time.UTC,
			plural:    plural[name],
		}
	}
	r.matcher = language.NewMatcher(tags)
	return r
})

// Languages lists the languages of the product, sorted by code.
func Languages() []string {
	return append([]string(nil), load().names...)
}

// For gives the printer of a language; an unknown one gives English.
func For(lang string) *Printer {
	r := load()
	if p, ok := r.printers[lang]; ok {
		return p
	}
	return r.printers[Fallback]
}

// Known tells whether the product speaks this language.
func Known(lang string) bool {
	_, ok := load().printers[lang]
	return ok
}

// Match picks a language for an Accept-Language header (RFC 9110, 12.5.4).
// Close relatives count (Malay and Javanese readers get Indonesian); where
// nothing fits, fallback is used; an empty one is given back as it is.
func Match(acceptLanguage, fallback string) string {
	if fallback != "" && !Known(fallback) {
		fallback = Fallback
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(tags) == 0 {
		return fallback
	}
	r := load()
	_, index, confidence := r.matcher.Match(tags...)
	if confidence == language.No {
		return fallback
	}
	return r.names[index]
}

// Lang is the language's code, as in the lang attribute of a page.
func (p *Printer) Lang() string { return p.lang }

// Name is what the language calls itself.
func (p *Printer) Name() string { return p.T("language.name") }

// Dir is the writing direction, "ltr" or "rtl", as in the dir attribute.
func (p *Printer) Dir() string {
	script, _ := p.tag.Script()
	switch script.String() {
	case "Arab", "Hebr", "Thaa", "Syrc", "Nkoo":
		return "rtl"
	}
	return "ltr"
}

// Has tells whether the language has a sentence for this key.
func (p *Printer) Has(key string) bool {
	config := &i18n.LocalizeConfig{MessageID: key, TemplateData: map[string]any{}}
	if p.plural[key] {
		config.PluralCount = 1
	}
	_, err := p.localizer.Localize(config)
	return err == nil
}

// T gives the sentence for a key. Args are name, value pairs for its
// placeholders; an integer named "count" also picks the plural form.
// A missing key is shown as it is: a page with one bad label still lets a
// person in, and the catalogue tests fail on it before anyone sees it.
func (p *Printer) T(key string, args ...any) string {
	data := make(map[string]any, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		if name, ok := args[i].(string); ok {
			data[name] = args[i+1]
		}
	}
	return p.TMap(key, data)
}

// TMap is T with the arguments as a map, as a problem carries them. A float64 is
// written with one decimal, as the language writes it.
func (p *Printer) TMap(key string, data map[string]any) string {
	for name, value := range data {
		if x, ok := value.(float64); ok {
			data = maps.Clone(data) // it is the caller's, and may be said in another language too
			data[name] = p.Decimal(x)
		}
	}
	config := &i18n.LocalizeConfig{MessageID: key, TemplateData: data}
	if count, ok := data["count"]; ok && p.plural[key] {
		config.PluralCount = count
	}
	text, err := p.localizer.Localize(config)
	if err != nil || text == "" {
		return key
	}
	return text
}

// Number writes a whole number with the language's grouping: 1.234 or 1,234.
func (p *Printer) Number(n int) string {
	return p.numbers.Sprintf("%d", n)
}

// Decimal writes a number with one decimal: 4,5 or 4.5.
func (p *Printer) Decimal(x float64) string {
	return p.numbers.Sprintf("%.1f", x)
}

// DateTime writes day, month, year, hour and minute in the printer's time zone and
// names it.
func (p *Printer) DateTime(t time.Time) string {
	return p.write("date.datetime", t)
}

// Date writes day, month and year in the printer's time zone.
func (p *Printer) Date(t time.Time) string {
	return p.write("date.date", t)
}

var monthKeys = [...]string{
	"date.month.1", "date.month.2", "date.month.3", "date.month.4", "date.month.5", "date.month.6",
	"date.month.7", "date.month.8", "date.month.9", "date.month.10", "date.month.11", "date.month.12",
}

// Day writes a day that belongs to no zone, such as a day of figures: the one that
// t has in UTC.
func (p *Printer) Day(t time.Time) string {
	return p.In("").Date(t)
}

func (p *Printer) write(key string, t time.Time) string {
	t = t.In(p.zone)
	return strings.TrimSpace(p.T(key,
		"day", t.Day(), "month", p.T(monthKeys[t.Month()-1]), "year", t.Year(),
		"hour", t.Format("15"), "minute", t.Format("04"), "zone", zoneName(t)))
}
