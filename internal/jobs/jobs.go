package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"kunci.dev/kunci/internal/store"
)

// Times and bounds of the queue, in the order a job meets them.
const (
	fetchCooldown     = 10 * time.Millisecond  // between two fetches: with 16 workers far above what one node sends
	fetchPoll         = 500 * time.Millisecond // when no notice of a new job came
	jobTimeout        = 20 * time.Second       // one attempt
	rescueAfter       = 30 * time.Second       // a job whose node died is taken back at this age; River looks every 30 s, and its own default is an hour
	defaultWorkers    = 16
	defaultAttempts   = 16 // with the pauses below, half an hour on average and 67 minutes at most
	spareAttempts     = 3  // of River's, so that a job whose node died at its last attempt still comes back to be given up
	keepFinished      = time.Hour
	keepGivenUp       = 7 * 24 * time.Hour
	softStop          = 10 * time.Second // running work may finish; then it is asked to end
	stopPatience      = 15 * time.Second // and then it is left behind, to run again
	firstPause        = time.Second
	topPause          = 10 * time.Minute
	periodicAttempts  = 1
	periodicJobPrefix = "every:"
)

// Job is one piece of work as its handler sees it.
type Job struct {
	Kind        string
	Payload     json.RawMessage
	Attempt     int // 1 at the first
	MaxAttempts int
}

// Last tells whether the job is given up when this attempt fails.
func (j Job) Last() bool { return j.Attempt >= j.MaxAttempts }

// Handler does a job. An error has it tried again, unless it is a Discard.
type Handler func(ctx context.Context, j Job) error

// GiveUp is told of a job that will not be tried again, once, or again when the
// node dies while it is being told.
type GiveUp func(ctx context.Context, j Job, cause error)

type discard struct{ cause error }

func (d discard) Error() string { return d.cause.Error() }
func (d discard) Unwrap() error { return d.cause }

// Discard marks an error that no further attempt can mend.
func Discard(cause error) error {
	if cause == nil {
		return nil
	}
	return discard{cause}
}

// Deps are what the room stands on.
type Deps struct {
	DB  *store.DB
	Log *slog.Logger
	// Workers is how many jobs run at once on this node; 0 means 16.
	Workers int
	// RescueAfter replaces the thirty seconds after which a dead node's jobs
	// run again; 0 keeps them. Attempts are cut at two thirds of it.
	RescueAfter time.Duration
}

// Service enqueues jobs and, once started, works them.
type Service struct {
	deps     Deps
	engine   engine
	mu       sync.RWMutex
	handlers map[string]Handler
	giveUps  map[string]GiveUp
	periodic []*river.PeriodicJob
	started  bool
}

// engine is River's client without the type of its transaction.
type engine interface {
	insert(ctx context.Context, tx *store.Tx, args river.JobArgs, o *river.InsertOpts) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
}

// New gives a service that enqueues; Start makes it work.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Log == nil {
		return nil, errors.New("jobs: DB and Log are needed")
	}
	if d.Workers <= 0 {
		d.Workers = defaultWorkers
	}
	if d.RescueAfter <= 0 {
		d.RescueAfter = rescueAfter
	}
	s := &Service{deps: d, handlers: make(map[string]Handler), giveUps: make(map[string]GiveUp)}
	inserter, err := newEngine(d.DB, &river.Config{Logger: quiet(d.Log)})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	s.engine = inserter
	return s, nil
}

// Handle says who does the jobs of a kind. Call it before Start.
func (s *Service) Handle(kind string, h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[kind] = h
}

// OnGiveUp says who is told when a job of the kind is given up. Call it before Start.
func (s *Service) OnGiveUp(kind string, g GiveUp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveUps[kind] = g
}

// Every runs work again and again, on one node at a time, first when the
// queue starts. A failed run is logged and left to the next. Call it before Start.
func (s *Service) Every(name string, d time.Duration, run func(ctx context.Context) error) {
	kind := periodicJobPrefix + name
	s.Handle(kind, func(ctx context.Context, _ Job) error { return run(ctx) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.periodic = append(s.periodic, river.NewPeriodicJob(river.PeriodicInterval(d),
		func() (river.JobArgs, *river.InsertOpts) {
			return envelope{Job: kind}, &river.InsertOpts{MaxAttempts: periodicAttempts + spareAttempts, UniqueOpts: unfinished}
		}, &river.PeriodicJobOpts{RunOnStart: true}))
}

// unfinished has one job of a kind and key wait or run at a time.
var unfinished = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateRetryable, rivertype.JobStateScheduled,
}}

// Option changes how one job is enqueued.
type Option func(*order)

// order is what Enqueue asks of River.
type order struct {
	river.InsertOpts
	key string
}

// At has the job wait until a time of the wall clock.
func At(t time.Time) Option { return func(o *order) { o.ScheduledAt = t } }

// MaxAttempts has the job given up after n attempts.
func MaxAttempts(n int) Option { return func(o *order) { o.MaxAttempts = max(n, 1) } }

// Unique has nothing enqueued while another job of the same kind and key waits
// or runs. Once that one is done or given up, the key is free again.
func Unique(key string) Option {
	return func(o *order) { o.UniqueOpts, o.key = unfinished, key }
}

// Enqueue writes a job in the caller's transaction: no commit, no job. The
// payload is JSON and is kept in clear, so it holds identifiers, never secrets.
func (s *Service) Enqueue(ctx context.Context, tx *store.Tx, kind string, payload any, options ...Option) error {
	data, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("job %s: %w", kind, err)
	}
	o := order{InsertOpts: river.InsertOpts{MaxAttempts: defaultAttempts}}
	for _, option := range options {
		option(&o)
	}
	o.MaxAttempts += spareAttempts
	s.mu.RLock()
	e := s.engine
	s.mu.RUnlock()
	if err := e.insert(ctx, tx, envelope{Job: kind, Key: o.key, Payload: data}, &o.InsertOpts); err != nil {
		return fmt.Errorf("job %s: %w", kind, err)
	}
	return nil
}

// Start begins to work jobs and returns. Handlers are fixed from here on. When
// ctx ends, so does the work, as by Stop; call Stop to wait for it.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return errors.New("jobs: started already")
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{service: s})
	e, err := newEngine(s.deps.DB, &river.Config{
		Logger:                      quiet(s.deps.Log),
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: s.deps.Workers}},
		Workers:                     workers,
		PeriodicJobs:                s.periodic,
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  min(jobTimeout, s.deps.RescueAfter*2/3),
		RescueStuckJobsAfter:        s.deps.RescueAfter,
		RetryPolicy:                 backOff{},
		SoftStopTimeout:             softStop,
		CompletedJobRetentionPeriod: keepFinished,
		CancelledJobRetentionPeriod: keepGivenUp,
		DiscardedJobRetentionPeriod: keepGivenUp,
	})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if err := e.start(ctx); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	s.engine, s.started = e, true
	return nil
}

// Stop takes no new jobs, lets running ones finish for ten seconds, cancels
// their context then, and leaves the rest in the database for the next start.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.RLock()
	e, started := s.engine, s.started
	s.mu.RUnlock()
	if !started {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	return e.stop(ctx)
}
