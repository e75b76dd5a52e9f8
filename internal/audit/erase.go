package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kunci.dev/kunci/internal/store"
)

// erased is the reason of the event that records an erasure. Its detail names the
// keys that went, or the day before which all went.
const (
	erased       = "erased"
	detailKey    = "key" // one or several, a blank between them
	detailDay    = "day"
	detailBefore = "before"
	// keysTold is how many keys one event names: a detail holds 512 bytes.
	keysTold = 12
)

// Erase destroys the keys of an account's person. What identified the person in
// every event is gone for good; the events and the log over them stay. A copy
// of the database made before still holds the keys, sealed under the keyset.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, by Actor, org, account string) error {
	if account == "" {
		return errors.New("audit: no account to erase")
	}
	ids, err := erasePeople(ctx, tx, s.deps.Keys.Index("audit.person", subjectOf(account)))
	if err != nil {
		return fmt.Errorf("audit: erasing: %w", err)
	}
	slices.Sort(ids)
	for {
		told := ids[:min(len(ids), keysTold)]
		ids = ids[len(told):]
		e := Event{Org: org, Target: account}
		if len(told) > 0 {
			e.Detail = map[string]string{detailKey: strings.Join(told, " ")}
		}
		if err := s.recordErasure(ctx, tx, by, e); err != nil || len(ids) == 0 {
			return err
		}
	}
}

// EraseDay destroys the key of an organization's strangers of one day (UTC):
// the addresses and user agents of those nobody knew.
func (s *Service) EraseDay(ctx context.Context, tx *store.Tx, by Actor, org string, day time.Time) error {
	id, err := erasePerson(ctx, tx, s.deps.Keys.Index("audit.person", subjectOfDay(clean(org), day)))
	if err != nil {
		return fmt.Errorf("audit: erasing: %w", err)
	}
	e := Event{Org: org, Detail: map[string]string{detailDay: day.UTC().Format(time.DateOnly)}}
	if id != "" {
		e.Detail[detailKey] = id
	}
	return s.recordErasure(ctx, tx, by, e)
}

// recordErasure tells which keys went: Verify takes one that went unrecorded for a loss.
func (s *Service) recordErasure(ctx context.Context, tx *store.Tx, by Actor, e Event) error {
	e.Kind, e.Outcome, e.Reason = ExportCreated, Success, erased
	return s.Record(ctx, tx, by, e)
}

// EraseBefore destroys keys whose last event is older than a day (UTC), at most so
// many, and records the day; it tells how many went. People's keys are of a month,
// so what identifies them stays up to a month longer.
func (s *Service) EraseBefore(ctx context.Context, tx *store.Tx, by Actor, day time.Time, most int) (int, error) {
	n, err := eraseExpired(ctx, tx, dayOf(day), most)
	if err != nil {
		return 0, fmt.Errorf("audit: erasing: %w", err)
	}
	if n == 0 {
		return 0, nil
	}
	return n, s.recordErasure(ctx, tx, by, Event{Detail: map[string]string{detailBefore: day.UTC().Format(time.DateOnly)}})
}

// erasure is what an event says was erased: keys, or everything before a day.
type erasure struct {
	keys   []string
	before int64
}

// erasure reads it; empty for every other event.
func (r *row) erasure() (e erasure) {
	if r.reason != erased || r.kind != string(ExportCreated) {
		return e
	}
	var facts map[string]string
	if json.Unmarshal([]byte(r.detail), &facts) != nil {
		return e // such a record is no longer what was logged, and named for that
	}
	e.keys = strings.Fields(facts[detailKey])
	if at, err := time.Parse(time.DateOnly, facts[detailBefore]); err == nil {
		e.before = dayOf(at)
	}
	return e
}
