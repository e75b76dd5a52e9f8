package directory

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxUserIDBytes bounds what is looked up. Entra allows 113 characters; the
// bound leaves room for four-byte ones.
const MaxUserIDBytes = 456

// NormalizeUserID gives the form in which user IDs are compared, stored and
// counted: surrounding spaces gone, canonical composition (NFC), ASCII letters
// in lower case. Only ASCII is folded: under Unicode folding the Kelvin sign
// becomes k and the long s becomes s, and one person could be asked for as
// another.
//
// A text that cannot be a user ID at all gives "", and "" is nobody.
func NormalizeUserID(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > MaxUserIDBytes || !utf8.ValidString(s) {
		return ""
	}
	for _, r := range s {
		if unprintable(r) || becomesASCII(r) {
			return ""
		}
	}
	return lowerASCII(norm.NFC.String(s))
}

// becomesASCII finds the few characters that NFC itself replaces by an ASCII
// one (the Kelvin sign, the Greek question mark): look-alikes of another user ID.
func becomesASCII(r rune) bool {
	if r < utf8.RuneSelf {
		return false
	}
	n := norm.NFC.String(string(r))
	return len(n) > 0 && n[0] < utf8.RuneSelf
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// unprintable characters cannot be seen by the person who compares two user IDs:
// controls, and the invisible and direction-changing ones of Unicode.
func unprintable(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	case r == 0x00ad, r == 0xfeff:
		return true
	}
	return false
}
