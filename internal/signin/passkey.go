package signin

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Greeting is what the first page's script asks the browser for a passkey with,
// before anybody said who they are; empty where passkeys cannot work. browser is
// the value of a cookie that this browser keeps.
func (s *Service) Greeting(browser string) (string, error) {
	return s.d.Challenges.Greeting(browser, s.d.DB.Now())
}

// Passkey signs somebody in by a passkey alone: it is two factors in one, the
// device and what opens it. A lock by wrong passwords does not keep its person
// out. Problems: CodeFormat, CodeExpired, CodeUsed, CodeWrong (nobody's passkey,
// or not proved), PasskeyCopied, Blocked, DirectoryUnavailable, DirectoryRefused;
// Disabled only to whoever proved it.
func (s *Service) Passkey(ctx context.Context, by audit.Actor, token, browser, answer string) (In, error) {
	if err := s.admit(ctx, by, nil); err != nil {
		return In{}, err
	}
	claim, o, err := s.claim(ctx, browser, answer)
	if err != nil {
		return In{}, s.unknown(ctx, by, err)
	}
	a, err := s.d.Accounts.Load(ctx, o, claim.AccountID)
	if problem.Has(err, problem.NotFound) {
		return In{}, s.unknown(ctx, by, problem.New(problem.CodeWrong).On("code"))
	}
	if err != nil {
		return In{}, s.notJudged(ctx, by, err)
	}
	in, refused := In{Signed: Signed{Org: o, Account: a}}, (*problem.Error)(nil)
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		in, refused = In{Signed: Signed{Org: o, Account: a}}, nil
		r, err := s.d.Challenges.PassClaim(ctx, tx, by, o, claim, "passkey:"+store.NewID())
		if err != nil {
			return err
		}
		switch {
		case r.Outcome != challenge.OutcomePassed:
			refused = problem.New(r.Code).On("code").After(r.RetryAfter)
		case a.Entry.Disabled:
			refused = problem.New(problem.Disabled)
		default:
			return s.beginBy(ctx, tx, by, token, r.Challenge, &in)
		}
		return s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.SignInFailed, Org: o.ID, Target: a.ID, TargetUserID: a.Entry.UserID, Outcome: audit.Failure,
			Reason: string(refused.Code), MethodID: claim.MethodID, MethodKind: string(r.Challenge.Kind),
		})
	})
	if err != nil {
		return In{}, fmt.Errorf("sign in by passkey: %w", err)
	}
	if refused != nil {
		return In{}, refused
	}
	s.settle(ctx, by, in.Signed)
	return in, nil
}

// settle takes over what the directory says of somebody who is in. That it could not
// keeps nobody out: the next step tries again.
func (s *Service) settle(ctx context.Context, by audit.Actor, who Signed) {
	if _, err := s.d.Accounts.Settle(ctx, by, who.Org, who.Account); err != nil {
		s.d.Log.WarnContext(ctx, "methods of the directory were not taken over", "error", err)
	}
}

// claim reads whose passkey the answer says it is of.
func (s *Service) claim(ctx context.Context, browser, answer string) (claim challenge.Claim, o *org.Organization, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if claim, err = s.d.Challenges.Recognize(ctx, tx, browser, answer); err != nil {
			return err
		}
		o, err = s.d.Orgs.Get(ctx, tx, claim.OrgID)
		return err
	})
	return claim, o, err
}

// unknown records an answer that leads to no account. A form without an answer
// is no try.
func (s *Service) unknown(ctx context.Context, by audit.Actor, refused error) error {
	p, ok := problem.As(refused)
	if !ok || p.Code == problem.CodeFormat {
		return s.notJudged(ctx, by, refused)
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return s.d.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.SignInFailed, Outcome: audit.Failure, Reason: string(p.Code), MethodKind: "passkey"})
	})
	return errors.Join(refused, err)
}

// beginBy makes the session of somebody who proved a passkey or a pass alone. A
// password that must be changed is asked for when it is used: whoever comes in
// with a pass may not know it.
func (s *Service) beginBy(ctx context.Context, tx *store.Tx, by audit.Actor, token string, c challenge.Challenge, in *In) error {
	signed := &in.Signed
	signed.Now = tx.Now()
	if err := s.refresh(ctx, tx, signed); err != nil {
		return err
	}
	browser, _, err := s.d.Sessions.Open(ctx, tx, token)
	if err != nil {
		return err
	}
	e := signed.Account.Entry
	begun, err := s.d.Sessions.Begin(ctx, tx, browser.ID, session.Begin{
		OrgID: signed.Org.ID, AccountID: signed.Account.ID, UserID: e.UserID, Name: e.DisplayName, Level: session.Full,
		MustChange: e.MustChange && c.Kind != method.TemporaryAccessPass,
	})
	if err != nil {
		return err
	}
	if in.Token, err = s.raise(ctx, tx, begun.ID, c); err != nil {
		return err
	}
	if signed.Session, err = s.d.Sessions.Get(ctx, tx, begun.ID); err != nil {
		return err
	}
	if err := throttle.Return(ctx, tx, s.addressKey(by)); err != nil {
		return err
	}
	if err := s.arrived(ctx, tx, signed.Actor(by), signed, string(c.Kind), c.MethodID); err != nil {
		return err
	}
	in.Step = Next(*signed, false)
	return nil
}

// options are what the page's script asks the browser with, where the factor
// that is proved is a passkey.
func (s *Service) options(v Verification) (string, error) {
	return s.d.Challenges.Options(v.Signed.Org, v.Signed.Account, challenge.Challenge{
		OrgID: v.Signed.Org.ID, AccountID: v.Signed.Account.ID, MethodID: v.Chosen.ID, Kind: v.Chosen.Kind,
		Purpose: v.Signed.purpose(), Owner: v.Signed.Session.ID, State: challenge.Open,
	}, v.Signed.Methods, v.Signed.Now)
}
