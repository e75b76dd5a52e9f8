package method

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
)

func TestAPassIsReadAsPeopleTypeIt(t *testing.T) {
	s, err := New(Deps{Keys: secrettest.NewTestKeyset(t)})
	if err != nil {
		t.Fatal(err)
	}
	pass, hash, err := s.NewPass(t.Context(), 12)
	if err != nil || len(pass) != 14 {
		t.Fatalf("%d characters, %v", len(pass), err)
	}
	if strings.Contains(string(hash), strings.ReplaceAll(pass, "-", "")) {
		t.Error("the hash holds the pass")
	}
	for typed, want := range map[string]bool{
		pass: true, strings.ToUpper(pass): true, " " + strings.ReplaceAll(pass, "-", " ") + " ": true,
		strings.ReplaceAll(pass, "0", "O"): true, strings.ReplaceAll(pass, "1", "l"): true,
		"0000-0000-0000": false, pass[:13]: false, pass + "0": false,
	} {
		got, err := s.HashPass(t.Context(), hash, typed)
		if err != nil || MatchPass(hash, got) != want {
			t.Errorf("%q: %v, %v", typed, MatchPass(hash, got), err)
		}
	}
	for _, typed := range []string{"", "short", strings.Repeat("a", 49), "uuuu-uuuu", "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"} {
		if _, err := s.HashPass(t.Context(), hash, typed); !problem.Has(err, problem.CodeFormat) {
			t.Errorf("%q: %v", typed, err)
		}
	}
	for _, length := range []int{MinPass - 1, MaxPass + 1} {
		if _, _, err := s.NewPass(t.Context(), length); err == nil {
			t.Errorf("a pass of %d characters", length)
		}
	}
	if MatchPass(hash, nil) || MatchPass(nil, hash) || MatchPass(hash[:10], hash) {
		t.Error("nothing matches something")
	}
}

func FuzzNormalizePass(f *testing.F) {
	f.Add("abcd-efgh-jkmn")
	f.Add("OIL 0000 1111")
	f.Fuzz(func(t *testing.T, typed string) {
		text, ok := NormalizePass(typed)
		if !ok {
			return
		}
		if again, ok := NormalizePass(text); !ok || again != text {
			t.Fatalf("%q became %q and then %q", typed, text, again)
		}
	})
}
