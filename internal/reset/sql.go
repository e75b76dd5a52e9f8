package reset

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

const columns = `id, org_id, account_id, typed, reason, lang, state, problem, method_id, counted, failed,
 attempt, writing_at, retry_at, started_at, expires_at, hidden, sent_to, sent_at`

type row struct {
	Flow
	typed []byte
	to    []byte
}

func scan(from store.Scanner) (row, error) {
	var r row
	var writing, retry, started, expires, sent int64
	err := from.Scan(&r.ID, &r.OrgID, &r.AccountID, &r.typed, &r.Reason, &r.Lang, &r.State, &r.Problem, &r.MethodID,
		&r.counted, &r.failed, &r.attempt, &writing, &retry, &started, &expires,
		&r.hidden, &r.to, &sent)
	r.sentAt = store.Time(sent)
	r.writingAt, r.RetryAt = store.Time(writing), store.Time(retry)
	r.StartedAt, r.ExpiresAt = store.Time(started), store.Time(expires)
	return r, err
}

// insertFlow stores a new one; instead is the hash of the token that its browser held, or nil.
func insertFlow(ctx context.Context, tx *store.Tx, f Flow, tokenHash, instead, typed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO reset_flow (instead_of, token_hash, `+columns+`)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		instead, tokenHash, f.ID, f.OrgID, f.AccountID, typed, string(f.Reason), f.Lang, string(f.State), string(f.Problem), f.MethodID,
		f.counted, f.failed, f.attempt, store.Micros(f.writingAt), store.Micros(f.RetryAt), store.Micros(f.StartedAt), store.Micros(f.ExpiresAt),
		f.hidden, []byte{}, int64(0))
	return err
}

// begunAgain tells whether the browser that held a flow began another one.
func begunAgain(ctx context.Context, tx *store.Tx, id string) (again bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM reset_flow WHERE instead_of = (SELECT token_hash FROM reset_flow WHERE id = $1))`, id).Scan(&again)
	return again, err
}

func selectByToken(ctx context.Context, tx *store.Tx, hash []byte) (row, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM reset_flow WHERE token_hash = $1`, hash))
}

func selectFlow(ctx context.Context, tx *store.Tx, id string) (row, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM reset_flow WHERE id = $1`, id))
}

// updateFlow writes what a step changes. The caller holds the account's lock.
func updateFlow(ctx context.Context, tx *store.Tx, f Flow, to []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE reset_flow SET state = $2, problem = $3, method_id = $4, counted = $5, failed = $6,
 attempt = $7, writing_at = $8, retry_at = $9, hidden = $10, sent_to = $11, sent_at = $12 WHERE id = $1 AND state NOT IN ('done', 'unlocked', 'problem')`,
		f.ID, string(f.State), string(f.Problem), f.MethodID, f.counted, f.failed,
		f.attempt, store.Micros(f.writingAt), store.Micros(f.RetryAt), f.hidden, to, store.Micros(f.sentAt))
}

// updatePulse says that an attempt lives.
func updatePulse(ctx context.Context, tx *store.Tx, id, attempt string) (int64, error) {
	return tx.Exec(ctx, `UPDATE reset_flow SET writing_at = $3 WHERE id = $1 AND attempt = $2 AND state = 'writing'`, id, attempt, store.Micros(tx.Now()))
}

// updateWritten ends an attempt that is still the flow's own.
func updateWritten(ctx context.Context, tx *store.Tx, f Flow, attempt string) (int64, error) {
	return tx.Exec(ctx, `UPDATE reset_flow SET state = $3, problem = $4, attempt = '', writing_at = $5
 WHERE id = $1 AND attempt = $2 AND state = 'writing'`, f.ID, attempt, string(f.State), string(f.Problem), store.Micros(f.writingAt))
}

// selectOthers gives the live flows of an account except one.
func selectOthers(ctx context.Context, tx *store.Tx, orgID, accountID, except string) ([]string, error) {
	return store.Select(ctx, tx, store.Value[string], `SELECT id FROM reset_flow WHERE org_id = $1 AND account_id = $2 AND id <> $3
 AND state NOT IN ('done', 'unlocked', 'problem')`, orgID, accountID, except)
}

func endFlow(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE reset_flow SET state = 'problem', problem = 'expired', attempt = '', writing_at = 0
 WHERE id = $1 AND state NOT IN ('done', 'unlocked', 'problem')`, id)
}

func selectOverdue(ctx context.Context, tx *store.Tx, now time.Time, limit int) ([]string, error) {
	return store.Select(ctx, tx, store.Value[string], `SELECT id FROM reset_flow WHERE expires_at <= $1
 AND state NOT IN ('done', 'unlocked', 'problem') ORDER BY expires_at LIMIT $2`, store.Micros(now), limit)
}

func purgeFlows(ctx context.Context, tx *store.Tx, before time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM reset_flow WHERE expires_at < $1`, store.Micros(before)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM reset_dispute WHERE expires_at < $1`, store.Micros(before))
	return err
}

func insertDispute(ctx context.Context, tx *store.Tx, hash []byte, f Flow, typed []byte, expires time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO reset_dispute (token_hash, org_id, account_id, typed, flow_id, expires_at)
 VALUES ($1, $2, $3, $4, $5, $6)`, hash, f.OrgID, f.AccountID, typed, f.ID, store.Micros(expires))
	return err
}

func selectDispute(ctx context.Context, tx *store.Tx, hash []byte) (d Dispute, typed []byte, err error) {
	var expires, used int64
	err = tx.QueryRow(ctx, `SELECT org_id, account_id, typed, flow_id, expires_at, used_at FROM reset_dispute
 WHERE token_hash = $1 AND expires_at > $2`, hash, store.Micros(tx.Now())).
		Scan(&d.OrgID, &d.AccountID, &typed, &d.flowID, &expires, &used)
	d.UsedAt = store.Time(used)
	return d, typed, err
}

func updateDisputed(ctx context.Context, tx *store.Tx, hash []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE reset_dispute SET used_at = $2 WHERE token_hash = $1 AND used_at = 0`, hash, store.Micros(tx.Now()))
}

func eraseFlows(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM reset_flow WHERE org_id = $1 AND account_id = $2`, orgID, accountID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM reset_dispute WHERE org_id = $1 AND account_id = $2`, orgID, accountID)
	return err
}
