package notify

import (
	"context"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Erase drops an account's messages. What waits to be sent is not sent.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if err := erase(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("erase messages: %w", err)
	}
	return nil
}

// Held is what is kept of a message once it is sent: neither text nor address.
type Held struct {
	Kind   string    `json:"kind"`
	State  State     `json:"state"`
	Queued time.Time `json:"queued"`
	Done   time.Time `json:"done,omitzero"`
}

// HeldFor gives what is kept of an account's messages, the oldest first.
func (s *Service) HeldFor(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Held, error) {
	all, err := selectHeld(ctx, tx, orgID, accountID)
	if err != nil {
		return nil, fmt.Errorf("messages of an account: %w", err)
	}
	return all, nil
}
