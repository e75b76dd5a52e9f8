package challenge

import (
	"testing"
	"time"
	"unicode"

	"kunci.dev/kunci/internal/method"
)

func TestTOTPWindowIsOneStepEachWay(t *testing.T) {
	seed, now, o := []byte("12345678901234567890"), time.Unix(2000000000, 0), method.AppOATH
	for off := int64(-3); off <= 3; off++ {
		step := o.Step(now) + off
		got, ok := totpMatch(o, seed, o.Code(seed, step), now, 0)
		if want := off >= -1 && off <= 1; ok != want || ok && got != step {
			t.Errorf("step %+d: matched %v as %d", off, ok, got-step)
		}
	}
}

func TestNormalizeDigits(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"12345678", "12345678", true},
		{" 1234 5678 ", "12345678", true},
		{"1234\u00a05678", "12345678", true},
		{"1234-5678", "12345678", true},
		{"\u200b1234\u200d5678\ufeff", "12345678", true},
		{"\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "12345678", true},
		{"\u0661\u0662\u0663\u0664\u0665\u0666\u0660\u0669", "12345609", true},
		{"\u06f1\u06f2\u06f3", "123", true},
		{"+1234567", "", false},
		{"1e3", "", false},
		{"12a4", "", false},
		{"", "", false},
		{"\xff1", "", false},
	} {
		if got, ok := normalizeDigits(c.in); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %q %v, want %q %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

// digitValue counts on the ranges of Unicode's decimal digits being whole tens.
func TestDigitRangesAreWholeTens(t *testing.T) {
	for _, r := range unicode.Nd.R16 {
		if r.Stride != 1 || (r.Hi-r.Lo+1)%10 != 0 {
			t.Errorf("%x-%x", r.Lo, r.Hi)
		}
	}
	for _, r := range unicode.Nd.R32 {
		if r.Stride != 1 || (r.Hi-r.Lo+1)%10 != 0 {
			t.Errorf("%x-%x", r.Lo, r.Hi)
		}
	}
}

func FuzzNormalizeDigits(f *testing.F) {
	f.Add("1234 5678")
	f.Add("\uff11\u0661")
	f.Fuzz(func(t *testing.T, s string) {
		once, ok := normalizeDigits(s)
		if !ok {
			return
		}
		if twice, ok := normalizeDigits(once); !ok || twice != once {
			t.Fatalf("%q: %q, then %q", s, once, twice)
		}
		for _, c := range once {
			if c < '0' || c > '9' {
				t.Fatalf("%q gave %q", s, once)
			}
		}
	})
}
