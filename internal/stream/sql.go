package stream

import (
	"context"
	"maps"
	"slices"
	"time"

	"kunci.dev/kunci/internal/store"
)

// place is how far a stream is.
type place struct {
	next         int64 // place in the log of what is sent next
	failures     int
	failingSince time.Time
	nextAt       time.Time
	lastError    string
	sentAt       time.Time
}

func selectPlace(ctx context.Context, tx *store.Tx, name string) (place, error) {
	var p place
	var failing, nextAt, sent int64
	err := tx.QueryRow(ctx, `SELECT next_leaf, failures, failing_since, next_at, last_error, sent_at FROM audit_stream WHERE name = $1`, name).
		Scan(&p.next, &p.failures, &failing, &nextAt, &p.lastError, &sent)
	p.failingSince, p.nextAt, p.sentAt = store.Time(failing), store.Time(nextAt), store.Time(sent)
	return p, err
}

// insertPlace leaves a place alone that another node made in between.
func insertPlace(ctx context.Context, tx *store.Tx, name string, first int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_stream (name, next_leaf) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, first)
	return err
}

// updatePlace moves only from where the run began, so that two nodes that met
// skip nothing.
func updatePlace(ctx context.Context, tx *store.Tx, name string, from, to int64, refused string) (int64, error) {
	return tx.Exec(ctx, `UPDATE audit_stream SET next_leaf = $3, failures = 0, failing_since = 0, next_at = 0, last_error = $5, sent_at = $4
 WHERE name = $1 AND next_leaf = $2`, name, from, to, store.Micros(tx.Now()), refused)
}

func updateFailed(ctx context.Context, tx *store.Tx, name string, from int64, since, next time.Time, code string) error {
	_, err := tx.Exec(ctx, `UPDATE audit_stream SET failures = failures + 1, failing_since = $3, next_at = $4, last_error = $5
 WHERE name = $1 AND next_leaf = $2`, name, from, store.Micros(since), store.Micros(next), code)
	return err
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
