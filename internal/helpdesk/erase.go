package helpdesk

import (
	"context"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Erase drops an account's requests, open ones too.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if err := erase(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("erase requests: %w", err)
	}
	return nil
}

// EraseResolved drops requests that were done before a time, at most so many, and
// tells how many it dropped.
func (s *Service) EraseResolved(ctx context.Context, tx *store.Tx, before time.Time, most int) (int, error) {
	n, err := deleteResolved(ctx, tx, before, most)
	if err != nil {
		return 0, fmt.Errorf("erase requests: %w", err)
	}
	return int(n), nil
}

// Held gives an account's requests, opened, the oldest first.
func (s *Service) Held(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Request, error) {
	rows, err := selectAccount(ctx, tx, orgID, accountID)
	if err != nil {
		return nil, fmt.Errorf("requests of an account: %w", err)
	}
	all := make([]Request, 0, len(rows))
	for _, r := range rows {
		opened, err := s.open(r)
		if err != nil {
			return nil, err
		}
		all = append(all, opened)
	}
	return all, nil
}
