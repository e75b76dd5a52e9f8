package org_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
)

func TestAPolicyIsReadBackAsItWasWritten(t *testing.T) {
	p := org.Defaults()
	p.Reset.Gates, p.Reset.ExcludeGroups, p.Password.Banned = 2, []string{"contractors"}, []string{"contoso"}
	p.Phone.Countries = []string{"ID"}
	text, err := p.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := org.ParsePolicy(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := again.Text(); second != text || again.Reset.Gates != 2 || !reflect.DeepEqual(again.Throttle, p.Throttle) {
		t.Errorf("written and read again:\n%s\nfrom:\n%s", second, text)
	}
}

func TestWhatIsWrongWithAPolicyIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, key string }{
		"unknown key":        {"reset: {gate: 1}", "reset.gate"},
		"number":             {"reset: {gates: 3}", "reset.gates"},
		"preset":             {"preset: strict", "preset"},
		"what a preset bans": {"preset: nist_aal2\nreset: {gates: 1}", "reset.gates"},
		"not YAML":           {"reset: [", ""},
		"two documents":      {"preset: kunci\n---\npreset: entra\n", ""},
		"nothing":            {"", ""},
	} {
		_, err := org.ParsePolicy(strings.NewReader(c.text))
		var faults config.Faults
		if !errors.As(err, &faults) || len(faults) == 0 || faults[0].Key != c.key {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Everything that is wrong is said at once: a preset that there is not, what cannot be
// read, and what may not be, each of them once.
func TestAWrongPresetHidesNothing(t *testing.T) {
	lines := []string{"preset: strict", "reset: {gates: 9}", "codes: {digits: many}", "captcha: perhaps", "password: {min_length: 1}", "colour: red"}
	const want = "preset reset.gates codes.digits captcha password.min_length colour"
	_, err := org.ParsePolicy(strings.NewReader(strings.Join(lines, "\n")))
	var faults config.Faults
	errors.As(err, &faults)
	if got := keysOf(faults); got != want {
		t.Errorf("a policy: %s", got)
	}
	file := "organization: contoso\nname: Contoso\ndomains: [contoso.com]\npolicy:\n  " + strings.Join(lines, "\n  ")
	_, err = org.Parse(strings.NewReader(file), "")
	faults = nil
	errors.As(err, &faults)
	if got := keysOf(faults); got != "policy."+strings.ReplaceAll(want, " ", " policy.") {
		t.Errorf("an organization: %s", got)
	}
}

func keysOf(faults config.Faults) string {
	var keys []string
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	return strings.Join(keys, " ")
}

func FuzzParsePolicy(f *testing.F) {
	f.Add("preset: entra\nreset: {gates: 2}")
	f.Add("throttle: {gate: {limit: 1, per: 1h}}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := org.ParsePolicy(strings.NewReader(text))
		if err != nil {
			return
		}
		written, err := p.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := org.ParsePolicy(strings.NewReader(written)); err != nil {
			t.Fatalf("%q was taken, and what it says is refused: %v\n%s", text, err, written)
		}
	})
}
