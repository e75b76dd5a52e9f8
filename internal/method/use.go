package method

import (
	"context"
	"fmt"
	"slices"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// AskForFactor tells whether somebody with these methods is asked for a second
// factor. One that was disabled after too many wrong answers still asks:
// otherwise guessing long enough would take it away. A set of codes that is used
// up does not; a pass that an administrator issued can stand in for a factor and
// asks for none by itself. A phone that an administrator registered and that was
// never used does not ask where offered says that nothing can be sent to it: no
// one ever signed in with it, and nobody could. One that was used goes on asking,
// so that no factor is lost by changing a setting.
func AskForFactor(all []Method, offered func(Kind) bool) bool {
	return slices.ContainsFunc(all, func(m Method) bool {
		if m.ProvedBy == ByAdministrator && m.LastUsedAt.IsZero() && !offered(m.Kind) {
			return false
		}
		return m.Proved && m.DeletedAt.IsZero() && m.Kind.Built() && m.ProvesSignIn() && m.Kind.Class() != Pass &&
			(m.Kind != RecoveryCode || m.CodesLeft() > 0)
	})
}

// UseStep accepts a time step of an authenticator once: only a step higher than
// every one accepted before (RFC 6238, 5.2). Comparison and note are one
// statement, so of parallel equal answers one wins.
func (s *Service) UseStep(ctx context.Context, tx *store.Tx, id string, step int64) (bool, error) {
	n, err := updateStep(ctx, tx, id, step)
	if err != nil {
		return false, fmt.Errorf("use step: %w", err)
	}
	return n == 1, nil
}

// RecoveryUse burns one code of a set: true for the one caller who was first.
func (s *Service) RecoveryUse(ctx context.Context, tx *store.Tx, id string, index int) (bool, error) {
	if index < 0 || index >= RecoveryCodes {
		return false, fmt.Errorf("use recovery code: no code %d", index)
	}
	n, err := updateUsedCode(ctx, tx, id, 1<<index)
	if err != nil {
		return false, fmt.Errorf("use recovery code: %w", err)
	}
	return n == 1, nil
}

// CountFailure counts a wrong answer and gives how many there were in a row. At
// DisableAfter the method is disabled until it is registered again; the count
// goes on, so exactly one caller sees DisableAfter.
func (s *Service) CountFailure(ctx context.Context, tx *store.Tx, id string) (consecutive int, err error) {
	n, err := updateFailure(ctx, tx, id)
	if err != nil {
		return 0, found(err, "count failure")
	}
	return n, nil
}

// CountSuccess ends the row of failures and notes the use. Other methods' counts
// stay (NIST SP 800-63B-4, 3.2.2).
func (s *Service) CountSuccess(ctx context.Context, tx *store.Tx, id string) error {
	n, err := updateSuccess(ctx, tx, id)
	if err != nil {
		return fmt.Errorf("count success: %w", err)
	}
	if n == 0 {
		return problem.New(problem.NotFound)
	}
	return nil
}
