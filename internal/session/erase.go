package session

import (
	"context"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Erase drops everything that is kept of an account.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if err := erase(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("session: erase: %w", err)
	}
	return nil
}

// Times are those of one session.
type Times struct {
	Began time.Time `json:"began"`
	Seen  time.Time `json:"last_used"`
	Ended time.Time `json:"ended,omitzero"`
}

// Held tells what is kept of an account's sessions, for the person.
func (s *Service) Held(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Times, error) {
	all, err := selectTimes(ctx, tx, orgID, accountID)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return all, nil
}
