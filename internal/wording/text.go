package wording

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
)

// How long a text may be, in characters.
const (
	LongestSubject = 100
	LongestText    = 1500
	LongestPhone   = 300
	mostParts      = 30
)

// Part is one piece of a text: a paragraph, or a variable that stands alone.
type Part struct {
	Text  string // with its variables still in it
	Alone string // the variable's name
}

var variable = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

// Parts splits a text into paragraphs, at empty lines, and variables that stand alone.
func (m Message) Parts(text string) []Part {
	var parts []Part
	var lines []string
	end := func() {
		if len(lines) > 0 {
			parts = append(parts, Part{Text: strings.Join(lines, " ")})
		}
		lines = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			end()
			continue
		}
		if found := variable.FindStringSubmatch(line); found != nil && found[0] == line {
			if v, ok := m.variable(found[1]); ok && v.Alone {
				end()
				parts = append(parts, Part{Alone: v.Name})
				continue
			}
		}
		lines = append(lines, line)
	}
	end()
	return parts
}

// Fill writes values into a paragraph, once: what a value holds is not looked at again.
func Fill(text string, value func(name string) string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		return value(variable.FindStringSubmatch(found)[1])
	})
}

// Names tells whether a text names a variable.
func (t Text) Names(name string) bool {
	return slices.ContainsFunc(variable.FindAllStringSubmatch(t.Text, -1), func(found []string) bool { return found[1] == name })
}

// Check gives everything that is wrong with a text, by key: message, language, subject, text.
func (t Text) Check() config.Faults {
	c := &checker{}
	m, ok := Find(t.Message)
	if !ok {
		var names []string
		for _, m := range messages {
			names = append(names, m.Name)
		}
		c.say("message", "message_unknown", "names", strings.Join(names, ", "))
	}
	if !slices.Contains(i18n.Languages(), t.Language) {
		c.say("language", "one_of_languages", "choices", strings.Join(i18n.Languages(), ", "))
	}
	if len(c.faults) > 0 {
		return c.faults
	}
	m.checkSubject(c, t.Subject)
	m.checkText(c, t.Text)
	return c.faults
}

type checker struct{ faults config.Faults }

func (c *checker) say(key, code string, args ...any) {
	filled := make(map[string]any, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		filled[fmt.Sprint(args[i])] = args[i+1]
	}
	c.faults = append(c.faults, config.Fault{Key: key, Code: code, Args: filled, Text: i18n.For("en").TMap("fault."+code, filled)})
}

func (m Message) checkSubject(c *checker, subject string) {
	if m.Phone {
		if subject != "" {
			c.say("subject", "message_no_subject")
		}
		return
	}
	n := utf8.RuneCountInString(strings.TrimSpace(subject))
	if n < 3 || n > LongestSubject || strings.ContainsFunc(subject, hidden) || strings.ContainsAny(subject, "\r\n") {
		c.say("subject", "message_subject", "most", LongestSubject)
	}
	if HoldsAddress(subject) {
		c.say("subject", "message_address", "support", braces(SupportEmail))
	}
	for _, name := range m.names(c, "subject", subject) {
		if name != Org {
			c.say("subject", "message_subject_variable", "name", braces(name))
		}
	}
}

func (m Message) checkText(c *checker, text string) {
	most := LongestText
	if m.Phone {
		most = LongestPhone
	}
	switch n := utf8.RuneCountInString(strings.TrimSpace(text)); {
	case n < 3 || n > most:
		c.say("text", "message_length", "most", most)
		return
	case strings.ContainsFunc(text, func(r rune) bool { return hidden(r) && r != '\n' && r != '\r' }) || m.Phone && strings.ContainsAny(strings.TrimSpace(text), "\r\n"):
		c.say("text", "message_characters")
	}
	if HoldsAddress(text) {
		c.say("text", "message_address", "support", braces(SupportEmail))
	}
	names := m.names(c, "text", text)
	var alone []string
	parts := m.Parts(text)
	for _, p := range parts {
		if p.Alone != "" {
			alone = append(alone, p.Alone)
		}
	}
	if len(parts) > mostParts {
		c.say("text", "message_parts", "most", mostParts)
	}
	for _, v := range m.Variables {
		n := count(names, v.Name)
		switch {
		case v.Required && n == 0 && v.Alone:
			c.say("text", "message_missing_line", "name", braces(v.Name))
		case v.Required && n == 0:
			c.say("text", "message_missing", "name", braces(v.Name))
		case v.Alone && n > count(alone, v.Name):
			c.say("text", "message_alone", "name", braces(v.Name))
		case (v.Alone || v.Name == Code) && n > 1:
			c.say("text", "message_twice", "name", braces(v.Name))
		}
	}
}

// names gives the variables of a text in their order, and refuses unknown ones
// and brackets that are none.
func (m Message) names(c *checker, key, text string) (names []string) {
	for _, found := range variable.FindAllStringSubmatch(text, -1) {
		if _, ok := m.variable(found[1]); !ok {
			c.say(key, "message_variable", "name", braces(found[1]), "names", m.list())
			continue
		}
		names = append(names, found[1])
	}
	if left := variable.ReplaceAllString(text, ""); strings.Contains(left, "{{") || strings.Contains(left, "}}") {
		c.say(key, "message_brackets", "example", braces(Org))
	}
	return names
}

func (m Message) list() string {
	var all []string
	for _, v := range m.Variables {
		all = append(all, braces(v.Name))
	}
	return strings.Join(all, ", ")
}

func braces(name string) string {
	if utf8.RuneCountInString(name) > 40 {
		name = string([]rune(name)[:40]) + "…"
	}
	return "{{" + name + "}}"
}

func count(names []string, name string) (n int) {
	for _, one := range names {
		if one == name {
			n++
		}
	}
	return n
}

// hidden are characters that cannot be seen or that reorder what is (AC-121).
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) || r == utf8.RuneError ||
		r == '\u2028' || r == '\u2029'
}

// HoldsAddress tells whether a text holds what mail programs turn into a link:
// a scheme, an @, or a dot between a letter or digit and a letter. A time like
// 08.30 is none. A variable in the place of a piece of an address is a part of it.
func HoldsAddress(s string) bool {
	s = variable.ReplaceAllString(s, "x")
	runes := []rune(s)
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' }
	for i, r := range runes {
		inside := i > 0 && i+1 < len(runes)
		switch r {
		case '.', '。', '．', '｡':
			if inside && word(runes[i-1]) && (unicode.IsLetter(runes[i+1])) {
				return true
			}
		case '@':
			if inside && word(runes[i-1]) && word(runes[i+1]) {
				return true
			}
		}
	}
	lower := strings.ToLower(s)
	return strings.Contains(s, "://") || strings.Contains(lower, "mailto:") || strings.Contains(lower, "tel:") || strings.Contains(lower, "javascript:") || strings.Contains(s, "//")
}
