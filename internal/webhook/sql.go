package webhook

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

// row is a receiver as it is kept.
type row struct {
	Hook
	sealed   []byte
	next     int64 // place in the log of what is sent next
	failures int   // of the event that is tried
	// eventSince is since when that event fails, FailingSince since when everything does.
	eventSince time.Time
	asideRun   int // how many were set aside in a row, with nothing delivered in between
}

const columns = `id, org_id, host, sealed, people, created_at, next_leaf, failures, failing_since, last_error, delivered_at,
 paused_at, pause_reason, event_since, aside_run, (SELECT count(*) FROM webhook_aside WHERE webhook_id = webhook.id)`

func scan(s store.Scanner) (row, error) {
	var r row
	var people, created, failing, delivered, paused, event int64
	err := s.Scan(&r.ID, &r.OrgID, &r.Host, &r.sealed, &people, &created, &r.next, &r.failures, &failing, &r.LastError, &delivered,
		&paused, &r.PausedFor, &event, &r.asideRun, &r.SetAside)
	r.People, r.CreatedAt, r.FailingSince = people != 0, store.Time(created), store.Time(failing)
	r.DeliveredAt, r.PausedAt, r.eventSince = store.Time(delivered), store.Time(paused), store.Time(event)
	return r, err
}

func insert(ctx context.Context, tx *store.Tx, r row) error {
	people := 0
	if r.People {
		people = 1
	}
	_, err := tx.Exec(ctx, `INSERT INTO webhook (id, org_id, host, sealed, people, created_at, next_leaf) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		r.ID, r.OrgID, r.Host, r.sealed, people, store.Micros(r.CreatedAt), r.next)
	return err
}

func many(ctx context.Context, tx *store.Tx, where string, args ...any) ([]row, error) {
	return store.Select(ctx, tx, scan, `SELECT `+columns+` FROM webhook `+where, args...)
}

func selectAll(ctx context.Context, tx *store.Tx, orgID string) ([]row, error) {
	return many(ctx, tx, `WHERE org_id = $1 ORDER BY id DESC`, orgID)
}

func selectDue(ctx context.Context, tx *store.Tx) ([]row, error) {
	return many(ctx, tx, `WHERE paused_at = 0 AND next_at <= $1 ORDER BY id`, store.Micros(tx.Now()))
}

func selectAfter(ctx context.Context, tx *store.Tx, after string, limit int) ([]row, error) {
	return many(ctx, tx, `WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

func selectOne(ctx context.Context, tx *store.Tx, orgID, id string) (row, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM webhook WHERE org_id = $1 AND id = $2`, orgID, id))
}

func count(ctx context.Context, tx *store.Tx, orgID string) (n int, err error) {
	return n, tx.QueryRow(ctx, `SELECT count(*) FROM webhook WHERE org_id = $1`, orgID).Scan(&n)
}

// remove takes the receiver first: its row keeps a run from setting something aside.
func remove(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	n, err := tx.Exec(ctx, `DELETE FROM webhook WHERE org_id = $1 AND id = $2`, orgID, id)
	if err != nil || n == 0 {
		return n, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM webhook_aside WHERE webhook_id = $1`, id)
	return n, err
}

// fine is a receiver that nothing is wrong with.
const fine = `failures = 0, failing_since = 0, event_since = 0, aside_run = 0, last_error = ''`

func updatePlace(ctx context.Context, tx *store.Tx, id string, from, to int64, delivered bool) (int64, error) {
	if !delivered {
		return tx.Exec(ctx, `UPDATE webhook SET next_leaf = $3 WHERE id = $1 AND next_leaf = $2 AND paused_at = 0`, id, from, to)
	}
	return tx.Exec(ctx, `UPDATE webhook SET next_leaf = $3, delivered_at = $4, `+fine+`
 WHERE id = $1 AND next_leaf = $2 AND paused_at = 0`, id, from, to, store.Micros(tx.Now()))
}

// updateDelivered notes that something arrived outside the order.
func updateDelivered(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE webhook SET delivered_at = $2, `+fine+` WHERE id = $1 AND paused_at = 0`, id, store.Micros(tx.Now()))
	return err
}

func updateFailed(ctx context.Context, tx *store.Tx, r row, next time.Time, failure string) error {
	_, err := tx.Exec(ctx, `UPDATE webhook SET failures = failures + 1, failing_since = $3, event_since = $4, next_at = $5, last_error = $6
 WHERE id = $1 AND next_leaf = $2 AND paused_at = 0`, r.ID, r.next, store.Micros(r.FailingSince), store.Micros(r.eventSince), store.Micros(next), failure)
	return err
}

func updateSetAside(ctx context.Context, tx *store.Tx, r row, to int64, failure string) (int64, error) {
	return tx.Exec(ctx, `UPDATE webhook SET next_leaf = $3, failures = 0, failing_since = $4, event_since = 0, next_at = 0, last_error = $5, aside_run = aside_run + 1
 WHERE id = $1 AND next_leaf = $2 AND paused_at = 0`, r.ID, r.next, to, store.Micros(r.FailingSince), failure)
}

func updateGivenUp(ctx context.Context, tx *store.Tx, r row, since time.Time, why Pause, failure string) (int64, error) {
	return tx.Exec(ctx, `UPDATE webhook SET paused_at = $3, pause_reason = $4, failing_since = $5, last_error = $6
 WHERE id = $1 AND next_leaf = $2 AND paused_at = 0`, r.ID, r.next, store.Micros(tx.Now()), string(why), store.Micros(since), failure)
}

func updatePaused(ctx context.Context, tx *store.Tx, id string, why Pause) (int64, error) {
	return tx.Exec(ctx, `UPDATE webhook SET paused_at = $2, pause_reason = $3 WHERE id = $1 AND paused_at = 0`, id, store.Micros(tx.Now()), string(why))
}

func updateResumed(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE webhook SET next_at = 0, paused_at = 0, pause_reason = '', `+fine+` WHERE id = $1`, id)
	return err
}

func updateSealed(ctx context.Context, tx *store.Tx, id string, sealed []byte) error {
	_, err := tx.Exec(ctx, `UPDATE webhook SET sealed = $2 WHERE id = $1`, id, sealed)
	return err
}

// mostDue is how much of what was set aside one run looks at.
const mostDue = 100

func manyAside(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Aside, error) {
	return store.Select(ctx, tx, scanAside, `SELECT leaf, event_id, kind, tries, step, last_error, set_aside_at, tried_at, next_at FROM webhook_aside `+where, args...)
}

func scanAside(row store.Scanner) (Aside, error) {
	var a Aside
	var aside, tried, next int64
	err := row.Scan(&a.Leaf, &a.EventID, &a.Kind, &a.Tries, &a.step, &a.LastError, &aside, &tried, &next)
	a.SetAsideAt, a.TriedAt, a.NextAt = store.Time(aside), store.Time(tried), store.Time(next)
	return a, err
}

func selectAside(ctx context.Context, tx *store.Tx, id string, after int64, limit int) ([]Aside, error) {
	return manyAside(ctx, tx, `WHERE webhook_id = $1 AND leaf > $2 ORDER BY leaf LIMIT $3`, id, after, limit)
}

func selectDueAside(ctx context.Context, tx *store.Tx, id string) ([]Aside, error) {
	return manyAside(ctx, tx, `WHERE webhook_id = $1 AND next_at > 0 AND next_at <= $2 ORDER BY leaf LIMIT $3`, id, store.Micros(tx.Now()), mostDue)
}

func insertAside(ctx context.Context, tx *store.Tx, id string, a Aside) error {
	_, err := tx.Exec(ctx, `INSERT INTO webhook_aside (webhook_id, leaf, event_id, kind, tries, last_error, set_aside_at, tried_at, next_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		id, a.Leaf, a.EventID, string(a.Kind), a.Tries, a.LastError, store.Micros(a.SetAsideAt), store.Micros(a.TriedAt), store.Micros(a.NextAt))
	return err
}

// updateTried notes a try of an event that was due at a time. Where it is due at
// another one by now, somebody had it sent again meanwhile: that stands.
func updateTried(ctx context.Context, tx *store.Tx, id string, due time.Time, a Aside) error {
	_, err := tx.Exec(ctx, `UPDATE webhook_aside SET tries = tries + 1, last_error = $3, tried_at = $4,
 step = CASE WHEN next_at = $5 THEN $6 ELSE step END, next_at = CASE WHEN next_at = $5 THEN $7 ELSE next_at END WHERE webhook_id = $1 AND leaf = $2`,
		id, a.Leaf, a.LastError, store.Micros(a.TriedAt), store.Micros(due), a.step, store.Micros(a.NextAt))
	return err
}

// postponeAside has what is due wait: the receiver itself fails.
func postponeAside(ctx context.Context, tx *store.Tx, id string, until time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE webhook_aside SET next_at = $3 WHERE webhook_id = $1 AND next_at > 0 AND next_at <= $2`,
		id, store.Micros(tx.Now()), store.Micros(until))
	return err
}

// updateAgain makes one try due, the last one by itself: of these events, or of all.
// It is due at another time than before, for updateTried.
func updateAgain(ctx context.Context, tx *store.Tx, id string, events []string) (n int64, err error) {
	const again = `UPDATE webhook_aside SET next_at = CASE WHEN next_at = $2 THEN $2 - 1 ELSE $2 END, step = $3 WHERE webhook_id = $1`
	now, last := store.Micros(tx.Now()), len(later)
	if len(events) == 0 {
		return tx.Exec(ctx, again, id, now, last)
	}
	for _, e := range events {
		one, err := tx.Exec(ctx, again+` AND event_id = $4`, id, now, last, e)
		if err != nil {
			return n, err
		}
		n += one
	}
	return n, nil
}

// discardAside gives up one event, or all.
func discardAside(ctx context.Context, tx *store.Tx, id, event string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM webhook_aside WHERE webhook_id = $1 AND ($2 = '' OR event_id = $2)`, id, event)
}

func deleteAside(ctx context.Context, tx *store.Tx, id string, leaf int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM webhook_aside WHERE webhook_id = $1 AND leaf = $2`, id, leaf)
	return err
}
