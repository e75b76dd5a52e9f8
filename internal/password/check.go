package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxBytes bounds what is looked at, before any rule: four bytes for each of the
// most code points a policy may allow, with room for composition.
const maxBytes = 8192

// Normalize gives the form that is measured and hashed (NIST SP 800-63B-4,
// 3.1.1.2: NFKC). ok is false for what no directory can take: broken UTF-8,
// control characters, more bytes than any policy allows.
func Normalize(pw string) (normalized string, ok bool) {
	if len(pw) > maxBytes || !utf8.ValidString(pw) {
		return "", false
	}
	normalized = norm.NFKC.String(pw)
	return normalized, !strings.ContainsFunc(normalized, unicode.IsControl)
}

// Check names every rule that pw breaks; none means it is good. History is not
// judged here: only the directory knows past passwords. A nil filter judges no
// breach.
func Check(p Policy, pw string, c Context, breached BreachFilter) []Refusal {
	if len(pw) > maxBytes {
		return []Refusal{{RuleTooLong, map[string]any{"count": p.MaxLength}}}
	}
	normalized, ok := Normalize(pw)
	if !ok {
		return []Refusal{{Rule: RuleControlCharacter}}
	}
	var refusals []Refusal
	refuse := func(rule string, args map[string]any) { refusals = append(refusals, Refusal{rule, args}) }

	// Each code point is one character, whatever it looks like (3.1.1.2).
	length := utf8.RuneCountInString(normalized)
	if length < p.MinLength {
		refuse(RuleTooShort, map[string]any{"count": p.MinLength})
	}
	if p.MaxLength > 0 && length > p.MaxLength {
		refuse(RuleTooLong, map[string]any{"count": p.MaxLength})
		return refusals
	}
	if p.Classes > 1 && classes(normalized) < p.Classes {
		refuse(RuleClasses, map[string]any{"count": p.Classes})
	}
	plain := fold(normalized)
	if containsName(plain, c, p.Banned) {
		refuse(RuleContainsName, nil)
	}
	if !reaches(normalized, termsOf(p.Banned)) {
		refuse(RuleBanned, nil)
	}
	// Lists hold passwords as they were typed elsewhere, mostly not normalized.
	if p.Breached == RefuseBreached && breached != nil && (breached.Contains(pw) || normalized != pw && breached.Contains(normalized)) {
		refuse(RuleBreached, nil)
	}
	return refusals
}

// classes counts kinds of characters: lower case, upper case, digits, others.
func classes(s string) int {
	var lower, upper, digit, other int
	for _, r := range s {
		switch {
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsDigit(r):
			digit = 1
		default:
			other = 1
		}
	}
	return lower + upper + digit + other
}

// minName is the shortest name that is looked for: shorter ones are in every
// other word.
const minName = 4

// containsName tells whether the person's or the organization's name is in the
// folded password. Of a person each name counts, of the organization the whole
// name and the first label of each domain: unless the organization lists it among
// its banned terms, which says that it is to be judged by points as they are.
func containsName(plain []rune, c Context, banned []string) bool {
	local, _, _ := strings.Cut(c.UserID, "@")
	var names []string
	for _, s := range []string{local, c.DisplayName, c.GivenName, c.FamilyName} {
		names = append(names, strings.FieldsFunc(s, notInName)...)
		names = append(names, s)
	}
	listed := make(map[string]bool, len(banned))
	for _, s := range banned {
		listed[string(fold(norm.NFKC.String(s)))] = true
	}
	organization := []string{c.OrgName}
	for _, d := range c.Domains {
		label, _, _ := strings.Cut(d, ".")
		organization = append(organization, label)
	}
	for _, s := range organization {
		if !listed[string(fold(norm.NFKC.String(s)))] {
			names = append(names, s)
		}
	}
	text := string(plain)
	for _, name := range names {
		// As written, and as people join it: without the spaces.
		folded := string(fold(norm.NFKC.String(name)))
		joined := strings.Join(strings.FieldsFunc(folded, notInName), "")
		for _, n := range []string{folded, joined} {
			if utf8.RuneCountInString(n) >= minName && strings.Contains(text, n) {
				return true
			}
		}
	}
	return false
}

func notInName(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }
