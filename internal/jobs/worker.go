package jobs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// envelope is the one job type River knows: our kind, and our payload.
type envelope struct {
	Job     string          `json:"job"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Kind is River's name for the envelope.
func (envelope) Kind() string { return "kunci" }

type worker struct {
	river.WorkerDefaults[envelope]
	service *Service
}

// Work hands a job to its handler and says what becomes of it.
func (w *worker) Work(ctx context.Context, raw *river.Job[envelope]) (err error) {
	s := w.service
	job := Job{Kind: raw.Args.Job, Payload: raw.Args.Payload, Attempt: raw.Attempt, MaxAttempts: raw.MaxAttempts}
	s.mu.RLock()
	handle, giveUp := s.handlers[job.Kind], s.giveUps[job.Kind]
	s.mu.RUnlock()
	if handle == nil {
		return fmt.Errorf("nobody does jobs of the kind %q", job.Kind)
	}
	err = guarded(ctx, handle, job)
	if err == nil {
		return nil
	}
	var final discard
	permanent := errors.As(err, &final)
	s.deps.Log.Warn("job failed", "job", job.Kind, "attempt", job.Attempt, "of", job.MaxAttempts, "givenUp", permanent || job.Last(), "error", err)
	if giveUp != nil && (permanent || job.Last()) {
		giveUp(context.WithoutCancel(ctx), job, err)
	}
	if permanent {
		return river.JobCancel(err)
	}
	return err
}

// guarded turns a handler's panic into an error: one bad job must not end the node.
func guarded(ctx context.Context, handle Handler, job Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in job %s: %v", job.Kind, p)
		}
	}()
	return handle(ctx, job)
}

// backOff doubles from one second to ten minutes, with full jitter so that a
// mail server that comes back is not met by everyone at once.
type backOff struct{}

// NextRetry is when a failed job runs again.
func (backOff) NextRetry(job *rivertype.JobRow) time.Time {
	most := longestPause
	if n := len(job.Errors); n < 10 {
		most = min(longestPause, firstPause<<n)
	}
	pause := most / 2
	if n, err := rand.Int(rand.Reader, big.NewInt(int64(most/2))); err == nil {
		pause += time.Duration(n.Int64())
	}
	return time.Now().Add(pause)
}

// quiet keeps River's own lines out of ours below warnings.
func quiet(log *slog.Logger) *slog.Logger {
	return slog.New(atLeast{log.Handler(), slog.LevelWarn})
}

type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled drops what is below the level, whatever the handler underneath would take.
func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs keeps the level on the handler with attributes.
func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup keeps the level on the handler with a group.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}
