package account

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// remover is a directory that Kunci keeps itself: an account can leave it.
type remover interface {
	Remove(ctx context.Context, tx *store.Tx, key string) error
}

// Erase drops what is known of an account, and the account itself where the
// directory is Kunci's own. Whoever comes under the same user ID later is somebody
// else. Problem NotFound.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, o *org.Organization, a Account) error {
	n, err := erase(ctx, tx, o.ID, a.ID)
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	if n == 0 {
		return problem.New(problem.NotFound)
	}
	d, err := s.Directory(o)
	if err != nil {
		return err
	}
	own, ok := d.(remover)
	if !ok {
		return nil
	}
	if err := own.Remove(ctx, tx, a.Entry.Key); err != nil && !errors.Is(err, directory.ErrNotFound) {
		return fmt.Errorf("erase account: %w", err)
	}
	return nil
}
