package reset

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// AnswerDevice judges the number that was typed on a device, for the flow that
// waits for it. The flow moves on by it, in the browser where it was begun.
// Problems: CodeFormat (no two digits; not counted), NotFound (nothing waits on
// this browser by that name).
func (s *Service) AnswerDevice(ctx context.Context, by audit.Actor, tokens, id, number string) (Reply, error) {
	var f Flow
	var m method.Method
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		c, err := s.d.Challenges.WaitingFor(ctx, tx, tokens, id)
		if err != nil {
			return err
		}
		if c.Purpose != challenge.Reset {
			return problem.New(problem.NotFound)
		}
		if m, err = s.d.Methods.Get(ctx, tx, c.OrgID, c.AccountID, c.MethodID); err != nil {
			return err
		}
		r, err := selectFlow(ctx, tx, c.Owner)
		if errors.Is(err, store.ErrNoRows) {
			return problem.New(problem.NotFound)
		}
		if err != nil {
			return fmt.Errorf("answer on a device: %w", err)
		}
		f, err = s.opened(tx, r)
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	if f.State != Verifying || f.MethodID != m.ID {
		return Reply{}, problem.New(problem.NotFound)
	}
	answer, err := s.d.Challenges.PrepareDevice(m, tokens, number)
	if err != nil {
		return Reply{Flow: f}, err
	}
	r, err := s.answer(ctx, by, f, m.ID, answer)
	if err == nil && r.Code == "" && !r.Proved {
		r.Code = problem.CodeExpired // the flow went another way meanwhile
	}
	return r, err
}

// DenyDevice is the person saying on their device "this is not me" of a request,
// whatever it is for: it does what a "this wasn't me" link does. Problem NotFound.
func (s *Service) DenyDevice(ctx context.Context, by audit.Actor, tokens, id string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		c, err := s.d.Challenges.WaitingFor(ctx, tx, tokens, id)
		if err != nil {
			return err
		}
		if err := challenge.Lock(ctx, tx, c.OrgID, c.AccountID); err != nil {
			return err
		}
		if c, err = s.d.Challenges.WaitingFor(ctx, tx, tokens, id); err != nil {
			return err // it was answered or denied meanwhile
		}
		o, err := s.d.Orgs.Get(ctx, tx, c.OrgID)
		if err != nil {
			return err
		}
		kind := audit.ResetGateFailed
		if c.Purpose != challenge.Reset {
			kind = audit.SignInFailed
		}
		err = s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: kind, Org: c.OrgID, Target: c.AccountID, TargetUserID: c.UserID, Outcome: audit.Denied,
			Reason: "denied", MethodID: c.MethodID, MethodKind: string(c.Kind),
		})
		if err != nil {
			return err
		}
		return s.disputed(ctx, tx, by, o, c.AccountID, c.UserID)
	})
}

// disputed stops what goes on with an account whose person says that it is not
// they. The caller holds the account's lock.
func (s *Service) disputed(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, accountID, userID string) error {
	f := Flow{OrgID: o.ID, AccountID: accountID, UserID: userID}
	if err := s.endOthers(ctx, tx, by, f); err != nil {
		return err
	}
	if err := s.d.Challenges.EndAccount(ctx, tx, o.ID, accountID); err != nil {
		return err
	}
	if err := s.d.Sessions.EndAll(ctx, tx, by, o.ID, accountID); err != nil {
		return err
	}
	if err := s.d.Accounts.Freeze(ctx, tx, by, o.ID, accountID); err != nil {
		return err
	}
	return s.d.Helpdesk.Open(ctx, tx, by, helpdesk.In{Org: o, AccountID: accountID, UserID: userID, Problem: helpdesk.ProblemDispute})
}
