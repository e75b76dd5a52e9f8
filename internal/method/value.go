package method

import (
	"net/mail"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"kunci.dev/kunci/internal/problem"
)

// Lengths of RFC 5321, 4.5.3.1, and of a usable path (erratum 1690).
const (
	maxEmail  = 254
	maxLocal  = 64
	maxDomain = 253
	maxLabel  = 63
)

// ValidateEmail gives the form in which an address is stored and written to: the
// local part as typed, the domain in ASCII (IDNA) and lower case. domains are
// the organization's own: a mailbox there opens with the very password that was
// forgotten, so it and its subdomains are refused.
//
// Only plain addresses are taken: no display name, comment, quoted local part
// or address literal, hence no character that could end a header or start
// another recipient. Refusals: problem EmailInvalid, EmailOwnDomain.
func ValidateEmail(addr string, domains []string) (string, error) {
	invalid := problem.New(problem.EmailInvalid).On("email")
	addr = strings.Trim(addr, " \t")
	at := strings.LastIndexByte(addr, '@')
	if at < 1 || len(addr) > maxEmail {
		return "", invalid
	}
	local, domain := addr[:at], ""
	if !validLocal(local) {
		return "", invalid
	}
	domain, ok := ASCIIDomain(addr[at+1:])
	if !ok || !strings.Contains(domain, ".") {
		return "", invalid
	}
	normalized := local + "@" + domain
	parsed, err := mail.ParseAddress(normalized)
	if err != nil || parsed.Address != normalized || len(normalized) > maxEmail {
		return "", invalid
	}
	for _, own := range domains {
		own, ok := ASCIIDomain(own)
		if ok && (domain == own || strings.HasSuffix(domain, "."+own)) {
			return "", problem.New(problem.EmailOwnDomain, "domain", own).On("email")
		}
	}
	return normalized, nil
}

// validLocal takes the dot-atom of RFC 5322, 3.2.3.
func validLocal(s string) bool {
	if len(s) > maxLocal {
		return false
	}
	for _, atom := range strings.Split(s, ".") {
		if atom == "" {
			return false
		}
		for _, r := range atom {
			if !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) {
				return false
			}
		}
	}
	return true
}

// ASCIIDomain gives a domain name in the form that is sent and compared: lower
// case, each label that is not ASCII in Punycode (RFC 3492) after compatibility
// composition.
func ASCIIDomain(s string) (string, bool) {
	s = strings.ToLower(norm.NFKC.String(s))
	labels := strings.Split(s, ".")
	for i, label := range labels {
		ascii, ok := asciiLabel(label)
		if !ok {
			return "", false
		}
		labels[i] = ascii
	}
	s = strings.Join(labels, ".")
	last := labels[len(labels)-1]
	return s, len(s) <= maxDomain && strings.Trim(last, "0123456789") != ""
}

func asciiLabel(label string) (string, bool) {
	if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
		return "", false
	}
	ascii := true
	for _, r := range label {
		switch {
		case r == '-' || isAlphanumeric(r):
		case r > unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)):
			ascii = false
		default:
			return "", false
		}
	}
	if !ascii {
		label = "xn--" + punycode([]rune(label))
	}
	return label, len(label) <= maxLabel
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// sameAs gives the text two values share when they reach the same place, so
// that one mailbox cannot be registered as two: letter case and a "+tag" in the
// local part make no other mailbox; an extension is another telephone.
func sameAs(k Kind, value string) string {
	if k != Email {
		return value
	}
	local, domain, _ := strings.Cut(strings.ToLower(value), "@")
	if base, _, tagged := strings.Cut(local, "+"); tagged && base != "" {
		local = base
	}
	return local + "@" + domain
}
