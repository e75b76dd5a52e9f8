package notify

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

// row is one message in the queue.
type row struct {
	id, orgID, accountID, kind, key string
	state                           State
	channel                         Channel
	recipient, payload              []byte
	queuedAt, expiresAt             time.Time
}

// insert writes a queued message unless its key is there already.
func insert(ctx context.Context, tx *store.Tx, r row) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO notify_message
		(id, org_id, account_id, kind, message_key, state, recipient, payload, queued_at, expires_at, channel)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (org_id, message_key) DO NOTHING`,
		r.id, r.orgID, r.accountID, r.kind, r.key, string(Queued), r.recipient, r.payload,
		store.Micros(r.queuedAt), store.Micros(r.expiresAt), string(r.channel))
	return n == 1, err
}

func selectIDByKey(ctx context.Context, tx *store.Tx, orgID, key string) (string, error) {
	var id string
	err := tx.QueryRow(ctx, `SELECT id FROM notify_message WHERE org_id = $1 AND message_key = $2`, orgID, key).Scan(&id)
	return id, err
}

func selectRow(ctx context.Context, tx *store.Tx, id string) (row, error) {
	r := row{id: id}
	var state string
	var queued, expires int64
	err := tx.QueryRow(ctx, `SELECT org_id, account_id, kind, message_key, state, recipient, payload, queued_at, expires_at, channel
		FROM notify_message WHERE id = $1`, id).
		Scan(&r.orgID, &r.accountID, &r.kind, &r.key, &state, &r.recipient, &r.payload, &queued, &expires, &r.channel)
	r.state, r.queuedAt, r.expiresAt = State(state), store.Time(queued), store.Time(expires)
	return r, err
}

func selectState(ctx context.Context, tx *store.Tx, id string) (State, error) {
	var state string
	err := tx.QueryRow(ctx, `SELECT state FROM notify_message WHERE id = $1`, id).Scan(&state)
	return State(state), err
}

func selectProgress(ctx context.Context, tx *store.Tx, id string) (Progress, error) {
	var p Progress
	var queued, delivered int64
	err := tx.QueryRow(ctx, `SELECT state, channel, queued_at, delivered_at FROM notify_message WHERE id = $1`, id).
		Scan(&p.State, &p.Channel, &queued, &delivered)
	p.QueuedAt, p.DeliveredAt = store.Time(queued), store.Time(delivered)
	return p, err
}

// updateDelivered notes that a message for a phone arrived, unless it is known
// how it ended. It may still be queued here: the far end was faster than we are.
func updateDelivered(ctx context.Context, tx *store.Tx, id string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE notify_message SET state = 'sent', recipient = NULL, payload = NULL, delivered_at = $2, done_at = $2
		WHERE id = $1 AND delivered_at = 0 AND state IN ('queued', 'sent') AND channel <> 'email'`, id, store.Micros(tx.Now()))
	return n == 1, err
}

// updateUndelivered notes that a message for a phone did not arrive, unless it
// is known how it ended.
func updateUndelivered(ctx context.Context, tx *store.Tx, id, reason string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE notify_message SET state = 'failed', reason = $2, recipient = NULL, payload = NULL, done_at = $3
		WHERE id = $1 AND delivered_at = 0 AND state IN ('queued', 'sent') AND channel <> 'email'`, id, reason, store.Micros(tx.Now()))
	return n == 1, err
}

// finish closes a queued message and wipes what was sealed in it; one that ran out of
// time keeps why its last try failed. A message
// that is done already stays as it is.
func finish(ctx context.Context, tx *store.Tx, id string, state State, reason string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE notify_message
		SET state = $1, reason = CASE WHEN $1 = 'expired' AND reason <> '' THEN reason ELSE $2 END, recipient = NULL, payload = NULL, done_at = $3, attempts = attempts + 1
		WHERE id = $4 AND state = $5`,
		string(state), reason, store.Micros(tx.Now()), id, string(Queued))
	return n == 1, err
}

// note keeps why a try failed, for a message that is tried again.
func note(ctx context.Context, tx *store.Tx, id, reason string) error {
	_, err := tx.Exec(ctx, `UPDATE notify_message SET reason = $1, attempts = attempts + 1 WHERE id = $2 AND state = $3`,
		reason, id, string(Queued))
	return err
}

func deleteDoneBefore(ctx context.Context, tx *store.Tx, t time.Time) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM notify_message WHERE done_at > 0 AND done_at < $1`, store.Micros(t))
}

// countOf names every state so that the index of states is read from a time on, in
// each, and nothing else is.
const countOf = `SELECT state, COUNT(*) FROM notify_message
 WHERE queued_at >= $1 AND org_id = $2 AND state IN ('queued', 'sent', 'failed', 'expired') GROUP BY state`

func countByState(ctx context.Context, tx *store.Tx, orgID string, since time.Time) (map[State]int, error) {
	statement, args := `SELECT state, COUNT(*) FROM notify_message WHERE queued_at >= $1 GROUP BY state`, []any{store.Micros(since)}
	if orgID != "" {
		statement, args = countOf, append(args, orgID)
	}
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := make(map[State]int)
	for rows.Next() {
		var state string
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return nil, err
		}
		counts[State(state)] = n
	}
	return counts, rows.Err()
}

// undelivered reads each state along its index, and no more of it than is asked for.
const undelivered = `SELECT id, kind, channel, state, reason, queued_at FROM (
 SELECT * FROM (SELECT id, kind, channel, state, reason, queued_at FROM notify_message
  WHERE org_id = $1 AND state = 'failed' AND queued_at >= $2 ORDER BY queued_at DESC LIMIT $3) AS failed
 UNION ALL SELECT * FROM (SELECT id, kind, channel, state, reason, queued_at FROM notify_message
  WHERE org_id = $1 AND state = 'expired' AND queued_at >= $2 ORDER BY queued_at DESC LIMIT $3) AS expired
) AS lost ORDER BY queued_at DESC, id DESC LIMIT $3`

func selectUndelivered(ctx context.Context, tx *store.Tx, orgID string, since time.Time, limit int) ([]Undelivered, error) {
	return store.Select(ctx, tx, scanUndelivered, undelivered, orgID, store.Micros(since), limit)
}

func scanUndelivered(row store.Scanner) (Undelivered, error) {
	var u Undelivered
	var queued int64
	err := row.Scan(&u.ID, &u.Kind, &u.Channel, &u.State, &u.Reason, &queued)
	u.Queued = store.Time(queued)
	return u, err
}

func erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM notify_message WHERE org_id = $1 AND account_id = $2`, orgID, accountID)
	return err
}

func selectHeld(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Held, error) {
	return store.Select(ctx, tx, scanHeld, `SELECT kind, state, queued_at, done_at FROM notify_message WHERE org_id = $1 AND account_id = $2 ORDER BY queued_at`, orgID, accountID)
}

func scanHeld(row store.Scanner) (Held, error) {
	var h Held
	var queued, done int64
	err := row.Scan(&h.Kind, &h.State, &queued, &done)
	h.Queued, h.Done = store.Time(queued), store.Time(done)
	return h, err
}
