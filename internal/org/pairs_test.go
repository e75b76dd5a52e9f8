package org

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/method"
)

// Two gates that nobody could pass are refused by name, with what would help; one
// kind more, or one gate less, and the policy stands.
func TestTwoGatesNeedAPair(t *testing.T) {
	for _, c := range []struct {
		preset, methods, phones, says string // says empty: it is allowed
	}{
		{"kunci", "email", "", "email stands alone: nobody could reset; add one of passkey"},
		{"kunci", "authenticator_code, hardware_token, authenticator_push", "", "are of one sort"},
		{"kunci", "mobile_phone, office_phone", "ID", "mobile_phone, office_phone are of one sort"},
		{"kunci", "email, mobile_phone", "ID", ""},
		{"kunci", "passkey", "", "passkey stands alone"},
		{"kunci", "email, security_questions", "", ""},
		{"kunci", "security_questions", "", "security_questions stands alone"},
		{"kunci", "email, recovery_code", "", ""},
		{"entra", "email, mobile_phone", "ID", ""},
		{"nist_aal2", "email, mobile_phone", "ID", "email, mobile_phone cannot stand together under the preset nist_aal2"},
		{"nist_aal2", "email, mobile_phone, office_phone", "ID", "cannot stand together under the preset nist_aal2"},
		{"nist_aal2", "email, mobile_phone, recovery_code", "ID", ""},
		{"nist_aal2", "email, authenticator_code", "", ""},
		{"asvs", "email", "", "stands alone"},
		{"asvs", "email, mobile_phone", "ID", ""},
	} {
		text := small + fmt.Sprintf("policy: {preset: %s, reset: {gates: 2, methods: [%s]}, phone: {countries: [%s]}}\n", c.preset, c.methods, c.phones)
		said := ""
		for _, f := range faultsOf(t, text) {
			if f.Key != "policy.reset.methods" || f.Line == 0 {
				t.Errorf("%s [%s]: %v", c.preset, c.methods, f)
			}
			said += f.Text
		}
		if (said == "") != (c.says == "") || !strings.Contains(said, c.says) {
			t.Errorf("%s [%s]: %q, want %q", c.preset, c.methods, said, c.says)
		}
	}
	if faults := faultsOf(t, small+"policy: {reset: {gates: 1, methods: [email]}}\n"); len(faults) > 0 {
		t.Errorf("one gate by one kind: %v", faults)
	}
	// What the sentence names does help, under every preset and for every single kind.
	for _, name := range []string{PresetKunci, PresetEntra, PresetNIST, PresetASVS} {
		p, _ := PresetPolicy(name)
		for _, k := range method.Kinds() {
			if !slices.Contains(nameable(), string(k)) || k.Class() == method.Knowledge {
				continue
			}
			p.Reset.Gates, p.Reset.Methods, p.Phone.Countries = 2, []method.Kind{k}, []string{"ID"}
			c := &checker{}
			p.checkPairs(c)
			if len(c.problems) != 1 {
				t.Errorf("%s %s alone: %v", name, k, c.problems)
				continue
			}
			_, list, _ := strings.Cut(c.problems[0].Text, "; add one of ")
			for other := range strings.SplitSeq(list, ", ") {
				p.Reset.Methods = []method.Kind{k, method.Kind(other)}
				if again := (&checker{}); other == "" || func() bool { p.checkPairs(again); return len(again.problems) > 0 }() {
					t.Errorf("%s: %s beside %q does not help", name, k, other)
				}
			}
		}
	}
}
