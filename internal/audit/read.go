package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Query picks events; empty fields pick all.
type Query struct {
	Org, Target string
	// By is the account of an administrator, or a program's key: what they did.
	By      string
	Kind    Kind
	Outcome Outcome
	// Correlation is the support code of one request.
	Correlation string
	From, To    time.Time
	// Before continues after a page: the identifier of its last record.
	Before string
	after  string // the same, where the oldest come first
	// Limit is how many, at most 1,000; 0 means 100. Export has no limit.
	Limit int
	// WithoutPeople leaves out what identifies people: user IDs, addresses, user agents.
	WithoutPeople bool
	// Format is how Export writes; empty means Lines.
	Format Format
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
		fmt.Sprintf("%s"+newestFirst+" LIMIT %d", where, min(limit, mostListed)), args...)
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

// About gives the next events of a person after an identifier, oldest first: what
// happened to them and what they did.
func (s *Service) About(ctx context.Context, tx *store.Tx, orgID, account, after string) ([]Record, error) {
	var rows []row
	err := eachEvent(ctx, tx, func(r row) error { rows = append(rows, r); return nil },
		`WHERE org_id = $1 AND (target = $2 OR actor = $2) AND (at, id) > (COALESCE((SELECT b.at FROM audit_event b WHERE b.id = $3), -1), $3)
 ORDER BY at, id LIMIT $4`, orgID, account, after, mostListed)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return s.openAll(ctx, tx, Query{}, rows)
}

// Size is how many events have their place in the log.
func (s *Service) Size(ctx context.Context, tx *store.Tx) (int64, error) {
	c, err := newestCheckpoint(ctx, tx)
	return c.size, err
}
