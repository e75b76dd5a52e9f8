package challenge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Outcome of an answer.
type Outcome string

// The outcomes.
const (
	OutcomePassed  Outcome = "passed"
	OutcomeWrong   Outcome = "wrong"
	OutcomeExpired Outcome = "expired" // the challenge was over before the answer came; nothing was judged
	OutcomeBlocked Outcome = "blocked" // too many failures; nothing was judged
)

// Result is the reply to an answer.
type Result struct {
	Outcome Outcome
	// Code is the problem to show where Outcome is not OutcomePassed.
	Code problem.Code
	// Left is how many tries remain in this window after a wrong one.
	Left int
	// RetryAfter is how long OutcomeBlocked lasts; zero: until the method is registered
	// again. After OutcomeWrong: this was the last try, and all are refused that long.
	RetryAfter time.Duration
	Challenge  Challenge
}

// Pass judges an answer. Commit the transaction whatever the result is: the
// failure is counted in it.
func (s *Service) Pass(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, ch Challenge, a Answer) (Result, error) {
	if o == nil || o.ID != ch.OrgID {
		return Result{}, errors.New("judge answer: the challenge is another organization's")
	}
	c, m, over, err := s.judgeable(ctx, tx, ch)
	if err != nil || over != nil {
		return deref(over), err
	}
	if a.kind != m.Kind || a.method != m.ID {
		return Result{}, errors.New("judge answer: prepared for another method")
	}
	if s.stale(c, a, tx.Now()) {
		return Result{Outcome: OutcomeExpired, Code: problem.CodeExpired, Challenge: c}, nil
	}
	if m, err = s.meant(ctx, tx, c, m, a); err != nil {
		return Result{}, err
	}
	return s.countAndJudge(ctx, tx, by, o, c, m, a)
}

// judgeable gives a challenge and its method as they are now, with the account
// locked; a Result when nothing can be judged any more.
func (s *Service) judgeable(ctx context.Context, tx *store.Tx, ch Challenge) (c Challenge, m method.Method, over *Result, err error) {
	if err = Lock(ctx, tx, ch.OrgID, ch.AccountID); err != nil {
		return c, m, nil, err
	}
	if c, err = selectOne(ctx, tx, ch.ID); err != nil {
		return c, m, nil, fmt.Errorf("judge answer: %w", err)
	}
	m, err = s.methods.Get(ctx, tx, c.OrgID, c.AccountID, c.MethodID)
	switch {
	case errors.Is(err, problem.New(problem.NotFound)):
		return c, m, &Result{Outcome: OutcomeExpired, Code: problem.CodeExpired, Challenge: c}, nil
	case err != nil:
		return c, m, nil, err
	case c.State != Open || !c.ExpiresAt.After(tx.Now()):
		return c, m, &Result{Outcome: OutcomeExpired, Code: problem.CodeExpired, Challenge: c}, nil
	case !serves(m, c.Purpose):
		return c, m, &Result{Outcome: OutcomeBlocked, Code: problem.MethodDisabled, Challenge: c}, nil
	}
	return c, m, nil, nil
}

func deref(r *Result) Result {
	if r == nil {
		return Result{}
	}
	return *r
}

func (s *Service) countAndJudge(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge, m method.Method, a Answer) (Result, error) {
	verdict, err := s.count(ctx, tx, by, o, c)
	if err != nil {
		return Result{}, err
	}
	if !verdict.Allowed {
		return Result{Outcome: OutcomeBlocked, Code: problem.Blocked, RetryAfter: verdict.RetryAfter, Challenge: c}, nil
	}
	wrong, err := verifiers[m.Kind].judge(s, ctx, tx, c, m, a)
	if err != nil {
		return Result{}, err
	}
	if wrong != "" {
		return s.wrong(ctx, tx, by, o, c, m, verdict, wrong)
	}
	c.MethodID = m.ID // of several passkeys, the one that was used
	n, err := updatePassed(ctx, tx, c.ID, m.ID)
	if err != nil {
		return Result{}, fmt.Errorf("judge answer: %w", err)
	}
	if n != 1 {
		return Result{}, fmt.Errorf("judge answer: %d rows passed", n)
	}
	if err := s.succeeded(ctx, tx, c); err != nil {
		return Result{}, err
	}
	if Sends(c.Kind) {
		if err := endSpent(ctx, tx, c); err != nil {
			return Result{}, fmt.Errorf("judge answer: %w", err)
		}
	}
	if err := s.passUsed(ctx, tx, by, c); err != nil {
		return Result{}, err
	}
	c.State, c.PassedAt = Passed, tx.Now()
	return Result{Outcome: OutcomePassed, Challenge: c}, nil
}

// wrong counts a failure. The try itself was counted before it was judged.
func (s *Service) wrong(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge, m method.Method, verdict throttle.Verdict, code problem.Code) (Result, error) {
	if err := s.failed(ctx, tx, by, o, c, m); err != nil {
		return Result{}, err
	}
	if m.Kind == method.Passkey {
		if err := s.passkeyFailed(ctx, tx, by, o, &c, m, code); err != nil {
			return Result{}, err
		}
	}
	left := verdict.Left
	if m.Kind == method.AuthenticatorPush {
		most, err := s.pushFailed(ctx, tx, c)
		if err != nil {
			return Result{}, err
		}
		left = min(left, most)
	}
	var locked time.Duration
	if verdict.Left == 0 {
		// The last try locks at once: nobody has to come back for that.
		over, err := s.take(ctx, tx, by, o, c)
		if err != nil {
			return Result{}, err
		}
		locked = over.RetryAfter
	}
	return Result{Outcome: OutcomeWrong, Code: code, Left: left, RetryAfter: locked, Challenge: c}, nil
}

// count takes a try from every budget the answer falls under, before it is
// judged. A refusal of one gives nothing back: it is not a right answer.
func (s *Service) count(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge) (throttle.Verdict, error) {
	limits := o.Policy.Throttle
	verdict, err := s.take(ctx, tx, by, o, c)
	if err != nil || !verdict.Allowed || !guessed(c.Kind) {
		return verdict, err
	}
	// Last, because everybody in the organization shares this row.
	all, err := throttle.Take(ctx, tx, budgetKey(c.OrgID), limits.OrganizationFailures)
	if err != nil {
		return verdict, err
	}
	if all.JustLocked {
		if err := s.locked(ctx, tx, by, c, "organization_failures"); err != nil {
			return verdict, err
		}
	}
	if !all.Allowed && c.Purpose == Reset {
		// The person's own count is given back: the answer was not looked at.
		return all, throttle.Return(ctx, tx, doorKey(c))
	}
	return verdict, nil
}

func (s *Service) take(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge) (throttle.Verdict, error) {
	verdict, err := throttle.Take(ctx, tx, doorKey(c), o.Policy.Throttle.Gate)
	if err == nil && verdict.JustLocked {
		err = s.locked(ctx, tx, by, c, "gate")
	}
	return verdict, err
}

// succeeded gives the counted tries back: a right answer is no failure. What
// failed before stays counted, and other methods' counts are not touched.
func (s *Service) succeeded(ctx context.Context, tx *store.Tx, c Challenge) error {
	if err := s.giveBack(ctx, tx, c); err != nil {
		return err
	}
	if err := s.usedPhone(ctx, tx, c); err != nil {
		return err
	}
	return s.methods.CountSuccess(ctx, tx, c.MethodID)
}

// giveBack returns what count took: the answer was right.
func (s *Service) giveBack(ctx context.Context, tx *store.Tx, c Challenge) error {
	keys := []string{doorKey(c)}
	if guessed(c.Kind) {
		keys = append(keys, budgetKey(c.OrgID))
	}
	for _, key := range keys {
		if err := throttle.Return(ctx, tx, key); err != nil {
			return err
		}
	}
	return nil
}

// guessed tells whether answers of a kind can be guessed. The organization's budget is
// against guesses that are spread over many accounts; a signature and an answer from
// the person's own device are none, so whoever has one gets back in while the budget
// is used up, and nobody uses it up with them.
func guessed(k method.Kind) bool { return k != method.Passkey && k != method.AuthenticatorPush }

// failed counts towards the hard cap and, at the cap, tells the person.
func (s *Service) failed(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge, m method.Method) error {
	if doorKey(c) != gateKey(c) {
		// A failure at sign-in also counts against resets; their verdict is not this door's.
		if _, err := throttle.Take(ctx, tx, gateKey(c), o.Policy.Throttle.Gate); err != nil {
			return err
		}
	}
	if m.Kind == method.Passkey {
		// A signature is not guessed, and anybody can send a wrong one: a cap on
		// failures would only let strangers switch it off. SP 800-63B-4, 3.2.2 is
		// about secrets that can be guessed.
		return nil
	}
	n, err := s.methods.CountFailure(ctx, tx, m.ID)
	if err != nil || n != method.DisableAfter {
		return err
	}
	if err := end(ctx, tx, c.ID); err != nil {
		return fmt.Errorf("disable method: %w", err)
	}
	err = s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.MethodChanged, Org: c.OrgID, Target: c.AccountID, Outcome: audit.Denied,
		Reason: "disabled", MethodID: m.ID, MethodKind: string(m.Kind),
	})
	if err != nil {
		return err
	}
	return s.tell(ctx, tx, by, o, m, notify.MethodDisabled)
}

// tell writes to every address of the person that a method was switched off, the
// switched-off one included: it may be the only one.
func (s *Service) tell(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, m method.Method, action string) error {
	all, err := s.methods.List(ctx, tx, m.OrgID, m.AccountID)
	if err != nil {
		return err
	}
	for _, to := range all {
		if to.Kind != method.Email || !to.Proved {
			continue
		}
		_, err := s.messages.Queue(ctx, tx, notify.Message{
			Org: o, AccountID: m.AccountID, To: to.Value, Lang: o.Language, Key: "disabled:" + m.ID + ":" + to.ID,
			Body: notify.MethodNotice{
				Action: action, Kind: string(m.Kind), Masked: m.Masked(),
				IP: by.IP, Browser: by.UserAgent, SupportCode: by.Correlation, At: tx.Now(),
			},
		})
		if err != nil {
			return fmt.Errorf("tell about a disabled method: %w", err)
		}
	}
	return nil
}

// locked records, once, that a budget ran out.
func (s *Service) locked(ctx context.Context, tx *store.Tx, by audit.Actor, c Challenge, reason string) error {
	kind := audit.ResetBlocked
	if c.Purpose == SignIn || c.Purpose == StepUp {
		kind = audit.SignInLocked
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: kind, Org: c.OrgID, Target: c.AccountID, Outcome: audit.Denied,
		Reason: reason, MethodID: c.MethodID, MethodKind: string(c.Kind),
	})
}
