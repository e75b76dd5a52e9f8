package wording

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Segments is how a text message is sent: in which alphabet, how many places it
// takes there, and in how many parts, each of which is paid.
type Segments struct {
	GSM    bool // the 7-bit alphabet of GSM; else UCS-2, because of one character
	Places int
	Parts  int
}

// Sizes of one part, alone and as one of several: the header that puts them
// together takes six octets (3GPP TS 23.040, 9.2.3.24.1).
const (
	gsmOnePart, gsmOfSeveral   = 160, 153
	ucs2OnePart, ucs2OfSeveral = 70, 67
)

// SegmentsOf counts. A character of two places is not split between parts.
func SegmentsOf(text string) Segments {
	s := Segments{GSM: true}
	for _, r := range text {
		if GSMPlaces(r) == 0 {
			s.GSM = false
			break
		}
	}
	places, one, several := GSMPlaces, gsmOnePart, gsmOfSeveral
	if !s.GSM {
		places, one, several = func(r rune) int { return max(1, utf16.RuneLen(r)) }, ucs2OnePart, ucs2OfSeveral
	}
	room := 0
	for _, r := range text {
		n := places(r)
		s.Places += n
		if room < n {
			s.Parts++
			room = several
		}
		room -= n
	}
	if s.Places <= one {
		s.Parts = min(1, s.Places)
	}
	return s
}

// GSMPlaces is how many places a character takes in the alphabet of GSM (3GPP TS
// 23.038, 6.2.1); 0: it is not in it.
func GSMPlaces(r rune) int {
	switch {
	case strings.ContainsRune(gsmTwo, r):
		return 2
	case r < utf8.RuneSelf && (r >= ' ' && r != '`' && r != 0x7f || r == '\n' || r == '\r'), strings.ContainsRune(gsmOne, r):
		return 1
	}
	return 0
}

const (
	gsmOne = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà"
	gsmTwo = "^{}\\[~]|€" // written with an escape before them
)
