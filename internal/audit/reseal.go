package audit

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

// Reseal seals the next people's keys after an identifier under the newest key
// of the keyset. Events stay as they are: they are sealed under the people's own
// keys. A key that was destroyed stays destroyed. It gives the last row it looked
// at, empty at the end, and how many it sealed. Doing it again changes nothing.
func (s *Service) Reseal(ctx context.Context, tx *store.Tx, after string, limit int) (last string, resealed int, err error) {
	people, err := selectLiving(ctx, tx, after, limit)
	if err != nil {
		return "", 0, fmt.Errorf("audit: reseal: %w", err)
	}
	for _, p := range people {
		last = p.id
		fresh, old, err := s.deps.Keys.Reseal(p.sealed, personAD(p.id, p.subject))
		if err != nil {
			return "", 0, fmt.Errorf("audit: reseal key %s: %w", p.id, err)
		}
		if !old {
			continue
		}
		n, err := updateResealed(ctx, tx, p.id, p.sealed, fresh)
		if err != nil {
			return "", 0, fmt.Errorf("audit: reseal key %s: %w", p.id, err)
		}
		resealed += int(n)
	}
	return last, resealed, nil
}
