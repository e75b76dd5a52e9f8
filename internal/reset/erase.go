package reset

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

// Erase drops an account's flows, the links of its notices, and its limits.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if err := eraseFlows(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("erase resets: %w", err)
	}
	return s.ClearLimits(ctx, tx, orgID, accountID)
}
