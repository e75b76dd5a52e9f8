package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// tests is how often an organization may have a receiver tried: each try is a
// request to an address that somebody else chose.
var tests = throttle.Limit{Limit: 30, Per: 10 * time.Minute}

// Test sends an event that means nothing, now, and gives what came back as a short
// code; empty for success. One that succeeds resumes a receiver that was paused
// because it failed, from where it stopped. Problems: NotFound, Blocked.
func (s *Service) Test(ctx context.Context, by audit.Actor, o *org.Organization, id string) (failed string, err error) {
	var h row
	var verdict throttle.Verdict
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if h, err = s.one(ctx, tx, o.ID, id); err != nil {
			return err
		}
		verdict, err = throttle.Take(ctx, tx, "webhook-test:"+o.ID, tests)
		return err
	})
	if err != nil {
		return "", err
	}
	if !verdict.Allowed {
		return "", problem.New(problem.Blocked).After(verdict.RetryAfter)
	}
	t, err := s.open(h)
	if err != nil {
		return "", err
	}
	now := s.d.DB.Now()
	body, err := json.Marshal(message{Type: "webhook.test", Timestamp: now.UTC(), Data: struct{}{}})
	if err != nil {
		return "", fmt.Errorf("test webhook: %w", err)
	}
	if f := send(ctx, t, "test-"+store.NewID(), now, body); f.code != "" {
		return f.code, nil
	}
	return "", s.resume(ctx, by, o, id, func(now Hook) bool { return now.PausedFor != ByHand })
}

// Resume sends to a paused receiver again, from where it stopped; a receiver that
// waits after a failure is asked at once. Problem NotFound.
func (s *Service) Resume(ctx context.Context, by audit.Actor, o *org.Organization, id string) error {
	return s.resume(ctx, by, o, id, func(Hook) bool { return true })
}

// resume asks may about the receiver as it is when it would be resumed.
func (s *Service) resume(ctx context.Context, by audit.Actor, o *org.Organization, id string, may func(Hook) bool) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		h, err := s.one(ctx, tx, o.ID, id)
		if err != nil || !may(h.Hook) {
			return err
		}
		if err := updateResumed(ctx, tx, h.ID); err != nil {
			return fmt.Errorf("resume webhook: %w", err)
		}
		if h.PausedAt.IsZero() {
			return nil
		}
		return s.record(ctx, tx, by, h.Hook, "webhook-resumed")
	})
}

// Pause sends nothing to a receiver until it is resumed; what happens meanwhile
// waits. One that is paused already stays as it is. Problem NotFound.
func (s *Service) Pause(ctx context.Context, by audit.Actor, o *org.Organization, id string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		h, err := s.one(ctx, tx, o.ID, id)
		if err != nil {
			return err
		}
		n, err := updatePaused(ctx, tx, h.ID, ByHand)
		if err != nil {
			return fmt.Errorf("pause webhook: %w", err)
		}
		if n == 0 {
			return nil
		}
		return s.record(ctx, tx, by, h.Hook, "webhook-paused")
	})
}
