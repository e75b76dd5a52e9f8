package directory_test

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory"
)

func TestNormalizeUserID(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"as typed", "alain@contoso.com", "alain@contoso.com"},
		{"ASCII case", "Alain@CONTOSO.com", "alain@contoso.com"},
		{"surrounding spaces", " \talain@contoso.com\n", "alain@contoso.com"},
		{"decomposed", "rene\u0301@contoso.com", "ren\u00e9@contoso.com"},
		{"accents stay apart", "ren\u00e9@contoso.com", "ren\u00e9@contoso.com"},
		{"capital accent is not folded", "REN\u00c9@contoso.com", "ren\u00c9@contoso.com"},
		{"Kelvin sign is nobody", "mi\u212ae@contoso.com", ""},
		{"long s is not s", "\u017fam@contoso.com", "\u017fam@contoso.com"},
		{"dotless i is not i", "m\u0131ke@contoso.com", "m\u0131ke@contoso.com"},
		{"full width is not ASCII", "\uff41lain@contoso.com", "\uff41lain@contoso.com"},
		{"NUL", "alain@contoso.com\x00", ""},
		{"line break inside", "alain\r\nbcc:x@contoso.com", ""},
		{"zero width", "al\u200bain@contoso.com", ""},
		{"right-to-left override", "al\u202eain@contoso.com", ""},
		{"broken UTF-8", "al\xffain", ""},
		{"too long", strings.Repeat("a", directory.MaxUserIDBytes+1), ""},
		{"empty", "  ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := directory.NormalizeUserID(c.in)
			if got != c.want {
				t.Errorf("NormalizeUserID(%q) = %q, want %q", c.in, got, c.want)
			}
			if again := directory.NormalizeUserID(got); again != got {
				t.Errorf("not stable: %q became %q", got, again)
			}
		})
	}
}

func FuzzNormalizeUserID(f *testing.F) {
	for _, s := range []string{"a@b", "\u212a", "e\u0301\u0301", " \u2003x", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := directory.NormalizeUserID(s)
		if twice := directory.NormalizeUserID(once); once != twice {
			t.Fatalf("%q: %q then %q", s, once, twice)
		}
	})
}
