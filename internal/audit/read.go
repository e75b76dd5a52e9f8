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
	// Limit is how many, at most 1,000; 0 means 100.
	Limit int
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
	records := make([]Record, 0, len(rows))
	keys := make(map[string][]byte)
	for _, r := range rows {
		record, err := s.open(ctx, tx, keys, r)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// open turns a row into a record; keys keeps the person keys already opened.
func (s *Service) open(ctx context.Context, tx *store.Tx, keys map[string][]byte, r row) (Record, error) {
	record := Record{
		ID: r.id, Time: store.Time(r.at), Leaf: r.leaf, Kind: Kind(r.kind), Org: r.org, Target: r.target,
		Outcome: Outcome(r.outcome), Reason: r.reason, MethodID: r.methodID, MethodKind: r.methodKind,
		Correlation: r.correlation,
	}
	record.Actor.Kind, record.Actor.Account = ActorKind(r.actorKind), r.actor
	if err := json.Unmarshal([]byte(r.detail), &record.Detail); err != nil {
		return Record{}, fmt.Errorf("audit: event %s: its detail is damaged", r.id)
	}
	actor, erased, err := s.unseal(ctx, tx, keys, r.id, "actor", r.actorKey, r.actorData)
	if err != nil {
		return Record{}, err
	}
	target, erasedTarget, err := s.unseal(ctx, tx, keys, r.id, "target", r.targetKey, r.targetData)
	if err != nil {
		return Record{}, err
	}
	record.Actor.UserID, record.Actor.IP, record.Actor.UserAgent = actor.UserID, actor.IP, actor.UserAgent
	record.TargetUserID, record.Erased = target.UserID, erased || erasedTarget
	return record, nil
}

func (s *Service) unseal(ctx context.Context, tx *store.Tx, keys map[string][]byte, event, part, keyID string, data []byte) (who, bool, error) {
	if keyID == "" {
		return who{}, false, nil
	}
	key, ok := keys[keyID]
	if !ok {
		sealed, err := personByID(ctx, tx, keyID)
		if errors.Is(err, store.ErrNoRows) {
			return who{}, true, nil
		}
		if err != nil {
			return who{}, false, fmt.Errorf("audit: %w", err)
		}
		if key, err = s.deps.Keys.Open(sealed, "audit.person|"+keyID); err != nil {
			return who{}, false, fmt.Errorf("audit: event %s: %w", event, err)
		}
		keys[keyID] = key
	}
	box, err := box(key)
	if err != nil {
		return who{}, false, err
	}
	if len(data) < box.NonceSize() {
		return who{}, false, fmt.Errorf("audit: event %s: %w", event, errDamaged)
	}
	plain, err := box.Open(nil, data[:box.NonceSize()], data[box.NonceSize():], []byte(part+"|"+event))
	if err != nil {
		return who{}, false, fmt.Errorf("audit: event %s: %w", event, errDamaged)
	}
	var w who
	if err := json.Unmarshal(plain, &w); err != nil {
		return who{}, false, fmt.Errorf("audit: event %s: %w", event, errDamaged)
	}
	return w, false, nil
}

var errDamaged = errors.New("what it seals is damaged")

// Export writes events as JSON lines, oldest first, one event a line, and
// records that somebody did. It tells how many it wrote.
func (s *Service) Export(ctx context.Context, w io.Writer, by Actor, q Query) (int, error) {
	err := s.deps.DB.Write(ctx, func(tx *store.Tx) error {
		return s.Record(ctx, tx, by, Event{Kind: ExportCreated, Org: q.Org, Outcome: Success, Reason: "audit"})
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
		keys := make(map[string][]byte)
		for _, r := range rows {
			record, err := s.open(ctx, tx, keys, r)
			if err != nil {
				return err
			}
			page = append(page, record)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("audit: export: %w", err)
	}
	return page, nil
}
