package webhook

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// later is when an event that was set aside is tried again by itself, each time
// after the try before: the rest of the schedule that Svix and others keep, a day
// and a quarter in all (decision 0040).
var later = []time.Duration{30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour}

// postponed is how long what was set aside waits when the receiver itself fails.
const postponed = 10 * time.Minute

// missing says of an event that the log does not hold it any more, or another one.
const missing = "not-in-log"

// Aside is an event that was set aside, without what it says.
type Aside struct {
	Leaf       int64 // place in the log
	EventID    string
	Kind       audit.Kind
	Tries      int
	LastError  string // a short code
	SetAsideAt time.Time
	TriedAt    time.Time
	NextAt     time.Time // zero: it waits for somebody to send it again

	step int // how often it was tried since it was set aside
}

// SetAside lists what was set aside for a receiver in the order of the log, from
// after a place on, at most so many. Problem NotFound.
func (s *Service) SetAside(ctx context.Context, tx *store.Tx, orgID, id string, after int64, limit int) ([]Aside, error) {
	if _, err := s.one(ctx, tx, orgID, id); err != nil {
		return nil, err
	}
	all, err := selectAside(ctx, tx, id, after, limit)
	if err != nil {
		return nil, fmt.Errorf("events set aside: %w", err)
	}
	return all, nil
}

// SendAgain has events that were set aside sent with the next run, once; without
// identifiers all of them. A paused receiver gets them when it is resumed. Problem
// NotFound: no such receiver, or an event that is not set aside.
func (s *Service) SendAgain(ctx context.Context, by audit.Actor, o *org.Organization, id string, events ...string) (n int64, err error) {
	events = slices.Compact(slices.Sorted(slices.Values(events)))
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		h, err := s.one(ctx, tx, o.ID, id)
		if err != nil {
			return err
		}
		if n, err = updateAgain(ctx, tx, id, events); err != nil {
			return fmt.Errorf("send again: %w", err)
		}
		if len(events) > 0 && n < int64(len(events)) {
			return problem.New(problem.NotFound).On("events")
		}
		if n == 0 {
			return nil
		}
		return s.record(ctx, tx, by, h.Hook, "webhook-sent-again")
	})
	return n, err
}

// Discard gives up an event that was set aside, or with an empty identifier all of
// them: they are not sent to this receiver any more. The log keeps them, and that
// somebody gave them up. n is how many. Problem NotFound: no such receiver, or an
// event that is not set aside.
func (s *Service) Discard(ctx context.Context, by audit.Actor, o *org.Organization, id, event string) (n int64, err error) {
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		h, err := s.one(ctx, tx, o.ID, id)
		if err != nil {
			return err
		}
		if n, err = discardAside(ctx, tx, id, event); err != nil {
			return fmt.Errorf("discard events set aside: %w", err)
		}
		if n == 0 {
			if event == "" {
				return nil
			}
			return problem.New(problem.NotFound).On("event")
		}
		detail := map[string]string{"webhook": h.ID, "host": h.Host, "events": strconv.FormatInt(n, 10)}
		if event != "" {
			detail["event"] = event
		}
		return s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.AdministratorChanged, Org: o.ID, Outcome: audit.Success, Reason: "webhook-discarded", Detail: detail,
		})
	})
	return n, err
}

// setAside notes that an event is left out for now and lets the next one follow:
// both or neither, and only from where this run began.
func (s *Service) setAside(ctx context.Context, tx *store.Tx, h row, e audit.Record, f failure) error {
	now := tx.Now()
	n, err := updateSetAside(ctx, tx, h, e.Leaf+1, f.code)
	if err != nil || n == 0 {
		return err
	}
	err = insertAside(ctx, tx, h.ID, Aside{
		Leaf: e.Leaf, EventID: e.ID, Kind: e.Kind, Tries: h.failures + 1, LastError: f.code, SetAsideAt: now, TriedAt: now, NextAt: now.Add(later[0]),
	})
	if err != nil {
		return err
	}
	if e.Reason == setAsideReason {
		return nil // a receiver that refuses this very event would bring a new one each time
	}
	return s.recordFailure(ctx, tx, h.Hook, setAsideReason, f.code, map[string]string{"event": e.ID})
}

// setAsideReason is why there is an event that another one was set aside.
const setAsideReason = "webhook-set-aside"

// retry sends what was set aside and is due, to a receiver that has taken
// everything else.
func (s *Service) retry(ctx context.Context, h row, t target, end time.Time) error {
	var due []Aside
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		due, err = selectDueAside(ctx, tx, h.ID)
		return err
	})
	if err != nil {
		return err
	}
	for _, a := range due {
		if time.Now().After(end) {
			return nil
		}
		more, err := s.retryOne(ctx, h, t, a)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *Service) retryOne(ctx context.Context, h row, t target, a Aside) (more bool, err error) {
	e, found, err := s.read(ctx, h, a)
	if err != nil {
		return false, err
	}
	f := failure{code: missing, blame: theEvent}
	if found {
		if f, err = s.sendEvent(ctx, t, e); err != nil {
			return false, err
		}
	}
	if f.code != "" && ctx.Err() != nil {
		return false, nil // the node stops; that is not the receiver's failure
	}
	return f.code == "" || f.blame == theEvent, s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if f.code == "" {
			if err := deleteAside(ctx, tx, h.ID, a.Leaf); err != nil {
				return err
			}
			return updateDelivered(ctx, tx, h.ID)
		}
		if f.code == gone {
			return s.pauseFailing(ctx, tx, h, tx.Now(), f, Gone)
		}
		tried := a
		tried.TriedAt, tried.LastError, tried.NextAt = tx.Now(), f.code, time.Time{}
		if tried.step++; tried.step < len(later) && found {
			tried.NextAt = tx.Now().Add(later[tried.step])
		}
		if err := updateTried(ctx, tx, h.ID, a.NextAt, tried); err != nil {
			return err
		}
		if f.blame == theEvent {
			return nil
		}
		return postponeAside(ctx, tx, h.ID, tx.Now().Add(postponed))
	})
}

// read gives an event that was set aside as the log has it now.
func (s *Service) read(ctx context.Context, h row, a Aside) (e audit.Record, found bool, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		events, err := s.d.Audit.Follow(ctx, tx, a.Leaf, 1, h.People)
		for _, one := range events {
			if one.ID == a.EventID && one.Org == h.OrgID {
				e, found = one, true
			}
		}
		return err
	})
	return e, found, err
}
