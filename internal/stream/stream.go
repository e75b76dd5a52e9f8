package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// Sink is where a stream ends.
type Sink interface {
	// Send hands over events in their order and returns when they were taken. A
	// Failure says in a short code why they were not.
	Send(ctx context.Context, events []Event) error
	// Check looks whether Send would work, and sends nothing.
	Check(ctx context.Context) error
}

// Failure is why a collector did not take something: a short code, which is kept
// and shown, and the cause, which is only logged.
type Failure struct {
	Code  string
	Cause error
	// After is how long the collector asked to be left alone; zero: it did not.
	After time.Duration
	// Gone says that the collector will never take some of them: nothing is sent
	// again, and what follows is.
	Gone bool
}

// Error is the code with its cause.
func (f *Failure) Error() string {
	if f.Cause == nil {
		return f.Code
	}
	return f.Code + ": " + f.Cause.Error()
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Cause }

func fail(code string, cause error) error { return &Failure{Code: code, Cause: cause} }

// Event is a record as it is handed over.
type Event struct {
	audit.Record
	// Slug is what the organization is called in files and commands.
	Slug string `json:"organization_slug,omitempty"`
}

// Target is one stream.
type Target struct {
	Name string // its section in the configuration; its place is kept under it
	Sink Sink
	// People opens what identifies people.
	People bool
	// History begins with the first event of the log, not with the next one.
	History bool
}

// Deps is what the room needs.
type Deps struct {
	DB      *store.DB
	Audit   *audit.Service
	Orgs    *org.Service
	Log     *slog.Logger
	Targets []Target
}

// Service follows the log.
type Service struct {
	d    Deps
	busy []sync.Mutex // one for each target
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Audit == nil || d.Orgs == nil || d.Log == nil {
		return nil, errors.New("stream: a part is missing")
	}
	return &Service{d: d, busy: make([]sync.Mutex, len(d.Targets))}, nil
}

const (
	firstPause = 5 * time.Second
	// topPause is short: a collector that is back is wanted soon.
	topPause = 5 * time.Minute
	// longestAfter bounds how long a collector may ask to be left alone.
	longestAfter = time.Hour
	// turn bounds one run: a queue's job has 20 seconds.
	turn = 8 * time.Second
	// together is how many events are handed over at once.
	together = 200
)

// Run sends what waits. It is called again and again, on one node at a time.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	failed := make([]error, len(s.d.Targets))
	end := time.Now().Add(turn)
	for i, t := range s.d.Targets {
		// A sink that hangs although its time is over (a pipe that nobody reads)
		// keeps its own stream waiting, and not one worker after another.
		if !s.busy[i].TryLock() {
			continue
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.busy[i].Unlock()
			failed[i] = s.pump(ctx, t, end)
		}()
		all.Go(func() {
			select {
			case <-done:
			case <-ctx.Done():
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(failed...)
}

// pump sends one stream's events until there is nothing more, it fails, or the
// turn is over.
func (s *Service) pump(ctx context.Context, t Target, end time.Time) error {
	at, due, err := s.begin(ctx, t)
	if err != nil || !due {
		return err
	}
	for time.Now().Before(end) {
		events, next, err := s.read(ctx, t, at.next)
		if err != nil || next == at.next {
			return err
		}
		refused := ""
		if err := t.Sink.Send(ctx, events); err != nil {
			if ctx.Err() != nil {
				return nil // the node stops; that is not the collector's failure
			}
			f := new(Failure)
			if !errors.As(err, &f) || !f.Gone {
				return s.fail(ctx, t, at, err)
			}
			refused = f.Code
			s.d.Log.Error("an audit stream's collector refused events for good; export them from the log", "stream", t.Name,
				"from", at.next, "to", next-1, "error", err)
		}
		moved := false
		err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
			n, err := updatePlace(ctx, tx, t.Name, at.next, next, refused)
			moved = n == 1
			return err
		})
		if err != nil || !moved { // another node went on from here
			return err
		}
		if at.failures > 0 {
			s.d.Log.Info("the audit stream works again", "stream", t.Name)
		}
		at = place{next: next}
	}
	return nil
}

// begin finds where a stream stands, or where it begins.
func (s *Service) begin(ctx context.Context, t Target) (at place, due bool, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		at, err = selectPlace(ctx, tx, t.Name)
		due = err == nil && !tx.Now().Before(at.nextAt)
		return err
	})
	if !errors.Is(err, store.ErrNoRows) {
		return at, due, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		first := int64(0)
		if !t.History {
			if first, err = s.d.Audit.Size(ctx, tx); err != nil {
				return err
			}
		}
		if err = insertPlace(ctx, tx, t.Name, first); err != nil {
			return err
		}
		at, err = selectPlace(ctx, tx, t.Name)
		return err
	})
	return at, true, err
}

func (s *Service) read(ctx context.Context, t Target, from int64) (events []Event, next int64, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		records, err := s.d.Audit.Follow(ctx, tx, from, together, t.People)
		if err != nil {
			return err
		}
		slugs := make(map[string]string)
		if len(records) > 0 {
			all, err := s.d.Orgs.List(ctx, tx)
			if err != nil {
				return err
			}
			for _, o := range all {
				slugs[o.ID] = o.Slug
			}
		}
		events, next = nil, from
		for _, r := range records {
			events, next = append(events, Event{r, slugs[r.Org]}), r.Leaf+1
		}
		return nil
	})
	if err != nil {
		return nil, from, fmt.Errorf("stream %s: %w", t.Name, err)
	}
	return events, next, nil
}

// fail keeps what became of the try and when the next may be.
func (s *Service) fail(ctx context.Context, t Target, at place, cause error) error {
	code, after := "failed", time.Duration(0)
	if f := new(Failure); errors.As(cause, &f) {
		code, after = f.Code, min(f.After, longestAfter)
	}
	s.d.Log.Warn("an audit stream's collector did not take the events; they are kept and sent again", "stream", t.Name, "error", cause)
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		since := at.failingSince
		if since.IsZero() {
			since = now
		}
		return updateFailed(ctx, tx, t.Name, at.next, since, now.Add(max(after, pause(at.failures))), code)
	})
}

// pause is how long to wait after so many failures before.
func pause(failures int) time.Duration {
	p := firstPause
	for ; failures > 0 && p < topPause; failures-- {
		p *= 2
	}
	return min(p, topPause)
}

// State is how a stream does.
type State struct {
	Name string
	// Behind is how many events wait, Age how long the oldest of them does.
	Behind       int64
	Age          time.Duration
	FailingSince time.Time // zero: the last try succeeded, or there was none
	LastError    string    // a short code
	SentAt       time.Time // zero: never
}

// States tells how the streams do, those that are configured here.
func (s *Service) States(ctx context.Context, tx *store.Tx) ([]State, error) {
	size, err := s.d.Audit.Size(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("streams: %w", err)
	}
	var all []State
	for _, t := range s.d.Targets {
		at, err := selectPlace(ctx, tx, t.Name)
		if errors.Is(err, store.ErrNoRows) {
			all = append(all, State{Name: t.Name})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("streams: %w", err)
		}
		state := State{Name: t.Name, Behind: max(size-at.next, 0), FailingSince: at.failingSince, LastError: at.lastError, SentAt: at.sentAt}
		if state.Behind > 0 {
			oldest, err := s.d.Audit.Follow(ctx, tx, at.next, 1, false)
			if err != nil {
				return nil, fmt.Errorf("streams: %w", err)
			}
			if len(oldest) > 0 {
				state.Age = max(tx.Now().Sub(oldest[0].Time), 0)
			}
		}
		all = append(all, state)
	}
	return all, nil
}

// Check looks whether the streams' collectors can be reached, by name. Nothing is sent.
func (s *Service) Check(ctx context.Context) map[string]error {
	found := make(map[string]error, len(s.d.Targets))
	for _, t := range s.d.Targets {
		found[t.Name] = t.Sink.Check(ctx)
	}
	return found
}

// sentence is an event in one line for people: codes and pseudonyms, and what
// identifies people only where the stream opens it.
func (e Event) sentence() string {
	text := string(e.Kind) + " " + string(e.Outcome)
	for _, part := range [...][2]string{
		{"organization", e.Slug}, {"reason", e.Reason}, {"method", e.MethodKind}, {"target", e.Target}, {"target_user", e.TargetUserID},
		{"by", string(e.Actor.Kind)}, {"actor", e.Actor.Account}, {"actor_user", e.Actor.UserID}, {"ip", e.Actor.IP},
	} {
		if part[1] != "" {
			text += " " + part[0] + "=" + part[1]
		}
	}
	return text
}

// fields are an event's facts by name, in one order, empty ones left out.
func (e Event) fields() [][2]string {
	place := strconv.FormatInt(e.Leaf, 10)
	all := [][2]string{
		{"id", e.ID}, {"leaf", place}, {"organization", e.Slug}, {"organization_id", e.Org}, {"outcome", string(e.Outcome)},
		{"reason", e.Reason}, {"actor_kind", string(e.Actor.Kind)}, {"actor", e.Actor.Account}, {"actor_user_id", e.Actor.UserID},
		{"ip", e.Actor.IP}, {"user_agent", e.Actor.UserAgent}, {"target", e.Target}, {"target_user_id", e.TargetUserID},
		{"method_id", e.MethodID}, {"method_kind", e.MethodKind}, {"correlation", e.Correlation},
	}
	if e.Erased {
		all = append(all, [2]string{"erased", "true"})
	}
	for _, name := range sortedKeys(e.Detail) {
		all = append(all, [2]string{"detail." + name, e.Detail[name]})
	}
	kept := all[:0]
	for _, field := range all {
		if field[1] != "" {
			kept = append(kept, field)
		}
	}
	return kept
}
