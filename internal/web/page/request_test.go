package page

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/problem"
)

func TestWhatNoFormOfOursSendsIsRefused(t *testing.T) {
	for body, want := range map[string]problem.Code{
		"a=1&b=2":                              "",
		"a=1&a=2":                              problem.BadInput,
		"a[]=1":                                problem.BadInput,
		"a%5Bb%5D=1":                           problem.BadInput,
		"a=%ff":                                problem.BadInput,
		"a=%zz":                                problem.BadInput,
		"a=" + strings.Repeat("x", longest):    "",
		"a=" + strings.Repeat("x", longest+1):  problem.TooLong,
		strings.Repeat("x", 65) + "=1":         problem.TooLong,
		"code=" + strings.Repeat("x", longest): "",
		"message=" + strings.Repeat("x", longestDocument):   "", // the page refuses it, and keeps it
		"message=" + strings.Repeat("x", longestDocument+1): problem.TooLong,
	} {
		r := httptest.NewRequest("POST", "/x?a=other", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form, err := ReadForm(r)
		refusal, refused := problem.As(err)
		switch {
		case want == "" && (err != nil || len(form) == 0):
			t.Errorf("%.20s: %v", body, err)
		case want != "" && (!refused || refusal.Code != want):
			t.Errorf("%.20s: %v, want %s", body, err, want)
		}
	}
}

func TestAListComesApartFromTheOtherFields(t *testing.T) {
	for body, want := range map[string][]string{
		"a=1":                                    nil,
		"l[]=x&a=1":                              {"x"},
		"l[]=x&l%5B%5D=y&a=1&l[]=x":              {"x", "y", "x"},
		"a=1" + strings.Repeat("&l[]=x", 20):     slices.Repeat([]string{"x"}, 20),
		"a=1&l[]=" + strings.Repeat("x", 5000):   {"refused"},
		"a=1" + strings.Repeat("&l[]=x", 21):     {"refused"},
		"a=1&l[]=%ff":                            {"refused"},
		"a=1&a=1&l[]=x":                          {"refused"},
		"a=1&other[]=x":                          {"refused"},
		"a=1&l[]=x&l=y&" + "b[]=1":               {"refused"},
		"a=1&l[0]=x":                             {"refused"},
		"a=1&l[]=x&" + strings.Repeat("z", 65):   {"refused"},
		"a=1&l[]=x&b=" + strings.Repeat("x", 10): {"x"},
	} {
		r := httptest.NewRequest("POST", "/x?l[]=address", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form, got, err := ReadListForm(r, "l[]")
		if _, refused := problem.As(err); refused {
			got = []string{"refused"}
		} else if err != nil || form["a"] != "1" || form["l[]"] != "" {
			t.Errorf("%.30s: form %v, %v", body, form, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.30s: %q, want %q", body, got, want)
		}
	}
}
