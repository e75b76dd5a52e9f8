package ldap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

func TestAPasswordIsWrittenForActiveDirectory(t *testing.T) {
	for _, c := range []struct {
		pw, want string // want in hexadecimal
		err      error
	}{
		{"newPassword", "22006e0065007700500061007300730077006f00720064002200", nil}, // the example of MS-ADTS 3.1.1.3.1.5
		{"", "22002200", nil},
		{`"`, "220022002200", nil},
		{"é€", "2200e900ac202200", nil},
		{"\U0001f511", "22003dd811dd2200", nil},
		{"a\x00b", "", errNotText},
		{"broken \xff", "", errNotText},
		{"\xed\xa0\x80", "", errNotText}, // a surrogate alone
		{strings.Repeat("a", 256), "2200" + strings.Repeat("6100", 256) + "2200", nil},
		{strings.Repeat("a", 257), "", errTooLong},
		{strings.Repeat("\U0001f511", 128), "2200" + strings.Repeat("3dd811dd", 128) + "2200", nil},
		{strings.Repeat("\U0001f511", 129), "", errTooLong},
	} {
		got, err := adPassword(c.pw)
		if hex.EncodeToString([]byte(got)) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %x, %v; want %s, %v", c.pw, got, err, c.want, c.err)
		}
	}
}

func FuzzAPasswordIsWrittenForActiveDirectory(f *testing.F) {
	for _, pw := range []string{"hijau daun telaga", `"\`, "\U0001f511", "\x00", "\xff", "\u202b"} {
		f.Add(pw)
	}
	f.Fuzz(func(t *testing.T, pw string) {
		value, err := adPassword(pw)
		if err != nil {
			return
		}
		if len(value)%2 != 0 || len(value) < 4 || !strings.HasPrefix(value, "\"\x00") || !strings.HasSuffix(value, "\"\x00") {
			t.Fatalf("%q: %x", pw, value)
		}
		var units []uint16
		for at := 2; at < len(value)-2; at += 2 {
			units = append(units, uint16(value[at])|uint16(value[at+1])<<8)
		}
		if back := string(utf16.Decode(units)); back != pw {
			t.Fatalf("%q came back as %q", pw, back)
		}
	})
}

func TestTimesOfActiveDirectory(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Time
		ok   bool
	}{
		{"116444736000000000", time.Unix(0, 0), true},
		{"132000000000000000", time.Date(2019, 4, 17, 18, 40, 0, 0, time.UTC), true},
		{"116444736000000001", time.Unix(0, 100), true},
		{"1", time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC), true},
		{"0", time.Time{}, false},                   // pwdLastSet: must be changed; lockoutTime: never
		{"9223372036854775807", time.Time{}, false}, // accountExpires: never
		{"-1", time.Time{}, false},
		{"", time.Time{}, false},
		{"20260101000000.0Z", time.Time{}, false},
		{"9223372036854775808", time.Time{}, false},
	} {
		got, ok := adTime(c.text)
		if !got.Equal(c.want) || ok != c.ok {
			t.Errorf("%q: %v, %v; want %v, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestIntervalsOfActiveDirectory(t *testing.T) {
	for _, c := range []struct {
		text    string
		want    time.Duration
		forEver bool
	}{
		{"-18000000000", 30 * time.Minute, false},
		{"-864000000000", 24 * time.Hour, false},
		{"0", 0, false},
		{"-1", 100 * time.Nanosecond, false},
		{"-9223372036854775808", 0, true},
		{strconv.FormatInt(-int64(math.MaxInt64/100), 10), math.MaxInt64 / 100 * 100, false},
		{strconv.FormatInt(-int64(math.MaxInt64/100)-1, 10), 0, true},
		{"1", 0, false},
		{"", 0, false},
		{"P1D", 0, false},
	} {
		got, forEver := adInterval(c.text)
		if got != c.want || forEver != c.forEver {
			t.Errorf("%q: %v, %v; want %v, %v", c.text, got, forEver, c.want, c.forEver)
		}
	}
}

func FuzzTimesOfActiveDirectory(f *testing.F) {
	for _, text := range []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "134401017415194400"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := adTime(text)
		if !ok != at.IsZero() {
			t.Fatalf("%q: %v, %v", text, at, ok)
		}
		if ok {
			ticks := at.Unix()*second + int64(at.Nanosecond())/int64(tick) + adEpoch
			if n, _ := strconv.ParseInt(text, 10, 64); n != ticks {
				t.Fatalf("%q came back as %d", text, ticks)
			}
		}
		if d, _ := adInterval(text); d < 0 {
			t.Fatalf("%q lasts %v", text, d)
		}
	})
}

func TestAGUIDIsAKey(t *testing.T) {
	b, _ := hex.DecodeString("e3a3a7b75165504fbd47b756296c67f2")
	const text = "b7a7a3e3-6551-4f50-bd47-b756296c67f2"
	if got := adGUID(b); got != text {
		t.Errorf("%x is %q, want %q", b, got, text)
	}
	if back, ok := adGUIDBytes(text); !ok || !bytes.Equal(back, b) {
		t.Errorf("%q is %x, %v", text, back, ok)
	}
	a := &activeDirectory{}
	if got, want := a.keyFilter(text), `(objectGUID=\e3\a3\a7\b7\51\65\50\4f\bd\47\b7\56\29\6c\67\f2)`; got != want {
		t.Errorf("filter %s, want %s", got, want)
	}
	for _, key := range []string{
		"", "*", "B7A7A3E3-6551-4F50-BD47-B756296C67F2", "{" + text + "}", text + "\n", text[1:], strings.ReplaceAll(text, "-", ""),
		"b7a7a3e3-6551-4f50-bd47-b756296c67f2)(uid=*", "b7a7a3e36551-4f50-bd47-b756296c67f2-",
	} {
		if got := a.keyFilter(key); got != "" {
			t.Errorf("%q gives the filter %s", key, got)
		}
	}
	for _, short := range [][]byte{nil, b[:15], append(b, 0)} {
		if got := adGUID(short); got != "" {
			t.Errorf("%x gives the key %q", short, got)
		}
	}
}

func FuzzAGUIDIsAKey(f *testing.F) {
	f.Add("b7a7a3e3-6551-4f50-bd47-b756296c67f2")
	f.Add("*")
	f.Fuzz(func(t *testing.T, text string) {
		b, ok := adGUIDBytes(text)
		if ok && adGUID(b) != text {
			t.Fatalf("%q came back as %q", text, adGUID(b))
		}
		if ok && len(escapedBytes(b)) != 48 {
			t.Fatalf("%q is %q in a filter", text, escapedBytes(b))
		}
	})
}

func TestSecurityIdentifiers(t *testing.T) {
	for _, c := range []struct{ hex, want string }{
		{"01020000000000052000000020020000", "S-1-5-32-544"},
		{"010500000000000515000000c9f1c3ef92e1aeac3f252f7d00020000", "S-1-5-21-4022596041-2897142162-2100241727-512"},
		{"010100000000000000000000", "S-1-0-0"},
		{"", ""},
		{"0102000000000005200000002002000000", ""}, // a byte too many
		{"02020000000000052000000020020000", ""},   // another revision
		{"010f000000000005", ""},
	} {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := adSID(b); got != c.want {
			t.Errorf("%s is %q, want %q", c.hex, got, c.want)
		}
	}
}

func FuzzSecurityIdentifiers(f *testing.F) {
	f.Add([]byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := adSID(b); got != "" && strings.Count(got, "-") != 2+int(b[1]) {
			t.Fatalf("%x is %q", b, got)
		}
	})
}

func TestProtectedGroups(t *testing.T) {
	const domain = "S-1-5-21-1-2-3-"
	for _, c := range []struct {
		sid  string
		want bool
	}{
		{domain + "512", true}, {domain + "519", true}, {domain + "527", true}, {"S-1-5-32-544", true}, {"S-1-5-32-552", true},
		{domain + "513", false},   // Domain Users
		{domain + "5120", false},  // an ordinary group
		{"S-1-5-32-545", false},   // Users
		{"S-1-5-32-512", false},   // not of a domain
		{"S-1-5-21-512-2", false}, // ends otherwise
		{"S-1-1-0", false},        // Everyone
		{"", false}, {"S", false}, // not read
	} {
		if got := protected([]string{domain + "513", c.sid}); got != c.want {
			t.Errorf("%q: %v, want %v", c.sid, got, c.want)
		}
	}
	if !protectedAccount(domain+"500") || protectedAccount(domain+"1500") {
		t.Error("the administrator is known by the identifier that ends in 500")
	}
}
