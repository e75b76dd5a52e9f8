package provider

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

type row struct {
	id             string
	browser, state []byte
	sealed         []byte
	expires        time.Time
	used           bool
}

func insert(ctx context.Context, tx *store.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO provider_signin (id, browser, state, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		r.id, r.browser, r.state, r.sealed, store.Micros(r.expires))
	return err
}

func selectByBrowser(ctx context.Context, tx *store.Tx, browser []byte) (row, error) {
	var r row
	var expires, used int64
	err := tx.QueryRow(ctx, `SELECT id, browser, state, sealed, expires_at, used_at FROM provider_signin WHERE browser = $1`, browser).
		Scan(&r.id, &r.browser, &r.state, &r.sealed, &expires, &used)
	r.expires, r.used = store.Time(expires), used != 0
	return r, err
}

// use tells whether nobody used it before.
func use(ctx context.Context, tx *store.Tx, id string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE provider_signin SET used_at = $2 WHERE id = $1 AND used_at = 0`, id, store.Micros(tx.Now()))
	return n == 1, err
}

func purge(ctx context.Context, tx *store.Tx, before time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM provider_session WHERE expires_at < $1`, store.Micros(before)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM provider_signin WHERE expires_at < $1`, store.Micros(before))
	return err
}

func upsertSession(ctx context.Context, tx *store.Tx, orgID, accountID, sessionID string, h hint, expires time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO provider_session (id, org_id, account_id, session_id, sealed, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
 ON CONFLICT (session_id) DO UPDATE SET id = excluded.id, sealed = excluded.sealed, expires_at = excluded.expires_at`,
		h.id, orgID, accountID, sessionID, h.sealed, store.Micros(expires))
	return err
}

// leaveSession makes a session's row the browser's. It tells whether there was one.
func leaveSession(ctx context.Context, tx *store.Tx, sessionID string, browser []byte, expires time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE provider_session SET session_id = NULL, browser = $2, expires_at = $3 WHERE session_id = $1`,
		sessionID, browser, store.Micros(expires))
	return n == 1, err
}

func selectLeft(ctx context.Context, tx *store.Tx, browser []byte) (orgID string, h hint, expires time.Time, err error) {
	var until int64
	err = tx.QueryRow(ctx, `SELECT org_id, id, sealed, expires_at FROM provider_session WHERE browser = $1`, browser).
		Scan(&orgID, &h.id, &h.sealed, &until)
	return orgID, h, store.Time(until), err
}

func deleteSession(ctx context.Context, tx *store.Tx, sessionID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM provider_session WHERE session_id = $1`, sessionID)
	return err
}

func deleteSessionsOf(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM provider_session WHERE org_id = $1 AND account_id = $2`, orgID, accountID)
	return err
}

func selectState(ctx context.Context, tx *store.Tx, orgID, issuer string) (State, error) {
	var s State
	var since, looked int64
	err := tx.QueryRow(ctx, `SELECT reached, reason, signs_out, since, looked_at FROM provider_state WHERE org_id = $1 AND issuer = $2`, orgID, issuer).
		Scan(&s.Reached, &s.Reason, &s.SignsOut, &since, &looked)
	s.Since, s.LookedAt = store.Time(since), store.Time(looked)
	return s, err
}

// upsertState keeps since when it is so, while the provider is the same one, and
// what one that is not reached offered before.
func upsertState(ctx context.Context, tx *store.Tx, orgID, issuer string, s State) error {
	_, err := tx.Exec(ctx, `INSERT INTO provider_state (org_id, issuer, reached, reason, signs_out, since, looked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
 ON CONFLICT (org_id) DO UPDATE SET issuer = excluded.issuer, reached = excluded.reached, reason = excluded.reason, looked_at = excluded.looked_at,
  signs_out = CASE WHEN excluded.reached OR provider_state.issuer <> excluded.issuer THEN excluded.signs_out ELSE provider_state.signs_out END,
  since = CASE WHEN provider_state.issuer = excluded.issuer AND provider_state.reached = excluded.reached THEN provider_state.since ELSE excluded.since END`,
		orgID, issuer, s.Reached, s.Reason, s.SignsOut, store.Micros(s.Since), store.Micros(s.LookedAt))
	return err
}

// insertIdentity tells whether neither the account nor the identity had one.
func insertIdentity(ctx context.Context, tx *store.Tx, orgID, accountID string, issuer, subject []byte) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO provider_identity (org_id, account_id, issuer, subject, bound_at) VALUES ($1, $2, $3, $4, $5)
 ON CONFLICT DO NOTHING`, orgID, accountID, issuer, subject, store.Micros(tx.Now()))
	return n == 1, err
}

func selectHolder(ctx context.Context, tx *store.Tx, orgID string, subject []byte) (string, error) {
	var accountID string
	err := tx.QueryRow(ctx, `SELECT account_id FROM provider_identity WHERE org_id = $1 AND subject = $2`, orgID, subject).Scan(&accountID)
	return accountID, err
}

func countIdentities(ctx context.Context, tx *store.Tx, orgID, accountID string) (int, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM provider_identity WHERE org_id = $1 AND account_id = $2`, orgID, accountID).Scan(&n)
	return n, err
}

func deleteIdentities(ctx context.Context, tx *store.Tx, orgID, accountID string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM provider_identity WHERE org_id = $1 AND account_id = $2`, orgID, accountID)
}
