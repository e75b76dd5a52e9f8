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
	failures int
}

const columns = `id, org_id, host, sealed, people, created_at, next_leaf, failures, failing_since, last_error, delivered_at, disabled_at`

func scan(s interface{ Scan(...any) error }) (row, error) {
	var r row
	var people, created, failing, delivered, disabled int64
	err := s.Scan(&r.ID, &r.OrgID, &r.Host, &r.sealed, &people, &created, &r.next, &r.failures, &failing, &r.LastError, &delivered, &disabled)
	r.People, r.CreatedAt, r.FailingSince = people != 0, store.Time(created), store.Time(failing)
	r.DeliveredAt, r.DisabledAt = store.Time(delivered), store.Time(disabled)
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
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM webhook `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func selectAll(ctx context.Context, tx *store.Tx, orgID string) ([]row, error) {
	return many(ctx, tx, `WHERE org_id = $1 ORDER BY id DESC`, orgID)
}

func selectDue(ctx context.Context, tx *store.Tx) ([]row, error) {
	return many(ctx, tx, `WHERE disabled_at = 0 AND next_at <= $1 ORDER BY id`, store.Micros(tx.Now()))
}

func selectAfter(ctx context.Context, tx *store.Tx, after string, limit int) ([]row, error) {
	return many(ctx, tx, `WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

func selectOne(ctx context.Context, tx *store.Tx, orgID, id string) (row, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM webhook WHERE org_id = $1 AND id = $2`, orgID, id))
}

func remove(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM webhook WHERE org_id = $1 AND id = $2`, orgID, id)
}

func updatePlace(ctx context.Context, tx *store.Tx, id string, from, to int64, delivered bool) (int64, error) {
	if !delivered {
		return tx.Exec(ctx, `UPDATE webhook SET next_leaf = $3 WHERE id = $1 AND next_leaf = $2 AND disabled_at = 0`, id, from, to)
	}
	return tx.Exec(ctx, `UPDATE webhook SET next_leaf = $3, failures = 0, failing_since = 0, last_error = '', delivered_at = $4
 WHERE id = $1 AND next_leaf = $2 AND disabled_at = 0`, id, from, to, store.Micros(tx.Now()))
}

func updateFailed(ctx context.Context, tx *store.Tx, id string, from int64, since, next time.Time, failure string, off bool) (int64, error) {
	disabled := int64(0)
	if off {
		disabled = store.Micros(tx.Now())
	}
	return tx.Exec(ctx, `UPDATE webhook SET failures = failures + 1, failing_since = $3, next_at = $4, last_error = $5, disabled_at = $6
 WHERE id = $1 AND next_leaf = $2 AND disabled_at = 0`, id, from, store.Micros(since), store.Micros(next), failure, disabled)
}

func revive(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE webhook SET failures = 0, failing_since = 0, last_error = '', next_at = 0, disabled_at = 0 WHERE id = $1`, id)
	return err
}

func updateSealed(ctx context.Context, tx *store.Tx, id string, sealed []byte) error {
	_, err := tx.Exec(ctx, `UPDATE webhook SET sealed = $2 WHERE id = $1`, id, sealed)
	return err
}
