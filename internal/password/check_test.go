package password

import (
	"strings"
	"testing"
)

func own(terms ...string) []term {
	var out []term
	for _, s := range terms {
		t := fold(s)
		out = append(out, term{t, len(t) >= minFuzzy})
	}
	return out
}

func TestScore(t *testing.T) {
	for _, c := range []struct {
		name, pw string
		banned   []string
		want     int
	}{
		// Microsoft's published vectors.
		{"two terms and two digits", "C0ntos0Blank12", []string{"contoso", "blank"}, 4},
		{"two terms and three characters", "ContoS0Bl@nkf9!", []string{"contoso", "blank"}, 5},
		{"a term itself", "Bl@nK", []string{"contoso", "blank"}, 1},
		{"one replaced", "abcdeg", []string{"abcdef"}, 1},
		{"one more at the end", "abcdefg", []string{"abcdef"}, 2},
		{"one left out at the end", "abcde", []string{"abcdef"}, 1},
		// What the vectors leave open.
		{"one left out inside", "abdef", []string{"abcdef"}, 1},
		{"one left out in front", "bcdef", []string{"abcdef"}, 1},
		{"one put in", "abcxdef", []string{"abcdef"}, 1},
		{"two edits are none", "abxdeg", []string{"abcdef"}, 6},
		{"swapped letters are two edits", "abdcef", []string{"abcdef"}, 6},
		{"overlap: the covering that leaves least", "abcdefghij", []string{"abcdef", "efghij", "abcd"}, 2},
		{"a part does not hide the whole", "blankets", []string{"blank", "blankets"}, 1},
		{"short terms only exactly", "abxabc", []string{"abc"}, 4},
		{"a term in one way of writing", "ſandi", []string{"sandi"}, 1},
		{"nothing", "", []string{"abcdef"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := score(fold(c.pw), own(c.banned...), nil); got != c.want {
				t.Errorf("score(%q) = %d, want %d", c.pw, got, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	policy := Policy{MinLength: 12, MaxLength: 256}
	short := Policy{MinLength: 1, MaxLength: 256}
	poll := Context{GivenName: "Poll", UserID: "p@contoso.com"}
	alain := Context{UserID: "alain.charon@contoso.com", DisplayName: "Alain Charon", OrgName: "Contoso Bank", Domains: []string{"contoso.com"}}
	for _, c := range []struct {
		name string
		p    Policy
		pw   string
		c    Context
		want string
	}{
		{"good", policy, "hijau daun telaga", alain, ""},
		{"11 code points", policy, "hijau telag", alain, RuleTooShort},
		{"12 code points", policy, "hijau telaga", alain, ""},
		{"15 of one letter, composed", policy, strings.Repeat("\u00e9", 15), alain, ""},
		{"12 decomposed are 12", policy, strings.Repeat("e\u0301", 12), alain, ""},
		{"11 decomposed are 11", policy, strings.Repeat("e\u0301", 11), alain, RuleTooShort},
		{"12 emoji", policy, strings.Repeat("\U0001f511", 12), alain, ""},
		{"256", policy, strings.Repeat("ax9 ", 64), alain, ""},
		{"257", policy, strings.Repeat("ax9 ", 64) + "z", alain, RuleTooLong},
		{"huge", policy, strings.Repeat("a", 1<<20), alain, RuleTooLong},
		{"spaces are characters", policy, "  telaga 7  ", alain, ""},
		{"NUL", policy, "hijau\x00daun telaga", alain, RuleControlCharacter},
		{"line break", policy, "hijau\ndaun telaga", alain, RuleControlCharacter},
		{"broken UTF-8", policy, "hijau\xffdaun telaga", alain, RuleControlCharacter},
		{"name in look-alikes", short, "p0LL23fb", poll, RuleContainsName},
		{"part of the user ID", policy, "daun-Ch@r0n-telaga", alain, RuleContainsName},
		{"organization", policy, "daun contosobank telaga", alain, RuleContainsName},
		{"domain", policy, "daun-C0nt0s0-telaga", alain, RuleContainsName},
		{"three letters are no name", policy, "poldaun telaga", Context{GivenName: "Pol"}, ""},
		{"a common word with a year", policy, "Password2026!", alain, RuleBanned},
		{"Indonesian words", policy, "BismillahSukses", alain, RuleBanned},
		{"counting", policy, "1234567890123", alain, RuleBanned},
		{"a phrase with a listed word", policy, "my password is a green lake", alain, ""},
		{"own term", Policy{MinLength: 12, Banned: []string{"blankets"}}, "Blankets1234", Context{}, RuleBanned},
		{"own term with a good rest", Policy{MinLength: 12, Banned: []string{"blankets"}}, "Blankets7kvq", Context{}, ""},
		{"three classes asked, two there", Policy{MinLength: 12, Classes: 3}, "hijautelaga42", Context{}, RuleClasses},
		{"three classes asked and there", Policy{MinLength: 12, Classes: 3}, "hijauTelaga42", Context{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, r := range Check(c.p, c.pw, c.c, nil) {
				got = append(got, r.Rule)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("Check(%.40q) refuses with %q, want %q", c.pw, s, c.want)
			}
		})
	}
}

func TestCheckNamesEveryRule(t *testing.T) {
	got := Check(Policy{MinLength: 12, Classes: 4}, "alain1", Context{GivenName: "Alain"}, nil)
	if len(got) != 4 {
		t.Fatalf("refusals: %v", got)
	}
	for _, r := range got {
		for _, v := range r.Args {
			if v == "alain1" {
				t.Errorf("%s repeats the password", r.Rule)
			}
		}
	}
}

type filter map[string]bool

func (f filter) Contains(pw string) bool { return f[pw] }

func TestCheckBreached(t *testing.T) {
	f := filter{"hijau daun telaga": true}
	p := Policy{MinLength: 12, Breached: RefuseBreached}
	if got := Check(p, "hijau daun telaga", Context{}, f); len(got) != 1 || got[0].Rule != RuleBreached {
		t.Errorf("breached: %v", got)
	}
	// Lists have what was typed elsewhere; a keyboard may compose otherwise.
	for _, listed := range []string{"cafe\u0301 di tepi jalan", "caf\u00e9 di tepi jalan"} {
		if got := Check(p, "cafe\u0301 di tepi jalan", Context{}, filter{listed: true}); len(got) != 1 {
			t.Errorf("listed as %q: %v", listed, got)
		}
	}
	p.Breached = "off"
	if got := Check(p, "hijau daun telaga", Context{}, f); len(got) != 0 {
		t.Errorf("filter switched off: %v", got)
	}
}

func TestRulesFollowThePolicy(t *testing.T) {
	names := func(p Policy) (s []string) {
		for _, r := range Rules(p) {
			s = append(s, r.Name)
		}
		return s
	}
	got := strings.Join(names(Policy{MinLength: 12, MaxLength: 256, History: 5, Classes: 3, Breached: RefuseBreached}), " ")
	if want := "too_short too_long classes contains_name banned breached history"; got != want {
		t.Errorf("rules: %s", got)
	}
	got = strings.Join(names(Policy{MinLength: 12}), " ")
	if want := "too_short contains_name banned"; got != want {
		t.Errorf("rules: %s", got)
	}
}

// A thousand terms of the largest size against the longest password scored.
func BenchmarkScore(b *testing.B) {
	var terms []string
	for i := range 1000 {
		terms = append(terms, strings.Repeat("a", 12)+string(rune('b'+i%20))+"aaa")
	}
	list, pw := own(terms...), strings.Repeat("acaab", (needed-1)*17/5)
	for b.Loop() {
		reaches(pw, list)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"C0ntos0Blank12", "e\u0301", "\xff", "\x00", "ſandi", strings.Repeat("İ", 40)} {
		f.Add(s, "contoso")
	}
	f.Fuzz(func(t *testing.T, pw, banned string) {
		Check(Policy{MinLength: 12, MaxLength: 64, Banned: []string{banned}}, pw, Context{GivenName: banned}, nil)
		plain, terms := fold(pw), own(banned)
		if s := score(plain, terms, nil); s > len(plain) || (len(plain) > 0) != (s > 0) {
			t.Fatalf("score %d of %d characters", s, len(plain))
		}
	})
}
