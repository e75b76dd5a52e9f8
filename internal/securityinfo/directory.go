package securityinfo

import (
	"context"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// Settled does what follows when the directory gave somebody methods or took some
// away (account.Announce): what a method proved that is gone is worth nothing any
// more, and every address that counted before is told. Somebody who had none is not:
// the first time that an entry is looked at is a registration and no change.
func (s *Service) Settled(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, a account.Account, what account.Settlement) error {
	f := facts{now: tx.Now(), org: o, account: a, methods: what.Before}
	to := addresses(what.Before, "")
	for _, m := range what.Gone {
		if err := s.d.Sessions.Unprove(ctx, tx, o.ID, a.ID, m.ID); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, by, f, notice{action: deletedAction, about: m, to: to, final: true}); err != nil {
			return err
		}
	}
	for _, m := range what.Added {
		if err := s.tell(ctx, tx, by, f, notice{action: addedAction, about: m, to: to}); err != nil {
			return err
		}
	}
	return nil
}
