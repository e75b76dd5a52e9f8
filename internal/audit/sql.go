package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kunci.dev/kunci/internal/store"
)

const eventColumns = `id, org_id, at, kind, outcome, reason, actor_kind, actor, target, method_id, method_kind,
	correlation, detail, actor_key, actor_data, target_key, target_data, leaf`

func insertEvent(ctx context.Context, tx *store.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_event (`+eventColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		r.id, r.org, r.at, r.kind, r.outcome, r.reason, r.actorKind, r.actor, r.target, r.methodID, r.methodKind,
		r.correlation, r.detail, r.actorKey, r.actorData, r.targetKey, r.targetData, r.leaf)
	return err
}

func scanEvent(rows interface{ Scan(...any) error }) (row, error) {
	var r row
	err := rows.Scan(&r.id, &r.org, &r.at, &r.kind, &r.outcome, &r.reason, &r.actorKind, &r.actor, &r.target,
		&r.methodID, &r.methodKind, &r.correlation, &r.detail, &r.actorKey, &r.actorData, &r.targetKey, &r.targetData, &r.leaf)
	return r, err
}

// eachEvent streams the events of a query to fn.
func eachEvent(ctx context.Context, tx *store.Tx, fn func(row) error, where string, args ...any) error {
	rows, err := tx.Query(ctx, `SELECT `+eventColumns+` FROM audit_event `+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanEvent(rows)
		if err != nil {
			return err
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// waiting gives the oldest events without a place in the log.
func waiting(ctx context.Context, tx *store.Tx, limit int) ([]row, error) {
	var all []row
	err := eachEvent(ctx, tx, func(r row) error { all = append(all, r); return nil },
		`WHERE leaf = -1 ORDER BY at, id LIMIT $1`, limit)
	return all, err
}

func countWaiting(ctx context.Context, tx *store.Tx) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM audit_event WHERE leaf = -1`).Scan(&n)
	return n, err
}

func setLeaf(ctx context.Context, tx *store.Tx, id string, leaf int64) error {
	n, err := tx.Exec(ctx, `UPDATE audit_event SET leaf = $2 WHERE id = $1 AND leaf = -1`, id, leaf)
	if err == nil && n != 1 {
		err = fmt.Errorf("event %s already has a place", id)
	}
	return err
}

func leafOf(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	var leaf int64
	err := tx.QueryRow(ctx, `SELECT leaf FROM audit_event WHERE id = $1`, id).Scan(&leaf)
	return leaf, err
}

func insertHash(ctx context.Context, tx *store.Tx, index int64, hash []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_hash (idx, hash) VALUES ($1, $2)`, index, hash)
	return err
}

func selectHash(ctx context.Context, tx *store.Tx, index int64) ([]byte, error) {
	var hash []byte
	err := tx.QueryRow(ctx, `SELECT hash FROM audit_hash WHERE idx = $1`, index).Scan(&hash)
	return hash, err
}

// checkpoint is a signed tree head as it is kept.
type checkpoint struct {
	size int64
	at   int64
	text string
}

func insertCheckpoint(ctx context.Context, tx *store.Tx, c checkpoint) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_checkpoint (size, at, text) VALUES ($1, $2, $3)`, c.size, c.at, c.text)
	return err
}

func newestCheckpoint(ctx context.Context, tx *store.Tx) (checkpoint, error) {
	var c checkpoint
	err := tx.QueryRow(ctx, `SELECT size, at, text FROM audit_checkpoint ORDER BY size DESC LIMIT 1`).Scan(&c.size, &c.at, &c.text)
	if errors.Is(err, store.ErrNoRows) {
		return checkpoint{}, nil
	}
	return c, err
}

func allCheckpoints(ctx context.Context, tx *store.Tx) ([]checkpoint, error) {
	rows, err := tx.Query(ctx, `SELECT size, at, text FROM audit_checkpoint ORDER BY size`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []checkpoint
	for rows.Next() {
		var c checkpoint
		if err := rows.Scan(&c.size, &c.at, &c.text); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func selectPerson(ctx context.Context, tx *store.Tx, subject []byte) (id string, sealed []byte, err error) {
	err = tx.QueryRow(ctx, `SELECT id, sealed FROM audit_person WHERE subject = $1 AND erased_at = 0`, subject).Scan(&id, &sealed)
	return id, sealed, err
}

func insertPerson(ctx context.Context, tx *store.Tx, id string, subject, sealed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_person (id, subject, sealed, erased_at) VALUES ($1, $2, $3, 0)
		ON CONFLICT DO NOTHING`, id, subject, sealed)
	return err
}

func personByID(ctx context.Context, tx *store.Tx, id string) (sealed []byte, err error) {
	err = tx.QueryRow(ctx, `SELECT sealed FROM audit_person WHERE id = $1 AND erased_at = 0`, id).Scan(&sealed)
	return sealed, err
}

func erasePerson(ctx context.Context, tx *store.Tx, subject []byte) error {
	_, err := tx.Exec(ctx, `UPDATE audit_person SET sealed = $2, erased_at = $3 WHERE subject = $1 AND erased_at = 0`,
		subject, []byte{}, store.Micros(tx.Now()))
	return err
}

// where turns a query into conditions with their arguments.
func (q Query) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(condition string, value any) {
		args = append(args, value)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	if q.Org != "" {
		add("org_id = $%d", q.Org)
	}
	if q.Target != "" {
		add("target = $%d", q.Target)
	}
	if q.Kind != "" {
		add("kind = $%d", string(q.Kind))
	}
	if !q.From.IsZero() {
		add("at >= $%d", store.Micros(q.From))
	}
	if !q.To.IsZero() {
		add("at < $%d", store.Micros(q.To))
	}
	if q.Before != "" {
		add("id < $%d", q.Before)
	}
	text := ""
	if len(conditions) > 0 {
		text = "WHERE " + strings.Join(conditions, " AND ")
	}
	return text, args
}
