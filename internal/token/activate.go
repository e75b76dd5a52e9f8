package token

import (
	"context"
	"errors"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Activate makes an assigned token count, by a code that it shows now. A token
// that is out of step needs two codes that follow one another. Problems:
// NotFound (the account has no such token), Conflict (active already), CodeFormat,
// CodeWrong, CodeUsed, MethodLimit.
func (s *Service) Activate(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, serial string, codes ...string) error {
	if len(codes) == 0 {
		return errors.New("activate token: no code")
	}
	var m method.Method
	err := s.change(ctx, o, serial, func(tx *store.Tx, t method.Token) (err error) {
		switch {
		case t.AccountID != a.ID:
			return problem.New(problem.NotFound)
		case t.Active:
			return problem.New(problem.Conflict)
		}
		m, err = s.d.Methods.Add(ctx, tx, t.Method())
		return err
	})
	if err != nil {
		return err
	}
	var result challenge.Result
	for _, code := range codes {
		if result, err = s.answer(ctx, by, o, a, m, code); err != nil {
			return err
		}
		if result.Outcome == challenge.OutcomePassed {
			return nil
		}
	}
	return problem.New(result.Code).On("code").After(result.RetryAfter)
}

// answer judges one code and, when it is right, makes the method count.
func (s *Service) answer(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, m method.Method, code string) (challenge.Result, error) {
	var r challenge.Result
	answer, err := s.d.Challenges.Prepare(ctx, m, code)
	if err != nil {
		return r, err
	}
	return r, s.d.DB.Write(ctx, func(tx *store.Tx) error {
		c, err := s.d.Challenges.Begin(ctx, tx, by, challenge.Start{
			Org: o, Account: a, Method: m, Purpose: challenge.Register, Owner: "token:" + m.ID, Gate: 1,
		})
		if err != nil {
			return err
		}
		if r, err = s.d.Challenges.Pass(ctx, tx, by, o, c, answer); err != nil || r.Outcome != challenge.OutcomePassed {
			return err
		}
		return s.activated(ctx, tx, by, o, a, m)
	})
}

func (s *Service) activated(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, a account.Account, m method.Method) error {
	if _, err := s.d.Methods.SetProved(ctx, tx, o.ID, a.ID, m.ID, method.ByPerson); err != nil {
		return err
	}
	t, err := s.d.Methods.Token(ctx, tx, o.ID, string(m.Secret))
	if err != nil {
		return err
	}
	if err := s.tell(ctx, tx, by, o, notify.MethodAdded, a, t); err != nil {
		return err
	}
	return s.record(ctx, tx, by, audit.MethodAdded, "token_activated", t, a)
}
