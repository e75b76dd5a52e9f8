package org

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/method"
)

// pairs is what each preset says of every two kinds, as an administrator would
// write it down: a row and a column for each kind, in one order, x where the two
// may pass the two gates of one reset.
var pairs = map[string]string{
	// Two different sorts.
	PresetKunci: `
passkey               . x x x x x x x x x
authenticator_code    x . . . x x x x x x
authenticator_push    x . . . x x x x x x
hardware_token        x . . . x x x x x x
recovery_code         x x x x . x x x x x
email                 x x x x x . x x x x
mobile_phone          x x x x x x . . x x
office_phone          x x x x x x . . x x
security_questions    x x x x x x x x . x
temporary_access_pass x x x x x x x x x .`,
	// Microsoft Entra knows the same sorts.
	PresetEntra: `
passkey               . x x x x x x x x x
authenticator_code    x . . . x x x x x x
authenticator_push    x . . . x x x x x x
hardware_token        x . . . x x x x x x
recovery_code         x x x x . x x x x x
email                 x x x x x . x x x x
mobile_phone          x x x x x x . . x x
office_phone          x x x x x x . . x x
security_questions    x x x x x x x x . x
temporary_access_pass x x x x x x x x x .`,
	// SP 800-63B-4, 4.2.2.2: two codes that are handed out when they are asked for
	// are one kind; questions are none.
	PresetNIST: `
passkey               . x x x x x x x . x
authenticator_code    x . . . x x x x . x
authenticator_push    x . . . x x x x . x
hardware_token        x . . . x x x x . x
recovery_code         x x x x . x x x . x
email                 x x x x x . . . . .
mobile_phone          x x x x x . . . . .
office_phone          x x x x x . . . . .
security_questions    . . . . . . . . . .
temporary_access_pass x x x x x . . . . .`,
	// ASVS 5.0, 6.4.2: no questions.
	PresetASVS: `
passkey               . x x x x x x x . x
authenticator_code    x . . . x x x x . x
authenticator_push    x . . . x x x x . x
hardware_token        x . . . x x x x . x
recovery_code         x x x x . x x x . x
email                 x x x x x . x x . x
mobile_phone          x x x x x x . . . x
office_phone          x x x x x x . . . x
security_questions    . . . . . . . . . .
temporary_access_pass x x x x x x x x . .`,
}

// Every pair of every preset, both ways round; a kind or a preset that is new
// needs its row.
func TestEveryPair(t *testing.T) {
	for _, preset := range Presets() {
		if pairs[preset] == "" {
			t.Errorf("%s has no table", preset)
		}
	}
	for preset, table := range pairs {
		policy, ok := PresetPolicy(preset)
		if !ok {
			t.Fatalf("%s is no preset", preset)
		}
		var kinds []method.Kind
		var allowed [][]string
		for line := range strings.Lines(strings.TrimSpace(table)) {
			fields := strings.Fields(line)
			kinds, allowed = append(kinds, method.Kind(fields[0])), append(allowed, fields[1:])
		}
		for i, k := range method.Kinds() {
			if len(kinds) != len(method.Kinds()) || kinds[i] != k || len(allowed[i]) != len(kinds) {
				t.Fatalf("%s: the row of %s is missing, elsewhere or of another length", preset, k)
			}
		}
		for i, a := range kinds {
			for j, b := range kinds {
				if got, want := policy.PairAllowed(a, b), allowed[i][j] == "x"; got != want {
					t.Errorf("%s, %s and %s: %v, want %v", preset, a, b, got, want)
				}
			}
			if policy.PairAllowed(a, "fax") || policy.PairAllowed("fax", a) {
				t.Errorf("%s, %s and an unknown kind may stand together", preset, a)
			}
		}
	}
}
