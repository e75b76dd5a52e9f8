package account

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// MarkRegistered notes that the person has registered enough methods, which also
// counts as saying that they are right. It records registration.completed.
func (s *Service) MarkRegistered(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) error {
	if err := one(updateRegistered(ctx, tx, orgID, accountID)); err != nil {
		return fmt.Errorf("mark registered: %w", err)
	}
	return s.record(ctx, tx, by, orgID, accountID, audit.RegistrationCompleted, "", nil)
}

// MarkReconfirmed notes that the person said the methods are still right. It
// records registration.reconfirmed.
func (s *Service) MarkReconfirmed(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) error {
	if err := one(updateReconfirmed(ctx, tx, orgID, accountID)); err != nil {
		return fmt.Errorf("mark reconfirmed: %w", err)
	}
	return s.record(ctx, tx, by, orgID, accountID, audit.RegistrationReconfirmed, "", nil)
}

// MarkAsked notes the first time the person was asked to register; later calls
// change nothing.
func (s *Service) MarkAsked(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if _, err := updateAsked(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("mark asked: %w", err)
	}
	return nil
}

// Skip puts registration off once more and gives how often that was; at allowed
// skips it changes nothing and is problem Forbidden. Count and limit are one
// statement. It records registration.skipped.
func (s *Service) Skip(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string, allowed int) (used int, err error) {
	used, ok, err := updateSkipped(ctx, tx, orgID, accountID, allowed)
	if err != nil {
		return 0, fmt.Errorf("skip registration: %w", err)
	}
	if !ok {
		return 0, problem.New(problem.Forbidden)
	}
	return used, s.record(ctx, tx, by, orgID, accountID, audit.RegistrationSkipped, "", map[string]string{"skips": strconv.Itoa(used)})
}

// RequireRegistration makes the person register again at the next sign-in; skips
// begin anew. It records method.changed with the reason "registration-required".
func (s *Service) RequireRegistration(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) error {
	if err := one(updateMustRegister(ctx, tx, orgID, accountID)); err != nil {
		return fmt.Errorf("require registration: %w", err)
	}
	return s.record(ctx, tx, by, orgID, accountID, audit.MethodChanged, "registration-required", nil)
}

// Freeze stops every reset of the account until Unfreeze. Freezing twice keeps
// the first time. It records reset.blocked, denied as every event of that kind is,
// with the reason "frozen".
func (s *Service) Freeze(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) error {
	if err := one(updateFrozen(ctx, tx, orgID, accountID)); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	return s.recordAs(ctx, tx, by, orgID, accountID, audit.ResetBlocked, audit.Denied, "frozen", nil)
}

// Unfreeze allows resets again. It records throttle.cleared.
func (s *Service) Unfreeze(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) error {
	if err := one(updateUnfrozen(ctx, tx, orgID, accountID)); err != nil {
		return fmt.Errorf("unfreeze: %w", err)
	}
	return s.record(ctx, tx, by, orgID, accountID, audit.ThrottleCleared, "unfrozen", nil)
}

// MarkReset notes a finished reset and the methods that proved it. The reset
// itself records the event.
func (s *Service) MarkReset(ctx context.Context, tx *store.Tx, _ audit.Actor, orgID, accountID string, methodIDs []string) error {
	if err := one(updateReset(ctx, tx, orgID, accountID, strings.Join(methodIDs, " "))); err != nil {
		return fmt.Errorf("mark reset: %w", err)
	}
	return nil
}

func (s *Service) record(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string, k audit.Kind, reason string, detail map[string]string) error {
	return s.recordAs(ctx, tx, by, orgID, accountID, k, audit.Success, reason, detail)
}

func (s *Service) recordAs(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string, k audit.Kind, o audit.Outcome, reason string, detail map[string]string) error {
	e := audit.Event{Kind: k, Org: orgID, Target: accountID, Outcome: o, Reason: reason, Detail: detail}
	if by.Account == accountID {
		e.TargetUserID = by.UserID
	}
	return s.audit.Record(ctx, tx, by, e)
}

// one turns "no row changed" into problem NotFound.
func one(n int64, err error) error {
	if err == nil && n == 0 {
		return problem.New(problem.NotFound)
	}
	return err
}
