package method

import (
	"context"

	"kunci.dev/kunci/internal/store"
)

// A token is active while the method that used it last is there.
const tokenColumns = //nolint:gosec // names of columns
`t.id, t.org_id, t.serial, t.sealed, t.account_id, t.method_id, t.last_step, t.drift, t.resync,
 t.created_at, t.assigned_at, m.id IS NOT NULL
 FROM token t LEFT JOIN method m ON m.id = t.method_id AND m.account_id = t.account_id AND m.proved AND m.deleted_at = 0`

// tokenRow is a stored token with its sealed part still closed.
type tokenRow struct {
	t      Token
	sealed []byte
}

func scanToken(s store.Scanner) (tokenRow, error) {
	var r tokenRow
	var created, assigned int64
	t := &r.t
	err := s.Scan(&t.ID, &t.OrgID, &t.Serial, &r.sealed, &t.AccountID, &t.MethodID, &t.LastStep, &t.Drift, &t.Resync,
		&created, &assigned, &t.Active)
	t.CreatedAt, t.AssignedAt = store.Time(created), store.Time(assigned)
	return r, err
}

func insertToken(ctx context.Context, tx *store.Tx, t Token, sealed, same []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO token (id, org_id, serial, sealed, same, last_step, created_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7)`, t.ID, t.OrgID, t.Serial, sealed, same, t.LastStep, store.Micros(t.CreatedAt))
	return err
}

func countTokens(ctx context.Context, tx *store.Tx, org, serial string, same []byte) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM token WHERE org_id = $1 AND (serial = $2 OR same = $3)`, org, serial, same).Scan(&n)
	return n, err
}

func selectToken(ctx context.Context, tx *store.Tx, org, id string) (tokenRow, error) {
	return scanToken(tx.QueryRow(ctx, `SELECT `+tokenColumns+` WHERE t.org_id = $1 AND t.id = $2`, org, id))
}

func selectTokenBySerial(ctx context.Context, tx *store.Tx, org, serial string) (tokenRow, error) {
	return scanToken(tx.QueryRow(ctx, `SELECT `+tokenColumns+` WHERE t.org_id = $1 AND t.serial = $2`, org, serial))
}

func selectTokens(ctx context.Context, tx *store.Tx, org, account string) ([]tokenRow, error) {
	query, args := `SELECT `+tokenColumns+` WHERE t.org_id = $1`, []any{org}
	if account != "" {
		query, args = query+` AND t.account_id = $2 AND t.account_id <> ''`, append(args, account)
	}
	return store.Select(ctx, tx, scanToken, query+` ORDER BY t.serial`, args...)
}

func selectTokensAfter(ctx context.Context, tx *store.Tx, after string, limit int) ([]tokenRow, error) {
	return store.Select(ctx, tx, scanToken, `SELECT `+tokenColumns+` WHERE t.id > $1 ORDER BY t.id LIMIT $2`, after, limit)
}

func updateTokenOwner(ctx context.Context, tx *store.Tx, org, id, from, to string) (int64, error) {
	return tx.Exec(ctx, `UPDATE token SET account_id = $4, method_id = '', assigned_at = $5
 WHERE org_id = $1 AND id = $2 AND account_id = $3`, org, id, from, to, store.Micros(tx.Now()))
}

func updateTokenResealed(ctx context.Context, tx *store.Tx, id string, old, sealed []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE token SET sealed = $3 WHERE id = $1 AND sealed = $2`, id, old, sealed)
}

func deleteToken(ctx context.Context, tx *store.Tx, org, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM token WHERE org_id = $1 AND id = $2 AND account_id = ''`, org, id)
}

func updateTokenUsed(ctx context.Context, tx *store.Tx, t Token, methodID string, step, drift int64) (int64, error) {
	return tx.Exec(ctx, `UPDATE token SET last_step = $3, drift = $4, resync = 0, method_id = $5
 WHERE org_id = $1 AND id = $2 AND last_step < $3 AND account_id = $6`, t.OrgID, t.ID, step, drift, methodID, t.AccountID)
}

func updateTokenResync(ctx context.Context, tx *store.Tx, t Token, step int64) error {
	_, err := tx.Exec(ctx, `UPDATE token SET resync = $3 WHERE org_id = $1 AND id = $2`, t.OrgID, t.ID, step)
	return err
}
