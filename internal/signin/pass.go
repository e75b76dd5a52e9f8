package signin

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Pass signs somebody in by a Temporary Access Pass instead of the password: a
// new colleague who has none yet, or somebody who lost everything. The session
// is proved by the pass, leads to registering, and ends with the pass. A lock by
// wrong passwords does not keep its person out. Problems: Required, PassWrong
// (nobody, no pass, a wrong one, one that is used, over or not begun: all the
// same), Blocked (the account or the address), Busy, DirectoryUnavailable,
// DirectoryRefused; Disabled only for the right pass.
func (s *Service) Pass(ctx context.Context, by audit.Actor, token string, p Pending, typed string) (In, error) {
	if typed == "" {
		return In{}, problem.New(problem.Required).On("pass")
	}
	if err := s.admit(ctx, by, p.Org); err != nil {
		return In{}, err
	}
	j := judged{org: p.Org, at: s.d.DB.Now()}
	alone, err := s.preparePass(ctx, &j, p, typed)
	if problem.Has(err, problem.CodeFormat) {
		err = problem.New(problem.PassWrong).On("pass")
	}
	if err != nil {
		return In{}, s.notJudged(ctx, by, err)
	}
	in, refused := In{}, (*problem.Error)(nil)
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		in, refused = In{Signed: Signed{Org: j.org, Account: j.account}}, nil
		r, err := s.d.Challenges.PassAlone(ctx, tx, by, alone)
		if err != nil {
			return err
		}
		switch {
		case r.Outcome == challenge.OutcomeBlocked:
			refused = problem.New(problem.Blocked).On("pass").After(r.RetryAfter)
		case r.Outcome != challenge.OutcomePassed:
			refused = problem.New(problem.PassWrong).On("pass").After(r.RetryAfter)
		case j.account.Entry.Disabled:
			refused = problem.New(problem.Disabled).On("pass")
		default:
			return s.beginBy(ctx, tx, by, token, r.Challenge, &in)
		}
		if r.Outcome == challenge.OutcomePassed {
			if err := throttle.Return(ctx, tx, s.addressKey(by)); err != nil {
				return err
			}
		}
		e := j.event(audit.SignInFailed, audit.Failure, string(refused.Code))
		e.MethodKind = string(method.TemporaryAccessPass)
		return s.d.Audit.Record(ctx, tx, by, e)
	})
	if err != nil {
		return In{}, fmt.Errorf("sign in by pass: %w", err)
	}
	if refused != nil {
		return In{}, refused
	}
	s.settle(ctx, by, in.Signed)
	return in, nil
}

// preparePass finds the account and hashes what was typed; no transaction is
// open. Where there is no account it asks for the methods of one that cannot be.
func (s *Service) preparePass(ctx context.Context, j *judged, p Pending, typed string) (challenge.Alone, error) {
	alone := challenge.Alone{Org: p.Org, UserID: p.UserID, Owner: "pass:" + store.NewID()}
	orgID, accountID := noKey, noKey
	if p.Org != nil {
		a, err := s.d.Accounts.Look(ctx, p.Org, p.UserID)
		switch {
		case problem.Has(err, problem.NotFound):
			a = account.Account{}
		case err != nil:
			return alone, known(err)
		}
		j.account, orgID = a, p.Org.ID
		if a.ID != "" { // somebody who was never here has no pass
			alone.AccountID, accountID = a.ID, a.ID
		}
	}
	var all []method.Method
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = s.d.Methods.List(ctx, tx, orgID, accountID)
		return err
	})
	if err != nil {
		return alone, err
	}
	return s.d.Challenges.PrepareAlone(ctx, alone, all, typed)
}
