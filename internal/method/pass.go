package method

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// The shortest and longest Temporary Access Pass, in characters of five bits.
const (
	MinPass = 8
	MaxPass = 48
)

// passBurnt is the bit of UsedCodes that says a pass was used.
const passBurnt = 1

// NewPass makes a Temporary Access Pass to show once and the hash to store as
// Secret. It takes a slow hash; never call it with a transaction open.
func (s *Service) NewPass(ctx context.Context, length int) (pass string, hash []byte, err error) {
	if length < MinPass || length > MaxPass {
		return "", nil, fmt.Errorf("new pass: %d characters", length)
	}
	raw := make([]byte, length)
	if _, err := rand.Read(raw); err != nil {
		return "", nil, fmt.Errorf("new pass: %w", err)
	}
	for i, b := range raw {
		raw[i] = alphabet[b&31]
	}
	hashes, err := s.hashSlowly(ctx, string(raw))
	if err != nil {
		return "", nil, err
	}
	return group(string(raw)), hashes[0], nil
}

// HashPass is the slow half of judging a typed pass: it needs no transaction and
// must not be called in one. Nothing stored, because there is no pass, takes the
// same hash and matches nothing. A text that cannot be a pass gives problem
// CodeFormat; too many at once give problem Busy.
func (s *Service) HashPass(ctx context.Context, stored []byte, typed string) ([]byte, error) {
	text, ok := NormalizePass(typed)
	if !ok {
		return nil, problem.New(problem.CodeFormat).On("code")
	}
	if len(stored) == 0 {
		_, err := s.hashSlowly(ctx, text)
		return nil, err
	}
	out, err := s.hashLike(ctx, [][]byte{stored}, []string{text})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// MatchPass is the fast half. Whether the pass counts now, UsePass says.
func MatchPass(stored, hash []byte) bool {
	return sameHash([][]byte{stored}, [][]byte{hash}) == 1
}

// NormalizePass reads a pass as people type it, like a recovery code. How long a
// pass is, it does not tell: any length that one can have is taken.
func NormalizePass(typed string) (string, bool) {
	if len(typed) > 4*MaxPass {
		return "", false
	}
	text, ok := readCode(typed)
	return text, ok && len(text) >= MinPass && len(text) <= MaxPass
}

// UsePass tells whether a pass counts at this time, and burns one that works
// once: true for the one caller who was first. It never makes a pass last longer.
func (s *Service) UsePass(ctx context.Context, tx *store.Tx, m Method) (bool, error) {
	burn := int64(passBurnt)
	if m.Reusable {
		burn = 0
	}
	n, err := updatePass(ctx, tx, m.ID, burn)
	if err != nil {
		return false, fmt.Errorf("use pass: %w", err)
	}
	return n == 1, nil
}

// Discard drops an account's method for good: it cannot be brought back. Problem NotFound.
func (s *Service) Discard(ctx context.Context, tx *store.Tx, orgID, accountID, id string) error {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	if n, err := deleteOne(ctx, tx, orgID, accountID, id); err != nil || n != 1 {
		return gone(n, err, "discard method")
	}
	return nil
}

// spent tells whether a method that counts only for a time, or once, counts no
// more or not yet.
func (m Method) spent(tx *store.Tx) bool {
	if m.Kind != TemporaryAccessPass {
		return false
	}
	now := tx.Now()
	return m.UsedCodes&passBurnt != 0 || m.ValidFrom.After(now) || !m.ValidUntil.After(now)
}

// readCode drops what people put between characters and reads look-alikes.
func readCode(typed string) (string, bool) {
	var b strings.Builder
	for _, r := range strings.ToLower(typed) {
		switch {
		case r == 'o':
			r = '0'
		case r == 'i' || r == 'l':
			r = '1'
		case r == '-' || r == ' ' || r == '\t' || r == '\u00a0' || r == '\u2010' || r == '\u2011' || r == '\u2013':
			continue
		}
		if !strings.ContainsRune(alphabet, r) {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), true
}
