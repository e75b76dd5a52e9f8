package challenge

import (
	"context"
	"crypto/subtle"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

func prepareTOTP(_ *Service, _ context.Context, m method.Method, raw string) (Answer, error) {
	code, err := digitsOf(raw, m.OATH.Digits, m.OATH.Digits)
	return Answer{digits: code}, err
}

func judgeTOTP(s *Service, ctx context.Context, tx *store.Tx, _ Challenge, m method.Method, a Answer) (problem.Code, error) {
	step, ok := totpMatch(m.OATH, m.Secret, a.digits, tx.Now(), 0)
	if !ok {
		return problem.CodeWrong, nil
	}
	first, err := s.methods.UseStep(ctx, tx, m.ID, step)
	if err != nil {
		return "", err
	}
	if !first {
		return problem.CodeUsed, nil
	}
	return "", nil
}

// totpMatch looks for the step a code belongs to, one period around the one
// that the clock shows, which is drift steps ahead of ours. All three are
// compared whichever matches; of two equal codes the later counts.
func totpMatch(o method.OATH, seed []byte, code string, now time.Time, drift int64) (step int64, ok bool) {
	middle := o.Step(now) + drift
	return lastMatch(o, seed, code, middle-1, middle+1)
}

// lastMatch looks for a code in a range of steps, the same work wherever it is.
func lastMatch(o method.OATH, seed []byte, code string, from, to int64) (step int64, ok bool) {
	for s := from; s <= to; s++ {
		if subtle.ConstantTimeCompare([]byte(o.Code(seed, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// firstMatch is lastMatch, where of two equal codes the earlier counts: a counter
// that was taken to be further than it is would have its next codes refused.
func firstMatch(o method.OATH, seed []byte, code string, from, to int64) (step int64, ok bool) {
	for s := to; s >= from; s-- {
		if subtle.ConstantTimeCompare([]byte(o.Code(seed, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}
