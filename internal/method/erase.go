package method

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

// Erase drops everything that is kept of an account's methods, at once.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if accountID == "" {
		return errors.New("erase methods: no account")
	}
	if err := erase(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("erase methods: %w", err)
	}
	return nil
}
