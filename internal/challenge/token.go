package challenge

import (
	"context"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

const (
	// lookAhead is how often a counter's button may be pressed in between.
	lookAhead = 10
	// lookFar is how far ahead a counter is looked for that is out of step.
	lookFar = 1000
	// creep is how many steps a clock may drift by ordinary use.
	creep = 10
	// driftFar is how many steps a clock may be off that is out of step.
	driftFar = 60
)

// judgeToken proves a hardware token. A code from outside the ordinary window
// is wrong, but noted: when the very next code of the token follows, the two
// together bring it back in step (RFC 4226, 7.4; RFC 6238, 6).
func judgeToken(s *Service, ctx context.Context, tx *store.Tx, _ Challenge, m method.Method, a Answer) (problem.Code, error) {
	t, err := s.methods.Token(ctx, tx, m.OrgID, string(m.Secret))
	if problem.Has(err, problem.NotFound) || err == nil && t.AccountID != m.AccountID {
		return problem.CodeWrong, nil // it was taken back
	}
	if err != nil {
		return "", err
	}
	now := t.OATH.Step(tx.Now())
	step, ok := inStep(t, now, a.digits)
	if !ok {
		step, ok = backInStep(t, now, a.digits)
	}
	if !ok {
		return problem.CodeWrong, s.await(ctx, tx, t, now, a.digits)
	}
	first, err := s.methods.UseToken(ctx, tx, t, m.ID, step, drifted(t, now, step))
	if err != nil {
		return "", err
	}
	if !first {
		return problem.CodeUsed, nil
	}
	return "", nil
}

// inStep looks for a code in the ordinary window: the next codes of a counter,
// or one period around what its clock shows. The counter's last code is found
// too, to be told that it is used.
func inStep(t method.Token, now int64, code string) (int64, bool) {
	if t.OATH.Counter {
		if step, ok := firstMatch(t.OATH, t.Seed, code, t.LastStep+1, t.LastStep+lookAhead); ok || t.LastStep < 0 {
			return step, ok
		}
		return firstMatch(t.OATH, t.Seed, code, t.LastStep, t.LastStep)
	}
	return lastMatch(t.OATH, t.Seed, code, now+t.Drift-1, now+t.Drift+1)
}

// backInStep tells whether a code is the one that is awaited.
func backInStep(t method.Token, now int64, code string) (int64, bool) {
	if t.Resync <= t.LastStep || t.Resync == 0 || !t.OATH.Counter && far(t.Resync-now) {
		return 0, false
	}
	return lastMatch(t.OATH, t.Seed, code, t.Resync, t.Resync)
}

// await notes the code after this one, when this one is from far outside.
func (s *Service) await(ctx context.Context, tx *store.Tx, t method.Token, now int64, code string) error {
	from, to := t.LastStep+1, t.LastStep+lookFar
	if !t.OATH.Counter {
		from, to = max(now-driftFar, t.LastStep+1), now+driftFar
	}
	next := int64(0)
	if step, ok := firstMatch(t.OATH, t.Seed, code, from, to); ok {
		next = step + 1
	}
	if next == t.Resync {
		return nil
	}
	return s.methods.AwaitToken(ctx, tx, t, next)
}

// drifted is how far the clock of a token is off after a step was accepted.
// Ordinary use moves the window along with the clock, but only so far.
func drifted(t method.Token, now, step int64) int64 {
	if t.OATH.Counter {
		return 0
	}
	drift := step - now
	if step != t.Resync && abs(drift) > creep && abs(drift) > abs(t.Drift) {
		return t.Drift
	}
	return drift
}

func far(drift int64) bool { return abs(drift) > driftFar+1 }

func abs(n int64) int64 { return max(n, -n) }
