package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is the longest name of an organization in a message, in code points.
const maxName = 64

// maxUserID is the longest user ID in a message, in code points.
const maxUserID = 128

// plain makes text safe to stand in a line of a message: no control
// characters, none that reorder or hide text (AC-121), one line, bounded.
func plain(s string, most int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s)), " ")
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most-1]) + "…"
	}
	return s
}

// defang breaks what mail programs turn into links, in text that a stranger
// typed: a dot between letters or digits, and "://".
func defang(s string) string {
	runes := []rune(strings.ReplaceAll(s, "://", " : / / "))
	var b strings.Builder
	for i, r := range runes {
		if r == '.' && i > 0 && i+1 < len(runes) && word(runes[i-1]) && word(runes[i+1]) {
			b.WriteString("[.]")
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func word(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// quoted is text a stranger typed, line by line, cleaned and defanged.
func quoted(s string, most int) []string {
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most])
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(s, "\r\n", "\n")) {
		lines = append(lines, defang(plain(line, most+1)))
	}
	return lines
}

// orgName is an organization's name as it may stand in a subject and a
// sentence: it is somebody's text too, so it cannot carry an address (AC-122).
func orgName(s string) string { return defang(plain(s, maxName)) }

// supportCode gives a support code as it is, and nothing that only pretends to be one.
func supportCode(s string) string {
	if len(s) > 40 || strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf || r != '-' && !word(r) }) {
		return ""
	}
	return s
}

type named struct{ token, name string }

// The order matters: Edge and Opera call themselves Chrome, Chrome calls
// itself Safari, Android calls itself Linux, an iPhone "like Mac OS X".
var (
	browsers = []named{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Opera", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Samsung Internet", "Samsung Internet"},
		{"Firefox", "Firefox"}, {"FxiOS", "Firefox"}, {"CriOS", "Chrome"}, {"Chromium", "Chromium"}, {"Chrome", "Chrome"}, {"Safari", "Safari"},
	}
	systems = []named{
		{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"iOS", "iOS"}, {"Windows", "Windows"},
		{"CrOS", "ChromeOS"}, {"ChromeOS", "ChromeOS"}, {"Mac OS X", "macOS"}, {"macOS", "macOS"}, {"Linux", "Linux"},
	}
)

// device gives the browser's and the system's name out of a User-Agent header.
// Only names of these lists come out: the header is anybody's text.
func device(agent string) (browser, system string) {
	pick := func(list []named) string {
		for _, n := range list {
			if strings.Contains(agent, n.token) {
				return n.name
			}
		}
		return ""
	}
	return pick(browsers), pick(systems)
}

// HoldsLink tells whether a text holds what mail programs turn into a link. A time
// like 08.30 is none.
func HoldsLink(s string) bool {
	runes := []rune(s)
	for i, r := range runes {
		if r == '.' && i > 0 && i+1 < len(runes) && word(runes[i-1]) && unicode.IsLetter(runes[i+1]) {
			return true
		}
	}
	return strings.Contains(s, "://")
}

// written is what an administrator wrote, line by line. It holds no link; one that
// slipped through is broken like a stranger's.
func written(s string, most int) []string {
	if HoldsLink(s) {
		return quoted(s, most)
	}
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, plain(line, most+1))
	}
	return lines
}
