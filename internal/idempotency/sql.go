package idempotency

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

type row struct {
	fingerprint, sealed []byte
	done                bool
	claimedAt           time.Time
}

// claim takes a key that is new or whose day is over, in one statement.
func claim(ctx context.Context, tx *store.Tx, c *Claim, fingerprint []byte) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO idempotency (id, claim, fingerprint, done, claimed_at, expires_at) VALUES ($1, $2, $3, 0, $4, $5)
		ON CONFLICT (id) DO UPDATE SET claim = excluded.claim, fingerprint = excluded.fingerprint, done = 0, sealed = NULL,
			claimed_at = excluded.claimed_at, expires_at = excluded.expires_at
		WHERE idempotency.expires_at <= excluded.claimed_at`,
		c.id, c.claim, fingerprint, store.Micros(tx.Now()), store.Micros(tx.Now().Add(Kept)))
	return n == 1, err
}

func selectRow(ctx context.Context, tx *store.Tx, id string) (row, error) {
	var r row
	var done, claimed int64
	err := tx.QueryRow(ctx, `SELECT fingerprint, sealed, done, claimed_at FROM idempotency WHERE id = $1`, id).
		Scan(&r.fingerprint, &r.sealed, &done, &claimed)
	r.done, r.claimedAt = done == 1, store.Time(claimed)
	return r, err
}

func finish(ctx context.Context, tx *store.Tx, c *Claim, sealed []byte) error {
	_, err := tx.Exec(ctx, `UPDATE idempotency SET done = 1, sealed = $3 WHERE id = $1 AND claim = $2`, c.id, c.claim, sealed)
	return err
}

func release(ctx context.Context, tx *store.Tx, c *Claim) error {
	_, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE id = $1 AND claim = $2 AND done = 0`, c.id, c.claim)
	return err
}

func purge(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE expires_at <= $1`, store.Micros(tx.Now()))
	return err
}
