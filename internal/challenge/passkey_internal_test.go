package challenge

import (
	"strings"
	"testing"
)

// Whatever is sent, reading it neither panics nor takes long; what is read can
// be asked for everything that the judge asks.
func FuzzReadPasskey(f *testing.F) {
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"` + strings.Repeat("A", 50) + `","signature":"AA"}}`)
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YUA"}}`)
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"o2NmbXRoY29tcG91bmRnYXR0U3RtdIBoYXV0aERhdGFA"},"clientExtensionResults":{"appid":true,"x":[]}}`)
	f.Add(`null`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, raw string) {
		if p, ok := readAssertion(raw); ok && (p.used == nil || len(p.used.RawID) == 0 || len(p.used.RawID) > 1023) {
			t.Fatalf("read %+v", p.used)
		}
		if p, ok := readCreation(raw); ok && (p.made == nil || len(p.made.RawID) == 0) {
			t.Fatalf("read %+v", p.made)
		}
		if _, ok := readAssertion(strings.Repeat(" ", maxPasskey) + raw); ok {
			t.Fatal("read what is too long")
		}
	})
}
