package reset

import (
	"context"
	"strings"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// tried is the kind of method at which a flow stands: the one being proved, or
// else the one proved last; empty before the first. Reports count by it.
func (s *Service) tried(ctx context.Context, tx *store.Tx, f Flow) (string, error) {
	if kind, chosen := strings.CutPrefix(f.MethodID, hiddenPrefix); chosen {
		return kind, nil
	}
	if f.hidden {
		return "", nil // whoever it is, the same work
	}
	if f.MethodID != "" {
		m, err := s.d.Methods.Get(ctx, tx, f.OrgID, f.AccountID, f.MethodID)
		if problem.Has(err, problem.NotFound) {
			return "", nil // deleted since
		}
		return string(m.Kind), err
	}
	if f.AccountID == "" {
		return "", nil
	}
	passed, err := s.d.Challenges.Passed(ctx, tx, f.ID)
	if err != nil || len(passed) == 0 {
		return "", err
	}
	return string(passed[len(passed)-1].Kind), nil
}
