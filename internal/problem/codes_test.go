package problem_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Programs act on codes: one that was handed out is never spelled in another way and
// never goes. A new one is added to testdata/codes.txt, and stays there.
func TestCodesAreStable(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	handedOut, err := os.ReadFile("testdata/codes.txt")
	if err != nil {
		t.Fatal(err)
	}
	var are []string
	for _, m := range regexp.MustCompile(`(?m)^\t\w+\s+Code = "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		are = append(are, m[1])
	}
	were := strings.Fields(string(handedOut))
	for _, code := range were {
		if !slices.Contains(are, code) {
			t.Errorf("%s was handed out and is gone", code)
		}
	}
	for _, code := range are {
		if !slices.Contains(were, code) {
			t.Errorf("%s is new: add it to testdata/codes.txt", code)
		}
	}
	if len(are) < 90 {
		t.Errorf("%d codes", len(are))
	}
}
