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

// envelope is the one job type River knows: our kind, our payload, and the key
// that Unique compares together with the kind.
type envelope struct {
	Job     string          `json:"job" river:"unique"`
	Key     string          `json:"key" river:"unique"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Kind is River's name for the envelope.
func (envelope) Kind() string { return "kunci" }

type worker struct {
	river.WorkerDefaults[envelope]
	service *Service
}

// errDied is the cause of giving up a job that was never heard of after its last attempt.
var errDied = errors.New("the node died at the last attempt")

// Work hands a job to its handler and says what becomes of it.
func (w *worker) Work(ctx context.Context, raw *river.Job[envelope]) error {
	s := w.service
	job := Job{Kind: raw.Args.Job, Payload: raw.Args.Payload, Attempt: raw.Attempt, MaxAttempts: raw.MaxAttempts - spareAttempts}
	s.mu.RLock()
	handle, giveUp := s.handlers[job.Kind], s.giveUps[job.Kind]
	s.mu.RUnlock()
	var err error
	switch {
	case handle == nil:
		err = fmt.Errorf("nobody does jobs of the kind %q", job.Kind)
	case job.Attempt > job.MaxAttempts:
		err = errDied
	default:
		err = guarded(ctx, handle, job)
	}
	if err == nil {
		return nil
	}
	final := errors.As(err, new(discard)) || job.Last()
	s.deps.Log.Warn("job failed", "job", job.Kind, "attempt", job.Attempt, "of", job.MaxAttempts, "givenUp", final, "error", err)
	if !final {
		return err
	}
	if giveUp != nil {
		giveUp(context.WithoutCancel(ctx), job, err)
	}
	return river.JobCancel(err)
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

// backOff doubles from one second to ten minutes, with full jitter: anything
// between nothing and that, so that a mail server that comes back is not met by
// everyone at once (AWS Architecture Blog, "Exponential Backoff And Jitter").
type backOff struct{}

// NextRetry is when a failed job runs again. Errors holds the attempts before this one.
func (backOff) NextRetry(job *rivertype.JobRow) time.Time {
	pause := longestPause(len(job.Errors))
	n, err := rand.Int(rand.Reader, big.NewInt(int64(pause)))
	if err == nil {
		pause = time.Duration(n.Int64())
	}
	return time.Now().Add(pause)
}

// longestPause is the most that a job waits after it failed so many times before.
func longestPause(failures int) time.Duration {
	if failures >= 10 {
		return topPause
	}
	return min(topPause, firstPause<<failures)
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
