package signin

import (
	"context"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// AnswerDevice judges the number that was typed on a device, for the session that
// waits for it. It raises nothing by itself: the session's own browser redeems it
// (Collect). A wrong, expired or blocked answer is in the reply's Code. Problems:
// CodeFormat (not counted), NotFound (nothing waits on this browser by that name).
func (s *Service) AnswerDevice(ctx context.Context, by audit.Actor, tokens, id, number string) (Reply, error) {
	find := func(tx *store.Tx) (c challenge.Request, m method.Method, o *org.Organization, err error) {
		if c, err = s.d.Challenges.WaitingFor(ctx, tx, tokens, id); err != nil {
			return c, m, nil, err
		}
		if c.Purpose != challenge.SignIn && c.Purpose != challenge.StepUp {
			return c, m, nil, problem.New(problem.NotFound)
		}
		if _, err = s.d.Sessions.Get(ctx, tx, c.Owner); err != nil {
			return c, m, nil, problem.New(problem.NotFound).Because(err)
		}
		if o, err = s.d.Orgs.Get(ctx, tx, c.OrgID); err != nil {
			return c, m, nil, err
		}
		m, err = s.d.Methods.Get(ctx, tx, c.OrgID, c.AccountID, c.MethodID)
		return c, m, o, err
	}
	var m method.Method
	var c challenge.Request
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		c, m, _, err = find(tx)
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	answer, err := s.d.Challenges.PrepareDevice(m, tokens, number)
	if err != nil {
		return Reply{}, err
	}
	var r Reply
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		if err := challenge.Lock(ctx, tx, c.OrgID, c.AccountID); err != nil {
			return err
		}
		now, m, o, err := find(tx)
		if problem.Has(err, problem.NotFound) {
			r.Code = problem.CodeExpired
			return nil
		}
		if err != nil {
			return err
		}
		if !o.Offers(m.Kind) {
			return problem.New(problem.MethodNotAllowed).On("method")
		}
		result, err := s.d.Challenges.Pass(ctx, tx, by, o, now.Challenge, answer)
		if err != nil {
			return err
		}
		r.Code, r.Left, r.RetryAfter = result.Code, result.Left, result.RetryAfter
		if result.Outcome == challenge.OutcomePassed {
			return nil // the event is that of the session which redeems it
		}
		return s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.SignInFailed, Org: now.OrgID, Target: now.AccountID, TargetUserID: now.UserID,
			Outcome: audit.Failure, Reason: string(result.Code), MethodID: m.ID, MethodKind: string(m.Kind),
			Detail: map[string]string{"for": string(now.Purpose)},
		})
	})
	return r, err
}

// Collect raises the session by the answer that came from a device. Code
// CodeExpired: there is none, or it was redeemed. Problems: SignedOut, MethodNotAllowed.
func (s *Service) Collect(ctx context.Context, by audit.Actor, token, methodID string) (Reply, error) {
	signed, err := s.Current(ctx, token)
	if err != nil {
		return Reply{}, err
	}
	by = signed.Actor(by)
	var r Reply
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		now, err := s.again(ctx, tx, token, signed)
		if err != nil {
			return err
		}
		if _, ok := now.factor(methodID); !ok {
			return problem.New(problem.MethodNotAllowed).On("method")
		}
		c, err := s.d.Challenges.Redeem(ctx, tx, now.Session.ID, methodID, now.purpose())
		if problem.Has(err, problem.NotFound) {
			r.Code = problem.CodeExpired
			return nil
		}
		if err != nil {
			return err
		}
		if r.Token, err = s.d.Sessions.Prove(ctx, tx, now.Session.ID, c.MethodID); err != nil {
			return err
		}
		return s.proved(ctx, tx, by, now, string(c.Kind), c.MethodID, &r)
	})
	return r, err
}
