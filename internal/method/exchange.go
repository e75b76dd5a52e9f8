package method

import (
	"bytes"
	"context"
	"fmt"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Exchange gives a person another address or number in the place of one, as an
// administrator's: a new method, so that no code which is on its way to the old
// one proves the new one. It keeps name, place among the person's methods, and that
// it is the default. The old one is deleted; changed tells whether there was
// anything to do. Problems: NotFound and those of Add.
func (s *Service) Exchange(ctx context.Context, tx *store.Tx, orgID, accountID, id, value string) (old, fresh Method, changed bool, err error) {
	if err := s.lock(ctx, tx, orgID, accountID); err != nil {
		return old, fresh, false, err
	}
	if old, err = s.Get(ctx, tx, orgID, accountID, id); err != nil {
		return old, fresh, false, err
	}
	switch old.Kind {
	case Email, MobilePhone, OfficePhone:
	default:
		return old, fresh, false, problem.New(problem.NotFound)
	}
	next, err := normalize(Method{
		OrgID: orgID, AccountID: accountID, Kind: old.Kind, Name: old.Name, Value: value, Proved: true, ProvedBy: ByAdministrator,
	})
	if err != nil {
		return old, fresh, false, err
	}
	if old.Proved && bytes.Equal(s.same(old), s.same(next)) {
		return old, old, false, nil
	}
	if old, err = s.Withdraw(ctx, tx, orgID, accountID, id); err != nil {
		return old, fresh, false, err
	}
	if fresh, err = s.Add(ctx, tx, next); err != nil {
		return old, fresh, false, err
	}
	if n, err := updateCreated(ctx, tx, fresh.ID, old.CreatedAt); err != nil || n != 1 {
		return old, fresh, false, gone(n, err, "exchange method")
	}
	fresh.CreatedAt = old.CreatedAt
	if old.Default {
		if err := updateDefault(ctx, tx, orgID, accountID, fresh.ID); err != nil {
			return old, fresh, false, fmt.Errorf("exchange method: %w", err)
		}
		fresh.Default = true
	}
	return old, fresh, true, nil
}
