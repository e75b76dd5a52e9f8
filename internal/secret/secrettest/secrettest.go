// Package secrettest gives tests a keyset. Tests only.
package secrettest

import (
	"testing"

	"kunci.dev/kunci/internal/secret"
)

// NewTestKeyset makes new keys for one test.
func NewTestKeyset(t testing.TB) *secret.Keyset {
	t.Helper()
	keys, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
