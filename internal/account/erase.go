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

// Left gives an account whose person the directory has no more. Problems: NotFound,
// Conflict when the directory still has them, DirectoryUnavailable.
func (s *Service) Left(ctx context.Context, o *org.Organization, accountID string) (Account, error) {
	_, err := s.Load(ctx, o, accountID)
	if err == nil {
		return Account{}, problem.New(problem.Conflict)
	}
	if !problem.Has(err, problem.NotFound) {
		return Account{}, err
	}
	var a Account
	err = s.db.Read(ctx, func(tx *store.Tx) (err error) {
		a, a.Entry.Key, err = selectByID(ctx, tx, o.ID, accountID)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return Account{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return Account{}, fmt.Errorf("find account: %w", err)
	}
	return a, nil
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
