package method

import (
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"kunci.dev/kunci/internal/problem"
)

// Lengths of what is looked at, in bytes, and of an extension, in digits.
const (
	maxPhone     = 64
	maxExtension = 10
)

// PhoneRegion guesses the country of a number that is written without its code:
// the first one an organization allows, else the one its language is at home in.
// Empty: nobody can know.
func PhoneRegion(countries []string, language string) string {
	if len(countries) > 0 {
		return countries[0]
	}
	if language == "id" {
		return "ID"
	}
	return "" // English is at home in too many
}

// KnownCountry tells whether numbers of a country (ISO 3166-1 alpha-2) are known.
func KnownCountry(country string) bool { return phonenumbers.GetSupportedRegions()[country] }

// ParsePhone gives the form in which a number is stored: E.164, with "x" and an
// extension where the kind has one. It takes what people write: any script's
// digits, spaces, hyphens, dots and brackets, "00" for "+", and a number
// without its country's code where region says which country is meant.
//
// Refusals, all on the field "phone": PhoneInvalid (not a number that can
// exist), PhoneCost (premium, shared-cost and service numbers, which fraud
// lives on and no person has), PhoneNotMobile (a mobile phone that can receive
// no text).
func ParsePhone(k Kind, typed, region string) (string, error) {
	number, extension, ok := readPhone(typed, region)
	if !ok || !phonenumbers.IsValidNumber(number) || extension != "" && k != OfficePhone {
		return "", problem.New(problem.PhoneInvalid).On("phone")
	}
	mobile := false
	switch phonenumbers.GetNumberType(number) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
		mobile = true
	case phonenumbers.FIXED_LINE, phonenumbers.VOIP:
	default:
		return "", problem.New(problem.PhoneCost).On("phone")
	}
	if k == MobilePhone && !mobile {
		return "", problem.New(problem.PhoneNotMobile).On("phone")
	}
	return join(number, extension), nil
}

// NormalizePhone is ParsePhone for a number with its country's code: nobody
// guesses what a file or a row means.
func NormalizePhone(s string, extension bool) (string, error) {
	if extension {
		return ParsePhone(OfficePhone, s, "")
	}
	return ParsePhone(MobilePhone, s, "")
}

// PhoneAllowed tells whether a stored number belongs to one of the countries.
// The country is that of the number, not of its code: +1 876 is Jamaica.
func PhoneAllowed(value string, countries []string) bool {
	return slices.Contains(countries, PhoneCountry(value))
}

// PhoneCountry is the country of a stored number; "001" for one of none.
func PhoneCountry(value string) string {
	e164, _ := SplitPhone(value)
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return ""
	}
	return phonenumbers.GetRegionCodeForNumber(number)
}

// SplitPhone gives the number and the extension of a stored value.
func SplitPhone(value string) (e164, extension string) {
	e164, extension, _ = strings.Cut(value, "x")
	return e164, extension
}

// SamePhone tells, in a time that does not depend on where they differ, whether
// somebody typed the number that is stored. What is written without a country's
// code is read as a number of the stored one's country. The extension may be
// left out: many people dial it without ever having read it. Problem
// PhoneInvalid: no number at all, so nothing was compared.
func SamePhone(stored, typed string) (bool, error) {
	number, extension, ok := readPhone(typed, PhoneCountry(stored))
	if !ok {
		return false, problem.New(problem.PhoneInvalid).On("destination")
	}
	e164, own := SplitPhone(stored)
	if extension == "" {
		extension = own
	}
	same := subtle.ConstantTimeCompare([]byte(e164), []byte(join(number, "")))
	return same&subtle.ConstantTimeCompare([]byte(own), []byte(extension)) == 1, nil
}

func join(number *phonenumbers.PhoneNumber, extension string) string {
	e164 := phonenumbers.Format(number, phonenumbers.E164)
	if extension == "" {
		return e164
	}
	return e164 + "x" + extension
}

// readPhone reads a number as it is written. The second attempt is for "00",
// which is how most of the world dials abroad, but not the library's countries.
func readPhone(typed, region string) (*phonenumbers.PhoneNumber, string, bool) {
	digits, extension, ok := cleanPhone(typed)
	if !ok {
		return nil, "", false
	}
	number, err := phonenumbers.Parse(digits, region)
	if rest, zeros := strings.CutPrefix(digits, "00"); zeros && (err != nil || !phonenumbers.IsValidNumber(number)) {
		number, err = phonenumbers.Parse("+"+rest, "")
	}
	if err != nil {
		return nil, "", false
	}
	return number, extension, true
}

// marks are what people write before an extension; the longest first.
var marks = []string{";ext=", "extension", "pesawat", "ext.", "ext", "pes.", "pes", "x", "#"}

// cleanPhone leaves plus and digits, and the extension apart from them. Letters
// are refused: 1-800-FLOWERS is how an expensive number hides.
func cleanPhone(typed string) (digits, extension string, ok bool) {
	if len(typed) > maxPhone || !utf8.ValidString(typed) {
		return "", "", false
	}
	s := strings.TrimPrefix(strings.ToLower(strings.TrimSpace(typed)), "tel:")
	number, after, marked := s, "", false
	for _, mark := range marks {
		if number, after, marked = strings.Cut(s, mark); marked {
			break
		}
	}
	if digits, ok = plainDigits(number, true); !ok || digits == "" {
		return "", "", false
	}
	if !marked {
		return digits, "", true
	}
	extension, ok = plainDigits(after, false)
	return digits, extension, ok && extension != "" && len(extension) <= maxExtension
}

func plainDigits(s string, plus bool) (string, bool) {
	var b strings.Builder
	for _, r := range s {
		d, digit := Digit(r)
		switch {
		case digit:
			b.WriteByte('0' + d)
		case (r == '+' || r == '＋') && plus && b.Len() == 0:
			b.WriteByte('+')
		case unicode.IsSpace(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Pd, r), strings.ContainsRune(".()/[]−·", r):
		default:
			return "", false
		}
	}
	return b.String(), true
}

// Digit is the value of a decimal digit of any script: Unicode keeps the ten
// digits of a script together, and every run of them in the table Nd is a
// multiple of ten long.
func Digit(r rune) (byte, bool) {
	if r >= '0' && r <= '9' {
		return byte(r - '0'), true
	}
	for _, t := range unicode.Nd.R16 {
		if lo, hi := rune(t.Lo), rune(t.Hi); r >= lo && r <= hi {
			return byte((r - lo) % 10), true
		}
	}
	for _, t := range unicode.Nd.R32 {
		if lo, hi := rune(t.Lo), rune(t.Hi); r >= lo && r <= hi {
			return byte((r - lo) % 10), true
		}
	}
	return 0, false
}

// ShowPhone writes a stored number as people read it: in groups, with its
// country's code, and the extension after it. For its own person alone.
func ShowPhone(value string) string {
	e164, extension := SplitPhone(value)
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return value
	}
	if e164 = phonenumbers.Format(number, phonenumbers.INTERNATIONAL); extension != "" {
		e164 += " x" + extension
	}
	return e164
}

// SpacedPhone writes a stored number as Microsoft Graph does: a space after the
// country's code, "x" before an extension.
func SpacedPhone(value string) string {
	e164, extension := SplitPhone(value)
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return value
	}
	code := "+" + strconv.Itoa(int(number.GetCountryCode()))
	spaced := code + " " + strings.TrimPrefix(e164, code)
	if extension != "" {
		spaced += "x" + extension
	}
	return spaced
}
