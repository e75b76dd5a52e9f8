package challenge

import (
	"context"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

func preparePass(s *Service, ctx context.Context, m method.Method, raw string) (Answer, error) {
	hash, err := s.methods.HashPass(ctx, m.Secret, raw)
	return Answer{hash: hash}, err
}

// judgePass answers a pass that is used up, over or not begun like a wrong one:
// whoever found an old pass does not learn that it was right.
func judgePass(s *Service, ctx context.Context, tx *store.Tx, _ Challenge, m method.Method, a Answer) (problem.Code, error) {
	if !method.MatchPass(m.Secret, a.hash) {
		return problem.CodeWrong, nil
	}
	counts, err := s.methods.UsePass(ctx, tx, m)
	if err != nil {
		return "", err
	}
	if !counts {
		return problem.CodeWrong, nil
	}
	return "", nil
}

// passUsed records what a pass was used for, beside what its door records.
func (s *Service) passUsed(ctx context.Context, tx *store.Tx, by audit.Actor, c Challenge) error {
	if c.Kind != method.TemporaryAccessPass {
		return nil
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.TapUsed, Org: c.OrgID, Target: c.AccountID, Outcome: audit.Success, Reason: string(c.Purpose),
		MethodID: c.MethodID, MethodKind: string(c.Kind),
	})
}
