package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// How long a receiver is waited for; the numbers and where they come from are in
// decision 0040.
const (
	firstPause = 5 * time.Second
	topPause   = time.Hour
	// refusals is how often an event is refused until it is set aside: ten and a half
	// minutes. After inARow of them with nothing delivered in between it is rather the
	// receiver that is broken, and the next one waits for as long as stuck.
	refusals = 8
	inARow   = 10
	// stuck is after how long any event is set aside that a receiver was given and
	// did not take.
	stuck = 27*time.Hour + 35*time.Minute
	// givenUp is after how long of nothing but failures a receiver is paused, if the
	// event that waits has been tried for long enough, too: after a quiet week one
	// failure is no reason.
	givenUp   = 5 * 24 * time.Hour
	triedLong = 12 * time.Hour
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

// pump sends to one receiver: what waits in the log, and when it has taken all of
// that, what was set aside and is due.
func (s *Service) pump(ctx context.Context, h row, end time.Time) error {
	t, err := s.open(h)
	if err != nil {
		return err
	}
	taken, err := s.follow(ctx, &h, t, end)
	if err != nil || !taken || h.SetAside == 0 {
		return err
	}
	return s.retry(ctx, h, t, end)
}

// follow sends in the order of the log until there is nothing more, which it
// tells, the receiver fails, or the turn is over.
func (s *Service) follow(ctx context.Context, h *row, t target, end time.Time) (taken bool, err error) {
	for time.Now().Before(end) {
		var events []audit.Record
		var next int64
		err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			events, next, err = s.d.Audit.FromFor(ctx, tx, h.next, h.OrgID, h.People)
			return err
		})
		if err != nil || next == h.next {
			return err == nil, err
		}
		for _, e := range events {
			if time.Now().After(end) {
				return false, nil
			}
			more, err := s.deliver(ctx, h, t, e)
			if err != nil || !more {
				return false, err
			}
		}
		if moved, err := s.move(ctx, h, next, false); err != nil || !moved {
			return false, err
		}
	}
	return false, nil
}

// deliver sends one event and notes what became of it; more tells whether the next
// may follow.
func (s *Service) deliver(ctx context.Context, h *row, t target, e audit.Record) (more bool, err error) {
	f, err := s.sendEvent(ctx, t, e)
	if err != nil {
		return false, err
	}
	if f.code == "" {
		return s.move(ctx, h, e.Leaf+1, true)
	}
	if ctx.Err() != nil {
		return false, nil // the node stops; that is not the receiver's failure
	}
	return s.fail(ctx, h, e, f)
}

func (s *Service) sendEvent(ctx context.Context, t target, e audit.Record) (failure, error) {
	body, err := json.Marshal(message{Type: string(e.Kind), Timestamp: e.Time.UTC(), Data: e})
	if err != nil {
		return failure{}, fmt.Errorf("webhook: %w", err)
	}
	return send(ctx, t, e.ID, s.d.DB.Now(), body), nil
}

// move keeps the place. It moves only from where this run began, so that two nodes
// that met do not skip anything.
func (s *Service) move(ctx context.Context, h *row, next int64, delivered bool) (moved bool, err error) {
	now := time.Time{}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		now = tx.Now()
		n, err := updatePlace(ctx, tx, h.ID, h.next, next, delivered)
		moved = n == 1
		return err
	})
	if moved {
		h.next = next
	}
	if moved && delivered {
		h.FailingSince, h.eventSince, h.failures, h.asideRun, h.DeliveredAt = time.Time{}, time.Time{}, 0, 0, now
	}
	return moved, err
}

// fail notes a failure: the event is tried again, set aside, or the receiver is
// paused. more tells that the next event may follow.
func (s *Service) fail(ctx context.Context, h *row, e audit.Record, f failure) (more bool, err error) {
	var after row
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		more, after = false, *h
		if after.FailingSince.IsZero() {
			after.FailingSince = now
		}
		if after.eventSince.IsZero() {
			after.eventSince = now
		}
		failing, tried := now.Sub(after.FailingSince), now.Sub(after.eventSince)
		switch {
		case f.code == gone:
			return s.pauseFailing(ctx, tx, after, after.FailingSince, f, Gone)
		case failing >= givenUp && tried >= triedLong:
			return s.pauseFailing(ctx, tx, after, after.FailingSince, f, Failing)
		case after.cannotTake(f, tried):
			more = true
			return s.setAside(ctx, tx, after, e, f)
		}
		wait := max(pause(h.failures), min(f.after, topPause))
		return updateFailed(ctx, tx, after, now.Add(wait), f.code)
	})
	if err != nil || !more {
		return false, err
	}
	after.next, after.failures, after.eventSince = e.Leaf+1, 0, time.Time{}
	after.asideRun++
	after.SetAside++
	*h = after
	return true, nil
}

// cannotTake tells that the event has been tried long enough. What the receiver
// never saw is never the event's fault.
func (r row) cannotTake(f failure, tried time.Duration) bool {
	switch {
	case f.blame == theWay:
		return false
	case tried >= stuck:
		return true
	}
	// A receiver that never took anything is not set up yet.
	return f.blame == theEvent && r.failures+1 >= refusals && r.asideRun < inARow && !r.DeliveredAt.IsZero()
}

// pauseFailing pauses a receiver that failed and tells the owners.
func (s *Service) pauseFailing(ctx context.Context, tx *store.Tx, h row, since time.Time, f failure, why Pause) error {
	n, err := updateGivenUp(ctx, tx, h, since, why, f.code)
	if err != nil || n == 0 {
		return err
	}
	if err := s.recordFailure(ctx, tx, h.Hook, "webhook-paused", f.code, nil); err != nil {
		return err
	}
	return s.tell(ctx, tx, h.Hook, since, f, why)
}

func (s *Service) recordFailure(ctx context.Context, tx *store.Tx, h Hook, reason, cause string, more map[string]string) error {
	detail := map[string]string{"webhook": h.ID, "host": h.Host, "cause": cause}
	for name, value := range more {
		detail[name] = value
	}
	return s.d.Audit.Record(ctx, tx, audit.Actor{Kind: audit.System}, audit.Event{
		Kind: audit.AdministratorChanged, Org: h.OrgID, Outcome: audit.Failure, Reason: reason, Detail: detail,
	})
}

// tell writes to the owners that are named, or, where none can be written to, to
// the organization's support address.
func (s *Service) tell(ctx context.Context, tx *store.Tx, h Hook, since time.Time, f failure, why Pause) error {
	o, err := s.d.Orgs.Get(ctx, tx, h.OrgID)
	if err != nil {
		return err
	}
	write := func(address string) (bool, error) {
		_, err := s.d.Messages.Queue(ctx, tx, notify.Message{
			Org: o, To: address, Lang: o.Language,
			Body: notify.WebhookNotice{Host: h.Host, Gone: why == Gone, Code: f.code, Since: since, At: tx.Now()},
		})
		if errors.Is(err, problem.New(problem.EmailInvalid)) {
			return false, nil // a user ID that is no mailbox is no reason to go on sending
		}
		return err == nil, err
	}
	told := false
	for _, a := range o.Administrators {
		if a.Role != org.Owner || a.UserID == "" {
			continue
		}
		one, err := write(a.UserID)
		if err != nil {
			return err
		}
		told = told || one
	}
	if !told && o.Support.Email != "" {
		_, err = write(o.Support.Email)
	}
	return err
}

// pause is how long to wait after so many failures before: twice as long each time,
// and up to a tenth more, so that receivers behind one door are not all asked at once.
func pause(failures int) time.Duration {
	p := firstPause
	for ; failures > 0 && p < topPause; failures-- {
		p *= 2
	}
	p = min(p, topPause)
	var b [1]byte
	_, _ = rand.Read(b[:]) // it never fails
	return p + p/10*time.Duration(b[0])/255
}
