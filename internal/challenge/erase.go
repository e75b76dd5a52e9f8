package challenge

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

// Erase drops an account's challenges and the limits on them.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if err := erase(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("erase challenges: %w", err)
	}
	return s.ClearLimits(ctx, tx, orgID, accountID)
}
