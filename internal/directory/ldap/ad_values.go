package ldap

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Active Directory's own ways of writing values (MS-ADTS 3.1.1.2.2, MS-DTYP 2.3).

// adLongest is how many UTF-16 units a password has at most: SAM carries it in a
// buffer of 512 bytes (MS-SAMR 2.2.6.21).
const adLongest = 256

var (
	errNotText = errors.New("the password is not text in UTF-8")
	errTooLong = fmt.Errorf("the password has more than %d UTF-16 units", adLongest)
)

// adPassword is a password as unicodePwd takes it: UTF-16, little-endian, in
// double quotes (MS-ADTS 3.1.1.3.1.5). Quotes inside stay as they are.
func adPassword(pw string) (string, error) {
	if !utf8.ValidString(pw) || strings.ContainsRune(pw, 0) {
		return "", errNotText
	}
	units := utf16.Encode([]rune(pw))
	if len(units) > adLongest {
		return "", errTooLong
	}
	b := make([]byte, 0, 2*len(units)+4)
	b = append(b, '"', 0)
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(append(b, '"', 0)), nil
}

const (
	// ticks of 100 ns from 1601 to 1970.
	adEpoch = 116_444_736_000_000_000
	tick    = 100 * time.Nanosecond
	second  = int64(time.Second / tick)
)

// adTime reads a point in time (FILETIME). Zero and the largest number mean that
// there is none; what is no number is none either.
func adTime(text string) (time.Time, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n == math.MaxInt64 {
		return time.Time{}, false
	}
	n -= adEpoch
	return time.Unix(n/second, n%second*int64(tick)).UTC(), true
}

// adInterval reads a length of time, which Active Directory writes below zero.
// The smallest number, and whatever is longer than a Duration, is for ever.
func adInterval(text string) (d time.Duration, forEver bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > 0 {
		return 0, false
	}
	if n < -int64(math.MaxInt64/tick) {
		return 0, true
	}
	return time.Duration(-n) * tick, false
}

// adGUID writes the 16 bytes of objectGUID as text. Its first three groups are
// stored little-endian (MS-DTYP 2.3.4.2).
func adGUID(b []byte) string {
	if len(b) != 16 {
		return ""
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:])
}

var guidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// adGUIDBytes reads what adGUID writes, and nothing else.
func adGUIDBytes(text string) ([]byte, bool) {
	if !guidForm.MatchString(text) {
		return nil, false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		return nil, false
	}
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5], b[6], b[7] = b[5], b[4], b[7], b[6]
	return b, true
}

// adSID writes a security identifier as text; "" for what is none (MS-DTYP 2.4.2).
func adSID(b []byte) string {
	if len(b) < 8 || b[0] != 1 || len(b) != 8+4*int(b[1]) {
		return ""
	}
	var authority uint64
	for _, x := range b[2:8] {
		authority = authority<<8 | uint64(x)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "S-1-%d", authority)
	for at := 8; at < len(b); at += 4 {
		fmt.Fprintf(&text, "-%d", binary.LittleEndian.Uint32(b[at:]))
	}
	return text.String()
}

// escapedBytes is a value of bytes as a filter takes it.
func escapedBytes(b []byte) string {
	var text strings.Builder
	for _, x := range b {
		fmt.Fprintf(&text, "\\%02x", x)
	}
	return text.String()
}
