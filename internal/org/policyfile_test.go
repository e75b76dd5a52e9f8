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
