package admin

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// CallerFor is how long a caller counts as verified.
const CallerFor = 10 * time.Minute

// Caller is how far an agent has got in finding out who calls.
type Caller struct {
	Methods []Method  // a code can be sent to
	SentTo  Method    // where the code that is waited for went; zero: none is
	SentAt  time.Time // when
	// VerifiedAt is when this agent verified this person; zero: not within CallerFor.
	VerifiedAt time.Time
}

// ownerOf binds a proof to one agent and one person. It opens nothing for
// another agent.
func ownerOf(as Authority, accountID string) string {
	return "caller:" + as.By.Account + ":" + accountID
}

// KnowsFirst tells whether the authority has to know who calls before any act on
// a person. The roles above the helpdesk may meet people.
func (a Authority) KnowsFirst() bool { return a.Role == org.Helpdesk }

// mayAct is mayLook for whatever changes something of a person's account: the
// helpdesk may once it knows who calls, whatever the act is. No act is excepted, so
// a new one cannot be forgotten. Problems: Forbidden, CallerUnverified.
func (s *Service) mayAct(ctx context.Context, as Authority, o *org.Organization, p Person, what Action) error {
	if err := s.mayLook(as, o, p, what); err != nil || !as.KnowsFirst() {
		return err
	}
	var at time.Time
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		at, err = s.verifiedAt(ctx, tx, as, p.Account.ID)
		return err
	})
	if err == nil && at.IsZero() {
		err = problem.New(problem.CallerUnverified)
	}
	return err
}

func (s *Service) verifiedAt(ctx context.Context, tx *store.Tx, as Authority, accountID string) (at time.Time, err error) {
	passed, err := s.d.Challenges.Passed(ctx, tx, ownerOf(as, accountID))
	if err != nil {
		return at, err
	}
	for _, c := range passed {
		if c.Purpose == challenge.Caller && c.AccountID == accountID && c.PassedAt.After(at) && c.PassedAt.Add(CallerFor).After(tx.Now()) {
			at = c.PassedAt
		}
	}
	return at, nil
}

// Caller tells how far the agent has got with this person.
func (s *Service) Caller(ctx context.Context, as Authority, p Person) (c Caller, err error) {
	for _, m := range p.Methods {
		if m.Usable() && challenge.Sends(m.Kind) && m.Kind.ProvesReset() {
			c.Methods = append(c.Methods, m)
		}
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		waiting, err := s.waiting(ctx, tx, as, p.Account, c.Methods)
		if err != nil {
			return err
		}
		if c.VerifiedAt, err = s.verifiedAt(ctx, tx, as, p.Account.ID); err != nil {
			return err
		}
		for _, m := range c.Methods {
			if m.ID == waiting.MethodID {
				c.SentTo, c.SentAt = m, waiting.SentAt
			}
		}
		return nil
	})
	return c, err
}

// waiting is the newest code that this agent had sent and that still lives.
func (s *Service) waiting(ctx context.Context, tx *store.Tx, as Authority, a account.Account, methods []Method) (newest challenge.Challenge, err error) {
	for _, m := range methods {
		c, err := s.d.Challenges.Current(ctx, tx, ownerOf(as, a.ID), a.OrgID, a.ID, m.ID)
		switch {
		case problem.Has(err, problem.NotFound):
		case err != nil:
			return newest, err
		case c.Purpose == challenge.Caller && c.SentAt.After(newest.SentAt) && c.ExpiresAt.After(tx.Now()):
			newest = c
		}
	}
	return newest, nil
}

// AskCaller has a code sent to a registered method of the person, for them to
// read out. Problems: Forbidden, Required, MethodNotAllowed, SendLimit and the
// others of challenge.Send.
func (s *Service) AskCaller(ctx context.Context, as Authority, o *org.Organization, p Person, methodID string) error {
	if err := s.mayLook(as, o, p, VerifyCaller); err != nil {
		return err
	}
	if methodID == "" {
		return problem.New(problem.Required).On("method")
	}
	// A number that the directory says no more is nobody's to read a code from.
	var err error
	if p.Account, err = s.d.Accounts.Settle(ctx, as.By, o, p.Account); err != nil {
		return err
	}
	var result challenge.SendResult
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		start := challenge.Start{
			Org: o, Account: p.Account, Method: method.Method{ID: methodID}, Purpose: challenge.Caller,
			Owner: ownerOf(as, p.Account.ID), Gate: 1, Lang: p.Account.Entry.Language,
		}
		c, err := s.d.Challenges.Begin(ctx, tx, as.By, start)
		if problem.Has(err, problem.NotFound) {
			return problem.New(problem.MethodNotAllowed).On("method")
		}
		if err != nil {
			return err
		}
		if result, err = s.d.Challenges.Send(ctx, tx, as.By, start, c); err != nil || !result.Sent {
			return err // too many is a result, and its count is kept
		}
		return s.recordCaller(ctx, tx, as, p, c, audit.CallerAsked, audit.Success, "")
	})
	if err == nil && !result.Sent {
		err = problem.New(result.Code).After(result.RetryAfter).On("method")
	}
	return err
}

// VerifyCaller judges what the person read out. A wrong code counts as every
// wrong code does. Problems: Forbidden, NoCallerCode, CodeFormat, CodeWrong,
// CodeExpired, Blocked.
func (s *Service) VerifyCaller(ctx context.Context, as Authority, o *org.Organization, p Person, code string) error {
	if err := s.mayLook(as, o, p, VerifyCaller); err != nil {
		return err
	}
	var c challenge.Challenge
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		c, err = s.waiting(ctx, tx, as, p.Account, p.Methods)
		return err
	})
	if err != nil {
		return err
	}
	if c.ID == "" {
		return problem.New(problem.NoCallerCode).On("code")
	}
	answer, err := s.d.Challenges.Prepare(ctx, method.Method{ID: c.MethodID, Kind: c.Kind}, code)
	if err != nil {
		return err
	}
	var result challenge.Result
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if result, err = s.d.Challenges.Pass(ctx, tx, as.By, o, c, answer); err != nil {
			return err
		}
		if result.Outcome == challenge.OutcomePassed {
			return s.recordCaller(ctx, tx, as, p, c, audit.CallerVerified, audit.Success, "")
		}
		return s.recordCaller(ctx, tx, as, p, c, audit.CallerVerified, audit.Failure, string(result.Code))
	})
	if err == nil && result.Outcome != challenge.OutcomePassed {
		err = problem.New(result.Code).After(result.RetryAfter).On("code")
	}
	return err
}

func (s *Service) recordCaller(ctx context.Context, tx *store.Tx, as Authority, p Person, c challenge.Challenge, k audit.Kind, outcome audit.Outcome, reason string) error {
	return s.d.Audit.Record(ctx, tx, as.By, audit.Event{
		Kind: k, Org: p.Account.OrgID, Target: p.Account.ID, TargetUserID: p.Account.Entry.UserID,
		Outcome: outcome, Reason: reason, MethodID: c.MethodID, MethodKind: string(c.Kind),
	})
}
