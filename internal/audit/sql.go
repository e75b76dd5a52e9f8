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

func scanEvent(rows store.Scanner) (row, error) {
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

// newestFirst is the order of lists: indexes hold it behind each filter, so that a
// span of time long ago is begun at its own end.
const newestFirst = ` ORDER BY at DESC, id DESC`

// inSpan are the conditions for the records at places from $1 up to $2. The
// constant lets both engines use the index of places. It stands last because
// SQLite begins at the bound that stands first, and would read from 0 each time.
const inSpan = `WHERE leaf >= $1 AND leaf < $2 AND leaf >= 0`

// placeWaiting gives the oldest waiting events the places from first on, in
// the order of their time and identifier, in one statement, so that an event
// that commits in between waits for the next step. It returns them as they
// now are, in any order.
func placeWaiting(ctx context.Context, tx *store.Tx, first int64, most int) ([]row, error) {
	return store.Select(ctx, tx, scanEvent, `
		UPDATE audit_event SET leaf = $1 + w.place
		FROM (
			SELECT event, ROW_NUMBER() OVER (ORDER BY since, event) - 1 AS place
			FROM (SELECT id AS event, at AS since FROM audit_event WHERE leaf = -1 ORDER BY at, id LIMIT $2) AS oldest
		) AS w
		WHERE id = w.event
		RETURNING `+eventColumns, first, most)
}

func countWaiting(ctx context.Context, tx *store.Tx) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM audit_event WHERE leaf = -1`).Scan(&n)
	return n, err
}

// endOfRecords is the place after the last record's.
func endOfRecords(ctx context.Context, tx *store.Tx) (int64, error) {
	var end int64
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(leaf), -1) + 1 FROM audit_event WHERE leaf >= 0`).Scan(&end)
	return end, err
}

func leafOf(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	var leaf int64
	err := tx.QueryRow(ctx, `SELECT leaf FROM audit_event WHERE id = $1`, id).Scan(&leaf)
	return leaf, err
}

func orgOf(ctx context.Context, tx *store.Tx, id string) (orgID string, err error) {
	err = tx.QueryRow(ctx, `SELECT org_id FROM audit_event WHERE id = $1`, id).Scan(&orgID)
	return orgID, err
}

// selectBlock gives a block of stored hashes, nil when there is none.
func selectBlock(ctx context.Context, tx *store.Tx, block int64) ([]byte, error) {
	var hashes []byte
	err := tx.QueryRow(ctx, `SELECT hashes FROM audit_hash WHERE block = $1`, block).Scan(&hashes)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	return hashes, err
}

func upsertBlock(ctx context.Context, tx *store.Tx, block int64, hashes []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_hash (block, hashes) VALUES ($1, $2)
		ON CONFLICT (block) DO UPDATE SET hashes = excluded.hashes`, block, hashes)
	return err
}

// eachBlock streams the blocks from first up to end to fn.
func eachBlock(ctx context.Context, tx *store.Tx, first, end int64, fn func(block int64, hashes []byte) error) error {
	rows, err := tx.Query(ctx, `SELECT block, hashes FROM audit_hash WHERE block >= $1 AND block < $2 ORDER BY block`, first, end)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var block int64
		var hashes []byte
		if err := rows.Scan(&block, &hashes); err != nil {
			return err
		}
		if err := fn(block, hashes); err != nil {
			return err
		}
	}
	return rows.Err()
}

// lastBlock gives the last block and how many bytes it has; -1 when there is none.
func lastBlock(ctx context.Context, tx *store.Tx) (block, size int64, err error) {
	err = tx.QueryRow(ctx, `SELECT block, LENGTH(hashes) FROM audit_hash ORDER BY block DESC LIMIT 1`).Scan(&block, &size)
	if errors.Is(err, store.ErrNoRows) {
		return -1, 0, nil
	}
	return block, size, err
}

// checkpoint is a signed tree head as it is kept.
type checkpoint struct {
	size int64
	text string
}

func insertCheckpoint(ctx context.Context, tx *store.Tx, c checkpoint) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_checkpoint (size, text) VALUES ($1, $2)`, c.size, c.text)
	return err
}

func deleteCheckpoint(ctx context.Context, tx *store.Tx, size int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM audit_checkpoint WHERE size = $1`, size)
	return err
}

func newestCheckpoint(ctx context.Context, tx *store.Tx) (checkpoint, error) {
	var c checkpoint
	err := tx.QueryRow(ctx, `SELECT size, text FROM audit_checkpoint ORDER BY size DESC LIMIT 1`).Scan(&c.size, &c.text)
	if errors.Is(err, store.ErrNoRows) {
		return checkpoint{}, nil
	}
	return c, err
}

func allCheckpoints(ctx context.Context, tx *store.Tx) ([]checkpoint, error) {
	return store.Select(ctx, tx, scanCheckpoint, `SELECT size, text FROM audit_checkpoint ORDER BY size`)
}

func scanCheckpoint(row store.Scanner) (checkpoint, error) {
	var c checkpoint
	err := row.Scan(&c.size, &c.text)
	return c, err
}

func selectPerson(ctx context.Context, tx *store.Tx, subject []byte) (id string, sealed []byte, err error) {
	err = tx.QueryRow(ctx, `SELECT id, sealed FROM audit_person WHERE subject = $1 AND erased_at = 0`, subject).Scan(&id, &sealed)
	return id, sealed, err
}

func insertPerson(ctx context.Context, tx *store.Tx, id string, subject, sealed []byte, o owner) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_person (id, subject, sealed, erased_at, owner, last_day) VALUES ($1, $2, $3, 0, $4, $5)
		ON CONFLICT DO NOTHING`, id, subject, sealed, o.owner, o.lastDay)
	return err
}

// personByID gives a living key; store.ErrNoRows when it was erased.
func personByID(ctx context.Context, tx *store.Tx, id string) (subject, sealed []byte, err error) {
	err = tx.QueryRow(ctx, `SELECT subject, sealed FROM audit_person WHERE id = $1 AND erased_at = 0`, id).Scan(&subject, &sealed)
	return subject, sealed, err
}

// erasePerson empties the living key of a subject and gives its identifier, "" when there is none.
func erasePerson(ctx context.Context, tx *store.Tx, subject []byte) (string, error) {
	var id string
	err := tx.QueryRow(ctx, `UPDATE audit_person SET sealed = $2, erased_at = $3 WHERE subject = $1 AND erased_at = 0 RETURNING id`,
		subject, []byte{}, store.Micros(tx.Now())).Scan(&id)
	if errors.Is(err, store.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// erasePeople empties every living key of an owner and gives their identifiers.
func erasePeople(ctx context.Context, tx *store.Tx, owner []byte) (ids []string, err error) {
	return store.Select(ctx, tx, store.Value[string], `UPDATE audit_person SET sealed = $2, erased_at = $3 WHERE owner = $1 AND erased_at = 0 RETURNING id`,
		owner, []byte{}, store.Micros(tx.Now()))
}

// eraseExpired empties living keys whose last day is before a day.
func eraseExpired(ctx context.Context, tx *store.Tx, day int64, most int) (int, error) {
	n, err := tx.Exec(ctx, `UPDATE audit_person SET sealed = $3, erased_at = $4 WHERE id IN
 (SELECT id FROM audit_person WHERE erased_at = 0 AND last_day < $1 ORDER BY last_day LIMIT $2)`, day, most, []byte{}, store.Micros(tx.Now()))
	return int(n), err
}

// person is a key as it is kept.
type person struct {
	id       string
	subject  []byte
	sealed   []byte
	erasedAt int64
}

func eachPerson(ctx context.Context, tx *store.Tx, fn func(person) error) error {
	rows, err := tx.Query(ctx, `SELECT id, subject, sealed, erased_at FROM audit_person ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p person
		if err := rows.Scan(&p.id, &p.subject, &p.sealed, &p.erasedAt); err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return rows.Err()
}

// compared makes a bound of time one that no index serves, after a page: SQLite begins
// at the bound that stands first, and would walk to the page from there each time.
func compared(page string) string {
	if page == "" {
		return ""
	}
	return "+"
}

// where turns a query into conditions with their arguments.
func (q Query) where() (string, []any) {
	var conditions []string
	var args []any
	add := func(condition string, value any) {
		args = append(args, value)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	// One person, an administrator, or one support code, is a narrower way in than a kind or an outcome:
	// those are then compared in a form that no index serves.
	few, also := "", ""
	if q.Target != "" || q.Correlation != "" || q.By != "" {
		few = " || ''"
	}
	if q.Outcome != Success && few == "" {
		also = " AND outcome <> 'success'"
	}
	if q.Org != "" {
		add("org_id"+few+" = $%d", q.Org)
	}
	if q.Target != "" {
		add("target = $%d", q.Target)
	}
	if q.By != "" {
		add("actor = $%d AND actor_kind = 'admin'", q.By)
	}
	if q.Kind != "" {
		add("kind"+few+" = $%d", string(q.Kind))
	}
	if q.Outcome != "" {
		add("outcome"+few+" = $%d"+also, string(q.Outcome))
	}
	if q.Correlation != "" {
		add("correlation = $%d AND correlation <> ''", q.Correlation)
	}
	if !q.From.IsZero() {
		add(compared(q.after)+"at >= $%d", store.Micros(q.From))
	}
	if !q.To.IsZero() {
		add(compared(q.Before)+"at < $%d", store.Micros(q.To))
	}
	if q.Before != "" {
		add("(at, id) < ((SELECT b.at FROM audit_event b WHERE b.id = $%[1]d), $%[1]d)", q.Before)
	}
	if q.after != "" {
		add("(at, id) > ((SELECT b.at FROM audit_event b WHERE b.id = $%[1]d), $%[1]d)", q.after)
	}
	text := ""
	if len(conditions) > 0 {
		text = "WHERE " + strings.Join(conditions, " AND ")
	}
	return text, args
}

func selectLiving(ctx context.Context, tx *store.Tx, after string, limit int) ([]person, error) {
	return store.Select(ctx, tx, scanLiving, `SELECT id, subject, sealed FROM audit_person WHERE id > $1 AND erased_at = 0 ORDER BY id LIMIT $2`, after, limit)
}

func scanLiving(row store.Scanner) (person, error) {
	var p person
	err := row.Scan(&p.id, &p.subject, &p.sealed)
	return p, err
}

// updateResealed writes the same key under another one, unless it was destroyed meanwhile.
func updateResealed(ctx context.Context, tx *store.Tx, id string, old, sealed []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE audit_person SET sealed = $3 WHERE id = $1 AND sealed = $2 AND erased_at = 0`, id, old, sealed)
}
