package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/store"
)

const (
	firstPause = 5 * time.Second
	topPause   = time.Hour
	// givenUp is after how long of nothing but failures a receiver is switched off.
	givenUp = 3 * 24 * time.Hour
	// turn bounds one run: a queue's job has 20 seconds.
	turn = 8 * time.Second
	// together is how many receivers are sent to at once.
	together = 8
)

// Run sends what waits. It is called again and again, on one node at a time.
func (s *Service) Run(ctx context.Context) error {
	var due []row
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		due, err = selectDue(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	end := time.Now().Add(turn)
	places := make(chan struct{}, together)
	var all sync.WaitGroup
	for _, h := range due {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			if err := s.pump(ctx, h, end); err != nil {
				s.d.Log.Error("a webhook could not be worked", "webhook", h.ID, "error", err)
			}
		})
	}
	all.Wait()
	return nil
}

// pump sends to one receiver, in the order of the log, until there is nothing
// more, it fails, or the turn is over.
func (s *Service) pump(ctx context.Context, h row, end time.Time) error {
	t, err := s.open(h)
	if err != nil {
		return err
	}
	for time.Now().Before(end) {
		var events []audit.Record
		var next int64
		err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			events, next, err = s.d.Audit.FromFor(ctx, tx, h.next, h.OrgID, h.People)
			return err
		})
		if err != nil || next == h.next {
			return err
		}
		for _, e := range events {
			if time.Now().After(end) {
				return nil
			}
			more, err := s.deliver(ctx, &h, t, e)
			if err != nil || !more {
				return err
			}
		}
		if moved, err := s.move(ctx, &h, next, false); err != nil || !moved {
			return err
		}
	}
	return nil
}

// deliver sends one event and notes what became of it; more tells whether the next
// may follow.
func (s *Service) deliver(ctx context.Context, h *row, t target, e audit.Record) (more bool, err error) {
	body, err := json.Marshal(message{Type: string(e.Kind), Timestamp: e.Time.UTC(), Data: e})
	if err != nil {
		return false, fmt.Errorf("webhook: %w", err)
	}
	if failure := send(ctx, t, e.ID, s.d.DB.Now(), body); failure != "" {
		if ctx.Err() != nil {
			return false, nil // the node stops; that is not the receiver's failure
		}
		return false, s.fail(ctx, h, failure)
	}
	return s.move(ctx, h, e.Leaf+1, true)
}

// move keeps the place. It moves only from where this run began, so that two nodes
// that met do not skip anything.
func (s *Service) move(ctx context.Context, h *row, next int64, delivered bool) (moved bool, err error) {
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := updatePlace(ctx, tx, h.ID, h.next, next, delivered)
		moved = n == 1
		return err
	})
	if moved {
		h.next = next
	}
	if moved && delivered {
		h.FailingSince, h.failures = time.Time{}, 0
	}
	return moved, err
}

func (s *Service) fail(ctx context.Context, h *row, failure string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		since := h.FailingSince
		if since.IsZero() {
			since = now
		}
		off := failure == gone || now.Sub(since) >= givenUp
		n, err := updateFailed(ctx, tx, h.ID, h.next, since, now.Add(pause(h.failures)), failure, off)
		if err != nil || n == 0 || !off {
			return err
		}
		return s.d.Audit.Record(ctx, tx, audit.Actor{Kind: audit.System}, audit.Event{
			Kind: audit.AdministratorChanged, Org: h.OrgID, Outcome: audit.Failure, Reason: "webhook-disabled",
			Detail: map[string]string{"webhook": h.ID, "host": h.Host, "cause": failure},
		})
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
