package method

import (
	"strings"
	"testing"
	"unicode/utf8"

	"kunci.dev/kunci/internal/problem"
)

func TestValidateEmail(t *testing.T) {
	own := []string{"contoso.com", "b\u00fccher.example"}
	for _, c := range []struct {
		name, in, want string
		code           problem.Code
	}{
		{"plain", "alain@gmail.com", "alain@gmail.com", ""},
		{"the local part stays as typed", "Alain.Charon+x@GMail.COM", "Alain.Charon+x@gmail.com", ""},
		{"surrounding spaces", " alain@gmail.com ", "alain@gmail.com", ""},
		{"international domain", "alain@m\u00fcnchen.example", "alain@xn--mnchen-3ya.example", ""},
		{"another script", "alain@\u4f8b\u3048.example", "alain@xn--r8jz45g.example", ""},
		{"own domain", "alain@contoso.com", "", problem.EmailOwnDomain},
		{"own domain in capitals", "alain@CONTOSO.com", "", problem.EmailOwnDomain},
		{"own domain in full width", "alain@\uff43ontoso.com", "", problem.EmailOwnDomain},
		{"own domain below", "alain@mail.contoso.com", "", problem.EmailOwnDomain},
		{"own international domain", "alain@xn--bcher-kva.example", "", problem.EmailOwnDomain},
		{"ends alike but is another", "alain@notcontoso.com", "alain@notcontoso.com", ""},
		{"two addresses", "a@gmail.com,b@gmail.com", "", problem.EmailInvalid},
		{"two at", "a@b@gmail.com", "", problem.EmailInvalid},
		{"header injection", "a@gmail.com\r\nBcc: b@evil.example", "", problem.EmailInvalid},
		{"line break in front", "\na@gmail.com", "", problem.EmailInvalid},
		{"display name", "Alain <alain@gmail.com>", "", problem.EmailInvalid},
		{"quoted", `"a b"@gmail.com`, "", problem.EmailInvalid},
		{"comment", "alain(x)@gmail.com", "", problem.EmailInvalid},
		{"address literal", "alain@[127.0.0.1]", "", problem.EmailInvalid},
		{"number", "alain@127.0.0.1", "", problem.EmailInvalid},
		{"no dot", "alain@localhost", "", problem.EmailInvalid},
		{"dots", "a..b@gmail.com", "", problem.EmailInvalid},
		{"dot in front", ".a@gmail.com", "", problem.EmailInvalid},
		{"NUL", "a\x00@gmail.com", "", problem.EmailInvalid},
		{"no local part", "@gmail.com", "", problem.EmailInvalid},
		{"no domain", "alain@", "", problem.EmailInvalid},
		{"a label too long", "a@" + strings.Repeat("b", 64) + ".example", "", problem.EmailInvalid},
		{"local part too long", strings.Repeat("a", 65) + "@gmail.com", "", problem.EmailInvalid},
		{"too long", "a@" + strings.Repeat("b.", 130) + "example", "", problem.EmailInvalid},
		{"empty", "", "", problem.EmailInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ValidateEmail(c.in, own)
			if got != c.want || (c.code != "") != (err != nil) || (c.code != "" && !problem.Has(err, c.code)) {
				t.Errorf("ValidateEmail(%q) = %q, %v", c.in, got, err)
			}
		})
	}
}

func FuzzValidateEmail(f *testing.F) {
	for _, s := range []string{"a@b.c", "a@\u00fc.example", "x@-a.b", "\"@\"@c.d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ValidateEmail(s, []string{"contoso.com"})
		if err != nil {
			return
		}
		if strings.ContainsAny(got, "\r\n\x00 ,;<>\"()") || strings.Count(got, "@") != 1 || len(got) > 254 || !utf8.ValidString(got) {
			t.Fatalf("%q became %q", s, got)
		}
		if again, err := ValidateEmail(got, nil); err != nil || again != got {
			t.Fatalf("%q is not stable: %q, %v", got, again, err)
		}
	})
}

func TestMask(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		value, want string
	}{
		{Email, "alain@contoso.com", "a…@c…"},
		{Email, "averyverylongname@x.example", "a…@x…"},
		{MobilePhone, "+6281234567812", "+••\u00a0••••\u00a0••12"},
		{MobilePhone, "+14255550112", "+••\u00a0••••\u00a0••12"},
		{OfficePhone, "+62215550199x12", "+••\u00a0••••\u00a0••99"},
		{AuthenticatorCode, "", ""},
	} {
		if got := Mask(c.kind, c.value); got != c.want {
			t.Errorf("Mask(%s, %q) = %q", c.kind, c.value, got)
		}
	}
}
