package api

import "testing"

func TestABodyHoldsEachNameOnce(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"a":1,"b":{"a":2},"c":[{"a":1},{"a":2}]}`: true,
		`[{"a":1},2,"a","a"]`:                       true,
		`"text"`:                                    true,
		`{"a":"a","b":"a"}`:                         true,
		`{"a":1,"a":2}`:                             false,
		`{"a":1,"A":2}`:                             false,
		`{"Note":"x"}`:                              false,
		`{"a":{"b":1,"b":2}}`:                       false,
		`{"a":[{"b":1,"c":[],"b":2}]}`:              false,
		`{"a":{},"a":1}`:                            false,
		`{"a":[],"a":[]}`:                           false,
		`{"a":1`:                                    true, // left to the reader behind, which says what is missing
		`{"a" 1}`:                                   false,
		`{"a":"b\u0000"}`:                           false,
		`{"a\u0000":1}`:                             false,
		`["b\u0000c"]`:                              false,
	} {
		if err := oneOfEachName([]byte(body), false); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func FuzzOneOfEachName(f *testing.F) {
	f.Add(`{"a":[{"b":1},{}],"c":"c"}`)
	f.Add(`]}`)
	f.Fuzz(func(_ *testing.T, body string) {
		_, _ = oneOfEachName([]byte(body), false), oneOfEachName([]byte(body), true)
	})
}
