package page

import (
	"maps"
	"net/url"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
)

// Base is what every page shows. Embed it in the page's struct.
type Base struct {
	Name    string // data-page
	Problem string // data-problem, on dead ends
	Title   string // catalogue key of the heading
	Brand   Brand
	// About is the kind of method that the page is about, for its help link; empty: none.
	About string
	// UserID is shown above the heading with a way back; BackTo is where it leads.
	UserID, BackTo string
	// Alert is the refusal to show; nil when there is none.
	Alert *Alert
	// Notice is the catalogue key of a message that something went well, with its arguments.
	Notice     string
	NoticeArgs []any
	// Nav is the navigation of pages that belong together; a page with one is wide.
	Nav []NavItem
	// App lets the page be put on a home screen.
	App bool

	printer *i18n.Printer
	path    string
	query   url.Values
	support string
}

// NavItem is one place of a navigation.
type NavItem struct {
	Path    string
	Title   string // catalogue key
	Current bool
}

// Alert is a refusal as it is shown.
type Alert struct {
	Code  problem.Code
	Field string
	Text  string
}

// T gives a sentence of the page's language; arguments are name, value pairs.
func (b Base) T(key string, args ...any) string { return b.printer.T(key, args...) }

// TMap is T with the arguments as a map.
func (b Base) TMap(key string, args map[string]any) string { return b.printer.TMap(key, args) }

// Span says how long to wait, in words: in hours from two hours on, since
// nobody counts in hundreds of minutes.
func (b Base) Span(d time.Duration) string {
	unit, n := span(d)
	return b.T("page."+unit, "count", n)
}

// span rounds up: whoever waits that long has waited long enough.
func span(d time.Duration) (unit string, n int) {
	if d > 2*time.Hour-time.Minute {
		return "hours", int((d + time.Hour - 1) / time.Hour)
	}
	return "minutes", int((d + time.Minute - 1) / time.Minute)
}

// Lang is the page's language.
func (b Base) Lang() string { return b.printer.Lang() }

// Dir is the page's writing direction.
func (b Base) Dir() string { return b.printer.Dir() }

// SupportCode is what people tell the helpdesk: it finds the request in log and audit.
func (b Base) SupportCode() string { return b.support }

// DateTime writes a time in the page's language, as clocks of the organization show it.
func (b Base) DateTime(t time.Time) string { return b.printer.DateTime(t) }

// Date writes the day of a time, in the same way.
func (b Base) Date(t time.Time) string { return b.printer.Date(t) }

// Day writes a day of figures, which are days of UTC.
func (b Base) Day(t time.Time) string { return b.printer.Day(t) }

// Reason writes why something happened that the log tells of; empty for a code that
// has no words, as one of long ago may have none any more.
func (b Base) Reason(code string) string {
	if key := "reason." + code; b.printer.Has(key) {
		return b.T(key)
	}
	return ""
}

// NoticeText is the message that something went well.
func (b Base) NoticeText() string { return b.T(b.Notice, b.NoticeArgs...) }

// AlertFor is the refusal's text when it is about this field, else empty.
func (b Base) AlertFor(field string) string {
	if b.Alert != nil && b.Alert.Field == field {
		return b.Alert.Text
	}
	return ""
}

// Language is one entry of the language switch.
type Language struct {
	Code, Name string
	Current    bool
}

// Languages is the language switch.
func (b Base) Languages() []Language {
	var all []Language
	for _, code := range i18n.Languages() {
		all = append(all, Language{code, i18n.For(code).Name(), code == b.Lang()})
	}
	return all
}

// LanguagePath is this page's address in another language. What else the
// address holds stays: a request that was sent is not asked for again.
func (b Base) LanguagePath(code string) string {
	query := maps.Clone(b.query)
	if query == nil {
		query = make(url.Values, 1)
	}
	query.Set("lang", code)
	return b.path + "?" + query.Encode()
}

func (b *Base) base() *Base { return b }

// Page is a struct that embeds Base.
type Page interface{ base() *Base }

// lastTry begins the keys of what a wrong answer is called where it was the last one
// that is judged for a while: nobody is asked to try again there.
const lastTry = "last-try."

// LastTry tells such a refusal: it is of an answer, and says how long to wait.
func LastTry(p *problem.Error, words *i18n.Printer) bool {
	return p.RetryAfter > 0 && words.Has(lastTry+string(p.Code))
}

// Refuse puts a refusal on the page: its sentence in the page's language.
func (b *Base) Refuse(p *problem.Error, lang string) {
	printer := i18n.For(lang)
	args := make(map[string]any, len(p.Args)+1)
	for name, value := range p.Args {
		args[name] = value
	}
	key := "problem." + string(p.Code)
	if LastTry(p, printer) {
		key = lastTry + string(p.Code)
	}
	text := printer.TMap(key, args)
	if p.RetryAfter > 0 {
		unit, n := span(p.RetryAfter)
		text += " " + printer.T("page.retry."+unit, "count", n)
	}
	b.Alert = &Alert{Code: p.Code, Field: p.Field, Text: text}
}
