package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Query picks events; empty fields pick all.
type Query struct {
	Org, Target string
	Kind        Kind
	From, To    time.Time
	// Before continues after a page: the identifier of its last record.
	Before string
	// Limit is how many, at most 1,000; 0 means 100. Export has no limit.
	Limit int
	// WithoutPeople leaves out what identifies people: user IDs, addresses, user agents.
	WithoutPeople bool
}

const mostListed = 1000

// List gives events, the newest first, with what identifies people opened.
func (s *Service) List(ctx context.Context, tx *store.Tx, q Query) ([]Record, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	where, args := q.where()
	var rows []row
	err := eachEvent(ctx, tx, func(r row) error { rows = append(rows, r); return nil },
		fmt.Sprintf("%s ORDER BY id DESC LIMIT %d", where, min(limit, mostListed)), args...)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return s.openAll(ctx, tx, q, rows)
}

func (s *Service) openAll(ctx context.Context, tx *store.Tx, q Query, rows []row) ([]Record, error) {
	records := make([]Record, 0, len(rows))
	keys := make(map[string][]byte)
	for _, r := range rows {
		record, err := s.open(ctx, tx, q, keys, r)
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		records = append(records, record)
	}
	return records, nil
}

// open turns a row into a record; keys keeps the person keys already opened.
// A damaged event is shown as far as it can be read, and marked: one bad row
// must not hide the others.
func (s *Service) open(ctx context.Context, tx *store.Tx, q Query, keys map[string][]byte, r row) (Record, error) {
	record := Record{
		ID: r.id, Time: store.Time(r.at), Leaf: r.leaf, Kind: Kind(r.kind), Org: r.org, Target: r.target,
		Outcome: Outcome(r.outcome), Reason: r.reason, MethodID: r.methodID, MethodKind: r.methodKind,
		Correlation: r.correlation,
	}
	record.Actor.Kind, record.Actor.Account = ActorKind(r.actorKind), r.actor
	if err := json.Unmarshal([]byte(r.detail), &record.Detail); err != nil {
		record.Detail, record.Damaged = nil, true
	}
	if q.WithoutPeople {
		return record, nil
	}
	actor, err := s.unseal(ctx, tx, keys, r.id, "actor", r.actorKey, r.actorData)
	if err := record.mark(err); err != nil {
		return Record{}, err
	}
	target, err := s.unseal(ctx, tx, keys, r.id, "target", r.targetKey, r.targetData)
	if err := record.mark(err); err != nil {
		return Record{}, err
	}
	record.Actor.UserID, record.Actor.IP, record.Actor.UserAgent = actor.UserID, actor.IP, actor.UserAgent
	record.TargetUserID = target.UserID
	return record, nil
}

// mark takes note of why somebody is not shown and gives back any other error.
func (r *Record) mark(err error) error {
	switch {
	case errors.Is(err, errErased):
		r.Erased = true
	case errors.Is(err, errDamaged):
		r.Damaged = true
	default:
		return err
	}
	return nil
}

func (s *Service) unseal(ctx context.Context, tx *store.Tx, keys map[string][]byte, event, part, keyID string, data []byte) (who, error) {
	if keyID == "" {
		return who{}, nil
	}
	key, err := s.keyByID(ctx, tx, keys, keyID)
	if err != nil {
		return who{}, err
	}
	box, err := box(key)
	if err != nil || len(data) < box.NonceSize() {
		return who{}, errDamaged
	}
	plain, err := box.Open(nil, data[:box.NonceSize()], data[box.NonceSize():], []byte(part+"|"+event))
	if err != nil {
		return who{}, errDamaged
	}
	var w who
	if json.Unmarshal(plain, &w) != nil {
		return who{}, errDamaged
	}
	return w, nil
}

func (s *Service) keyByID(ctx context.Context, tx *store.Tx, keys map[string][]byte, id string) ([]byte, error) {
	if key, ok := keys[id]; ok {
		return key, nil
	}
	subject, sealed, err := personByID(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, errErased
	}
	if err != nil {
		return nil, err
	}
	key, err := s.deps.Keys.Open(sealed, personAD(id, subject))
	if err != nil {
		return nil, errDamaged
	}
	keys[id] = key
	return key, nil
}

var errErased = errors.New("the key of the person was destroyed")

var errDamaged = errors.New("what it seals is damaged")

// From gives events in the order of the log, from a place on, at most a
// thousand, without what identifies people: for counting what happened once
// and only once. Events that wait for their place are not there yet.
func (s *Service) From(ctx context.Context, tx *store.Tx, leaf int64) ([]Record, error) {
	return s.Follow(ctx, tx, leaf, mostListed, false)
}

// Follow gives the events of the whole installation in the order of the log, from a
// place on, at most so many, with people or without.
func (s *Service) Follow(ctx context.Context, tx *store.Tx, leaf int64, most int, people bool) ([]Record, error) {
	var rows []row
	err := eachEvent(ctx, tx, func(r row) error { rows = append(rows, r); return nil },
		inSpan+` ORDER BY leaf`, leaf, leaf+int64(min(most, mostListed)))
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return s.openAll(ctx, tx, Query{WithoutPeople: !people}, rows)
}

// FromFor gives the events of one organization in the order of the log, from a
// place on, with people or without, and the place to go on from. At most a thousand
// places are looked at.
func (s *Service) FromFor(ctx context.Context, tx *store.Tx, leaf int64, orgID string, people bool) (records []Record, next int64, err error) {
	next = leaf
	var rows []row
	err = eachEvent(ctx, tx, func(r row) error {
		next = r.leaf + 1
		if r.org == orgID {
			rows = append(rows, r)
		}
		return nil
	}, inSpan+` ORDER BY leaf`, leaf, leaf+mostListed)
	if err != nil {
		return nil, leaf, fmt.Errorf("audit: %w", err)
	}
	records, err = s.openAll(ctx, tx, Query{WithoutPeople: !people}, rows)
	return records, next, err
}

// Size is how many events have their place in the log.
func (s *Service) Size(ctx context.Context, tx *store.Tx) (int64, error) {
	c, err := newestCheckpoint(ctx, tx)
	return c.size, err
}

// Export writes events as JSON lines, oldest first, one event a line, and
// records that somebody did, and whether with what identifies people. It tells
// how many it wrote.
func (s *Service) Export(ctx context.Context, w io.Writer, by Actor, q Query) (int, error) {
	people := "opened"
	if q.WithoutPeople {
		people = "left out"
	}
	err := s.deps.DB.Write(ctx, func(tx *store.Tx) error {
		return s.Record(ctx, tx, by, Event{
			Kind: ExportCreated, Org: q.Org, Outcome: Success, Reason: "audit", Detail: map[string]string{"people": people},
		})
	})
	if err != nil {
		return 0, err
	}
	encoder := json.NewEncoder(w)
	written, after := 0, ""
	for {
		page, err := s.exportPage(ctx, q, after)
		if err != nil {
			return written, err
		}
		for _, record := range page {
			if err := encoder.Encode(record); err != nil {
				return written, fmt.Errorf("audit: export: %w", err)
			}
			written++
		}
		if len(page) < mostListed {
			return written, nil
		}
		after = page[len(page)-1].ID
	}
}

// exportPage reads one page in a transaction of its own, so that a slow reader holds none open.
func (s *Service) exportPage(ctx context.Context, q Query, after string) ([]Record, error) {
	q.Before = ""
	where, args := q.where()
	if after != "" {
		join := "WHERE"
		if where != "" {
			join = where + " AND"
		}
		args = append(args, after)
		where = fmt.Sprintf("%s id > $%d", join, len(args))
	}
	var page []Record
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) error {
		page = nil
		var rows []row
		err := eachEvent(ctx, tx, func(r row) error { rows = append(rows, r); return nil },
			fmt.Sprintf("%s ORDER BY id LIMIT %d", where, mostListed), args...)
		if err != nil {
			return err
		}
		page, err = s.openAll(ctx, tx, q, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit: export: %w", err)
	}
	return page, nil
}
