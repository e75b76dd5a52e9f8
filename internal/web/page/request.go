package page

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
)

type contextKey int

const (
	languageKey contextKey = iota
	correlationKey
	addressKey
	visitKey
)

// WithRequest notes what the middleware found out about a request.
func WithRequest(ctx context.Context, language, correlation, address string) context.Context {
	ctx = context.WithValue(ctx, languageKey, language)
	ctx = context.WithValue(ctx, correlationKey, correlation)
	return context.WithValue(ctx, addressKey, address)
}

// WithVisit notes the value that the cookie of a visit gets, where the browser has
// none yet: the support code of the page that plants it is made from it.
func WithVisit(ctx context.Context, visit string) context.Context {
	return context.WithValue(ctx, visitKey, visit)
}

// NewVisit is the value for the cookie of a visit that begins with this request.
func NewVisit(r *http.Request) string { return text(r, visitKey) }

func text(r *http.Request, key contextKey) string {
	s, _ := r.Context().Value(key).(string)
	return s
}

// Lang is the language of the request.
func Lang(r *http.Request) string { return text(r, languageKey) }

// Correlation is the request's support code.
func Correlation(r *http.Request) string { return text(r, correlationKey) }

// Address is the client's IP address, as far as it can be trusted.
func Address(r *http.Request) string { return text(r, addressKey) }

// Actor is who asks, before anybody is known.
func Actor(r *http.Request) audit.Actor {
	return audit.Actor{Kind: audit.Anonymous, IP: Address(r), UserAgent: r.UserAgent(), Correlation: Correlation(r)}
}

// Form is what was sent, one value a field.
type Form map[string]string

// longest bounds a field, in bytes; a password of 256 four-byte characters fits.
// What proves a method may be longer: a passkey's answer holds a key.
// longestDocument bounds a field of a form that holds a document, and one in which
// people write sentences: of those the page itself says that one is too long, with
// what was typed still there.
const (
	longest         = 4096
	longestCode     = 16 << 10
	longestDocument = 48 << 10
)

// written are the fields in which people write sentences.
var written = []string{"message", "comment", "note", "text"}

// ReadForm reads the body of a POST. A field that stands twice, a name with
// brackets, text that is not UTF-8, holds a NUL or is too long is refused: a form of ours
// sends none (CWE-235). What the address line holds is not part of a form.
func ReadForm(r *http.Request) (Form, error) {
	if err := parseForm(r); err != nil {
		return nil, err
	}
	return readForm(r, longest)
}

// ReadLongForm is ReadForm for a form that holds a document.
func ReadLongForm(r *http.Request) (Form, error) {
	if err := parseForm(r); err != nil {
		return nil, err
	}
	return readForm(r, longestDocument)
}

// Plain tells whether a text is one: UTF-8 without NUL. Databases refuse everything
// else where it is stored or looked for (PostgreSQL, SQLSTATE 22021), and what
// follows a NUL is seen by some programs and not by others (CWE-158).
func Plain(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// longestList bounds the values of a field that may stand several times.
const longestList = 20

// ReadListForm is ReadForm for a form with one field that may stand several
// times, as boxes to tick do; its name ends in "[]". Its values come apart from
// the others, in the order in which they were sent.
func ReadListForm(r *http.Request, list string) (Form, []string, error) {
	if err := parseForm(r); err != nil {
		return nil, nil, err
	}
	values := r.PostForm[list]
	delete(r.PostForm, list)
	if len(values) > longestList {
		return nil, nil, problem.New(problem.TooLong).On(list)
	}
	for _, value := range values {
		if len(value) > longest || !Plain(value) {
			return nil, nil, problem.New(problem.BadInput).On(list)
		}
	}
	form, err := readForm(r, longest)
	return form, values, err
}

func parseForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return problem.New(problem.BadInput).Because(err)
	}
	return nil
}

func readForm(r *http.Request, longest int) (Form, error) {
	form := make(Form, len(r.PostForm))
	for name, values := range r.PostForm {
		if len(values) != 1 || !Plain(values[0]) || !Plain(name) || strings.ContainsAny(name, "[]") {
			return nil, problem.New(problem.BadInput).On(name)
		}
		most := longest
		switch {
		case name == "code":
			most = max(longest, longestCode)
		case slices.Contains(written, name):
			most = longestDocument
		}
		if len(values[0]) > most || len(name) > 64 {
			return nil, problem.New(problem.TooLong).On(name)
		}
		form[name] = values[0]
	}
	return form, nil
}
