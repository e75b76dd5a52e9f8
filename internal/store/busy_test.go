package store

import (
	"context"
	"errors"
	"testing"

	"kunci.dev/kunci/internal/problem"
)

// A node with too much to do says so, and when to come back; somebody who
// gave up, or a database that is gone, is not called busy.
func TestNoFreeConnectionInTimeIsBusy(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		busy bool
	}{
		{"waited too long", t.Context(), context.DeadlineExceeded, true},
		{"gave up", gone, context.DeadlineExceeded, false},
		{"database gone", t.Context(), errors.New("refused"), false},
	} {
		got := busy(c.ctx, c.err)
		refusal, ok := problem.As(got)
		if ok != c.busy || !errors.Is(got, c.err) {
			t.Errorf("%s: %v", c.name, got)
		}
		if ok && (refusal.Code != problem.Busy || refusal.RetryAfter <= 0) {
			t.Errorf("%s: %+v", c.name, refusal)
		}
	}
}
