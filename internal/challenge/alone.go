package challenge

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Alone is a Temporary Access Pass typed instead of a password, by somebody who
// has shown nothing but a user ID.
type Alone struct {
	Org       *org.Organization // nil: the user ID is of none
	AccountID string            // empty: nobody has this user ID
	UserID    string            // as it was typed, to count on where there is no account
	Owner     string            // the session that begins if it passes

	pass   string // the pass that the answer was prepared for; empty: there is none
	answer Answer
}

// PrepareAlone does the slow half: the same hash whether or not there is a pass.
// all are the account's methods. Call it without a transaction. Problems:
// CodeFormat (no pass looks like this), Busy.
func (s *Service) PrepareAlone(ctx context.Context, in Alone, all []method.Method, raw string) (Alone, error) {
	var stored []byte
	for _, m := range all {
		if m.Kind == method.TemporaryAccessPass {
			in.pass, stored = m.ID, m.Secret
		}
	}
	hash, err := s.methods.HashPass(ctx, stored, raw)
	in.answer = Answer{kind: method.TemporaryAccessPass, method: in.pass, hash: hash}
	return in, err
}

// PassAlone judges it. A wrong pass, one that is spent, and none at all take the
// same statements, the same counts and the same answer: nobody learns who has
// one. The count is of this door only: strangers cannot lock the one behind a
// password. Commit whatever the result is.
func (s *Service) PassAlone(ctx context.Context, tx *store.Tx, by audit.Actor, in Alone) (Result, error) {
	if in.Owner == "" || in.answer.kind != method.TemporaryAccessPass || in.answer.method != in.pass {
		return Result{}, errors.New("judge pass: an owner and a prepared answer are needed")
	}
	c := s.aloneChallenge(tx, in)
	if err := Lock(ctx, tx, c.OrgID, c.AccountID); err != nil {
		return Result{}, err
	}
	m, err := s.methods.Get(ctx, tx, c.OrgID, c.AccountID, in.pass)
	if err = notFound(err); err != nil {
		return Result{}, err
	}
	verdict, err := s.countAlone(ctx, tx, by, in, c, m)
	if err != nil {
		return Result{}, err
	}
	if !verdict.Allowed {
		return Result{Outcome: OutcomeBlocked, Code: problem.Blocked, RetryAfter: verdict.RetryAfter, Challenge: c}, nil
	}
	wrong := problem.CodeWrong
	if m.ID != "" && in.Org != nil && serves(m, SignIn) {
		if wrong, err = verifiers[m.Kind].judge(s, ctx, tx, c, m, in.answer); err != nil {
			return Result{}, err
		}
	}
	if wrong != "" {
		locked, err := s.wrongAlone(ctx, tx, by, in, c, m, verdict)
		return Result{Outcome: OutcomeWrong, Code: problem.CodeWrong, Left: verdict.Left, RetryAfter: locked, Challenge: c}, err
	}
	return s.passedAlone(ctx, tx, by, c, m)
}

func notFound(err error) error {
	if errors.Is(err, problem.New(problem.NotFound)) {
		return nil
	}
	return err
}

// aloneChallenge is the row that is kept if it passes. Where there is no account
// it is one that cannot be, which is counted and looked up all the same.
func (s *Service) aloneChallenge(tx *store.Tx, in Alone) Challenge {
	c := Challenge{
		ID: store.NewID(), OrgID: "-", AccountID: in.AccountID, Kind: method.TemporaryAccessPass, Purpose: SignIn, Owner: in.Owner, Gate: 1,
		State: Open, BegunAt: tx.Now(), ExpiresAt: tx.Now().Add(Life), nonce: []byte{},
	}
	if in.Org != nil {
		c.OrgID = in.Org.ID
	}
	if in.AccountID == "" {
		c.AccountID = "nobody-" + hex.EncodeToString(s.keys.Index("pass of nobody", c.OrgID+"|"+in.UserID))
	}
	return c
}

func (in Alone) limits() org.Throttles {
	if in.Org == nil {
		return org.Defaults().Throttle
	}
	return in.Org.Policy.Throttle
}

func aloneKey(orgID, accountID string) string { return signInPrefix(orgID, accountID) + "alone" }

// countAlone counts for the person, and for the organization where there is a pass to
// be guessed. The rest is counted by the same statement and stops nothing: anybody can
// make user IDs up, and would end everybody's resets with the organization's budget.
func (s *Service) countAlone(ctx context.Context, tx *store.Tx, by audit.Actor, in Alone, c Challenge, m method.Method) (throttle.Verdict, error) {
	verdict, err := throttle.Take(ctx, tx, aloneKey(c.OrgID, c.AccountID), in.limits().Gate)
	if err != nil || !verdict.Allowed {
		return verdict, err
	}
	budget := budgetKey(c.OrgID)
	if m.ID == "" {
		budget = "organization_nobody:" + c.OrgID
	}
	all, err := throttle.Take(ctx, tx, budget, in.limits().OrganizationFailures)
	if err == nil && all.JustLocked && m.ID != "" {
		err = s.lockedAlone(ctx, tx, by, in, "organization_failures")
	}
	return verdict, err
}

// wrongAlone counts towards resets and the hard cap too, as every wrong answer, and
// tells how long the door is locked where this was the last try.
func (s *Service) wrongAlone(ctx context.Context, tx *store.Tx, by audit.Actor, in Alone, c Challenge, m method.Method, verdict throttle.Verdict) (time.Duration, error) {
	c.MethodID = m.ID
	if m.ID != "" {
		if err := s.failed(ctx, tx, by, in.Org, c, m); err != nil {
			return 0, err
		}
	} else {
		if _, err := throttle.Take(ctx, tx, gateKey(c), in.limits().Gate); err != nil {
			return 0, err
		}
		if _, err := s.methods.CountFailure(ctx, tx, ""); notFound(err) != nil {
			return 0, err
		}
	}
	if verdict.Left > 0 {
		return 0, nil
	}
	again, err := throttle.Take(ctx, tx, aloneKey(c.OrgID, c.AccountID), in.limits().Gate)
	if err != nil || !again.JustLocked {
		return again.RetryAfter, err
	}
	return again.RetryAfter, s.lockedAlone(ctx, tx, by, in, "pass")
}

func (s *Service) lockedAlone(ctx context.Context, tx *store.Tx, by audit.Actor, in Alone, reason string) error {
	e := audit.Event{
		Kind: audit.SignInLocked, Target: in.AccountID, Outcome: audit.Denied, Reason: reason, MethodKind: string(method.TemporaryAccessPass),
	}
	if in.Org != nil {
		e.Org = in.Org.ID
	}
	return s.audit.Record(ctx, tx, by, e)
}

func (s *Service) passedAlone(ctx context.Context, tx *store.Tx, by audit.Actor, c Challenge, m method.Method) (Result, error) {
	// The row names no method yet: one with it would meet an open one of a reset.
	if err := insert(ctx, tx, c); err != nil {
		return Result{}, fmt.Errorf("judge pass: %w", err)
	}
	c.MethodID = m.ID
	n, err := updatePassed(ctx, tx, c.ID, m.ID)
	if err != nil {
		return Result{}, fmt.Errorf("judge pass: %w", err)
	}
	if n != 1 {
		return Result{}, fmt.Errorf("judge pass: %d rows passed", n)
	}
	for _, key := range []string{aloneKey(c.OrgID, c.AccountID), budgetKey(c.OrgID)} {
		if err := throttle.Return(ctx, tx, key); err != nil {
			return Result{}, err
		}
	}
	if err := s.methods.CountSuccess(ctx, tx, m.ID); err != nil {
		return Result{}, err
	}
	c.State, c.PassedAt = Passed, tx.Now()
	return Result{Outcome: OutcomePassed, Challenge: c}, s.passUsed(ctx, tx, by, c)
}

// ForgetAlone forgets wrong passes at sign-in: a new pass begins with none, or
// strangers could keep everybody from using one.
func ForgetAlone(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	return throttle.Clear(ctx, tx, aloneKey(orgID, accountID))
}
