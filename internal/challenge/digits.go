package challenge

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// maxTyped bounds what is looked at, in bytes.
const maxTyped = 128

// normalizeDigits reads a code as people and keyboards type it: any Unicode
// decimal digit counts as its value, spaces and invisible characters and hyphens
// between groups do not count. Anything else is no code. It is applied once,
// before anything counts or compares.
func normalizeDigits(typed string) (string, bool) {
	if len(typed) > maxTyped || !utf8.ValidString(typed) {
		return "", false
	}
	var b strings.Builder
	for _, r := range typed {
		d, digit := method.Digit(r)
		switch {
		case digit:
			b.WriteByte('0' + d)
		case unicode.IsSpace(r), unicode.Is(unicode.Cf, r), r == '-':
		default:
			return "", false
		}
	}
	return b.String(), b.Len() > 0
}

// digitsOf refuses what cannot be a code of one of these lengths.
func digitsOf(typed string, least, most int) (string, error) {
	code, ok := normalizeDigits(typed)
	if !ok || len(code) < least || len(code) > most {
		return "", problem.New(problem.CodeFormat).On("code")
	}
	return code, nil
}
