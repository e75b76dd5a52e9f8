package notify

import (
	"strings"

	"kunci.dev/kunci/internal/wording"
)

// oneText is how many characters a text has before it is sent, and paid, as two.
const oneText = 160

// text is a code as a text message: what it is for, who sends it, that nobody
// asks for it, and a last line that lets a browser fill the code in on our own
// page and nowhere else (WICG, "Origin-bound one-time codes delivered via SMS").
// The organization's name is shortened where the whole would not fit into one text.
func (c composer) text(code Code, host string) string {
	purpose := oneOf(code.Purpose, purposes...)
	number, name := digits(code.Code), []rune(simple.Replace(c.org))
	last := "\n@" + host + " #" + number
	if purpose == PurposeCaller {
		last = "" // it is read out: no page has a field for it
	}
	return fit(func(org string) string { return c.p.T("notify.sms."+purpose, "code", number, "org", org) + last }, name)
}

// fit shortens the organization's name where the whole would not fit into one text.
func fit(write func(org string) string, name []rune) string {
	long, whole := name, write(string(name))
	for gsm(whole) > oneText && len(name) > 4 {
		name = name[:len(name)-1]
		whole = write(strings.TrimSpace(string(name)) + "...")
	}
	if gsm(whole) > oneText {
		return write(string(long)) // it is two texts either way
	}
	return whole
}

// gsm counts the places a text takes in the alphabet of GSM; a text with any
// other character is sent in one of 70 places, and counts as just fitting:
// shortening it would not help.
func gsm(s string) int {
	if counted := wording.SegmentsOf(s); counted.GSM {
		return counted.Places
	}
	return 0
}

// simple writes what typography puts into names in characters that GSM has: one
// of them would make the whole text two.
var simple = strings.NewReplacer("…", "...", "‘", "'", "’", "'", "“", `"`, "”", `"`, "–", "-", "—", "-", "\u00a0", " ")
