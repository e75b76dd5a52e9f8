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
	_, err := tx.Exec(ctx, `DELETE FROM provider_signin WHERE expires_at < $1`, store.Micros(before))
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
