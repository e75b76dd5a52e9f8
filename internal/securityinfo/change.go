package securityinfo

import (
	"context"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Delete takes a method away at once; it can be brought back for method.UndoFor.
// Problems: StepUp, SignedOut, NotFound, AfterReset.
func (s *Service) Delete(ctx context.Context, by audit.Actor, who Who, id string) (method.Method, error) {
	var gone method.Method
	err := s.on(ctx, who, id, func(tx *store.Tx, f facts, m method.Method) error {
		if err := f.steady(); err != nil {
			return err
		}
		var err error
		if gone, err = s.d.Methods.Delete(ctx, tx, f.org.ID, f.account.ID, id); err != nil {
			return err
		}
		if err := s.d.Sessions.Unprove(ctx, tx, f.org.ID, f.account.ID, id); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, f, m, audit.MethodDeleted, reasonOfDeleting(m), nil); err != nil {
			return err
		}
		return s.tell(ctx, tx, by, f, notice{action: deletedAction, about: m, to: addresses(f.methods, m.ID), also: m})
	})
	return gone, err
}

// reasonOfDeleting tells in the event what the organization entered wrongly.
func reasonOfDeleting(m method.Method) string {
	if given(m) {
		return declinedReason
	}
	return ""
}

// on runs a step about one proved method of the account.
func (s *Service) on(ctx context.Context, who Who, id string, do func(tx *store.Tx, f facts, m method.Method) error) error {
	return s.step(ctx, who, func(tx *store.Tx, f facts) error {
		m, err := f.proved(id)
		if err != nil {
			return err
		}
		if err := s.fresh(f, m.Kind); err != nil {
			return err
		}
		return do(tx, f, m)
	})
}

// Undo brings a deleted method back. One that is there already stays as it is.
// Problems: StepUp, SignedOut, NotFound, UndoExpired, UndoForbidden, MethodLimit,
// MethodDuplicate.
func (s *Service) Undo(ctx context.Context, by audit.Actor, who Who, id string) (method.Method, error) {
	var back method.Method
	err := s.step(ctx, who, func(tx *store.Tx, f facts) (err error) {
		if back, err = f.proved(id); err == nil {
			return nil
		}
		if back, err = s.d.Methods.Undelete(ctx, tx, f.org.ID, f.account.ID, id); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, f, back, audit.MethodAdded, "undone", nil); err != nil {
			return err
		}
		return s.tell(ctx, tx, by, f, notice{action: addedAction, about: back, to: addresses(f.methods, id), also: back})
	})
	return back, err
}

// SetDefault makes a method the one that a sign-in offers first. Problems:
// StepUp, SignedOut, NotFound, MethodNotAllowed.
func (s *Service) SetDefault(ctx context.Context, by audit.Actor, who Who, id string) error {
	return s.on(ctx, who, id, func(tx *store.Tx, f facts, m method.Method) error {
		if m.Default {
			return nil
		}
		if err := s.d.Methods.SetDefault(ctx, tx, f.org.ID, f.account.ID, id); err != nil {
			return err
		}
		return s.record(ctx, tx, by, f, m, audit.MethodDefaultChanged, "", nil)
	})
}

// Rename changes what the person calls a method. Nobody is told: it proves what
// it proved before. Problems: StepUp, SignedOut, NotFound, TooLong, BadInput.
func (s *Service) Rename(ctx context.Context, by audit.Actor, who Who, id, name string) error {
	return s.on(ctx, who, id, func(tx *store.Tx, f facts, m method.Method) error {
		if err := s.d.Methods.SetName(ctx, tx, f.org.ID, f.account.ID, id, name); err != nil {
			return err
		}
		return s.record(ctx, tx, by, f, m, audit.MethodChanged, "renamed", nil)
	})
}

// Effect is what deleting a method would do.
type Effect struct {
	Method method.Method
	// Loses: a forgotten password can be reset now, and could not be without it.
	Loses bool
	// LastFactor: signing in would ask for the password alone.
	LastFactor bool
	// Kept is why it cannot be deleted or changed now; nil: it can.
	Kept *problem.Error
}

// Effect gives what deleting or changing a method would do. Problem NotFound.
func (s *Service) Effect(ctx context.Context, who Who, id string) (Effect, error) {
	var e Effect
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		if e.Method, err = f.proved(id); err != nil {
			return err
		}
		e.Kept, _ = problem.As(f.steady())
		without := f
		without.methods = nil
		for _, m := range f.methods {
			if m.ID != id {
				without.methods = append(without.methods, m)
			}
		}
		e.Loses = f.need.Registered(f.methods, f.now) && !f.need.Registered(without.methods, f.now)
		e.LastFactor = f.hasFactor() && !without.hasFactor()
		return nil
	})
	return e, err
}

// Deleted gives a method that can be brought back. Problems: NotFound, UndoForbidden.
func (s *Service) Deleted(ctx context.Context, who Who, id string) (method.Method, error) {
	var found method.Method
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		all, err := s.d.Methods.ListDeleted(ctx, tx, who.Account.OrgID, who.Account.ID)
		if err != nil {
			return err
		}
		for _, m := range all {
			if m.ID == id && m.DeletedBy == method.ByAdministrator {
				return problem.New(problem.UndoForbidden)
			}
			if m.ID == id {
				found = m
				return nil
			}
		}
		return problem.New(problem.NotFound)
	})
	return found, err
}
