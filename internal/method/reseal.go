package method

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

// Reseal seals the next rows after an identifier under the newest key, deleted
// ones that can be brought back included. It gives the last row it looked at,
// empty at the end, and how many it sealed. Doing it again changes nothing.
func (s *Service) Reseal(ctx context.Context, tx *store.Tx, after string, limit int) (last string, resealed int, err error) {
	rows, err := selectRows(ctx, tx, `SELECT `+columns+` FROM method WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return "", 0, fmt.Errorf("reseal methods: %w", err)
	}
	for _, r := range rows {
		last = r.m.ID
		fresh, old, err := s.keys.Reseal(r.sealed, binding(r.m))
		if err != nil {
			return "", 0, fmt.Errorf("reseal method %s: %w", r.m.ID, err)
		}
		if !old {
			continue
		}
		// Whoever changed it meanwhile sealed it under the newest key.
		n, err := updateResealed(ctx, tx, r.m.ID, r.sealed, fresh)
		if err != nil {
			return "", 0, fmt.Errorf("reseal method %s: %w", r.m.ID, err)
		}
		resealed += int(n)
	}
	return last, resealed, nil
}

// ResealTokens is Reseal for the organizations' tokens, in stock or handed out.
func (s *Service) ResealTokens(ctx context.Context, tx *store.Tx, after string, limit int) (last string, resealed int, err error) {
	rows, err := selectTokensAfter(ctx, tx, after, limit)
	if err != nil {
		return "", 0, fmt.Errorf("reseal tokens: %w", err)
	}
	for _, r := range rows {
		last = r.t.ID
		fresh, old, err := s.keys.Reseal(r.sealed, tokenBinding(r.t))
		if err != nil {
			return "", 0, fmt.Errorf("reseal token %s: %w", r.t.ID, err)
		}
		if !old {
			continue
		}
		n, err := updateTokenResealed(ctx, tx, r.t.ID, r.sealed, fresh)
		if err != nil {
			return "", 0, fmt.Errorf("reseal token %s: %w", r.t.ID, err)
		}
		resealed += int(n)
	}
	return last, resealed, nil
}
