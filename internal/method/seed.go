package method

import (
	"crypto/rand"
	"fmt"
)

// SeedBytes is the length of an authenticator's secret: 160 bits, the length of
// an HMAC-SHA-1 output (RFC 4226, section 4, R6).
const SeedBytes = 20

// NewSeed makes a secret for an authenticator app.
func NewSeed() ([]byte, error) {
	seed := make([]byte, SeedBytes)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("authenticator seed: %w", err)
	}
	return seed, nil
}
