package signin

import (
	"context"
	"errors"
	"time"

	"kunci.dev/kunci/internal/store"
)

func selectNobody(ctx context.Context, tx *store.Tx, id []byte) (nobody, error) {
	var n nobody
	var locked int64
	err := tx.QueryRow(ctx, `SELECT failures, locked_until, wrong FROM signin_nobody WHERE id = $1`, id).Scan(&n.failures, &locked, &n.wrong)
	n.lockedUntil = store.Time(locked)
	return n, err
}

// upsertNobody writes what was counted; the caller holds the row's lock.
func upsertNobody(ctx context.Context, tx *store.Tx, id []byte, n nobody) error {
	_, err := tx.Exec(ctx, `INSERT INTO signin_nobody (id, failures, locked_until, wrong, seen_at) VALUES ($1, $2, $3, $4, $5)
 ON CONFLICT (id) DO UPDATE SET failures = $2, locked_until = $3, wrong = $4, seen_at = $5`,
		id, n.failures, store.Micros(n.lockedUntil), n.wrong, store.Micros(tx.Now()))
	return err
}

func selectAnswered(ctx context.Context, tx *store.Tx, sessionID string) (bool, error) {
	var at int64
	err := tx.QueryRow(ctx, `SELECT answered_at FROM signin_interrupt WHERE session_id = $1`, sessionID).Scan(&at)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// insertAnswered tells whether this is the session's first answer.
func insertAnswered(ctx context.Context, tx *store.Tx, sessionID string) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO signin_interrupt (session_id, answered_at) VALUES ($1, $2) ON CONFLICT (session_id) DO NOTHING`,
		sessionID, store.Micros(tx.Now()))
	return n == 1, err
}

func purge(ctx context.Context, tx *store.Tx, nobodyBefore, answeredBefore time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM signin_nobody WHERE seen_at < $1`, store.Micros(nobodyBefore)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM signin_interrupt WHERE answered_at < $1`, store.Micros(answeredBefore))
	return err
}
