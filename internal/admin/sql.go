package admin

import (
	"context"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

const keyColumns = `id, org_id, name, role, created_at, expires_at, used_at, revoked_at`

func scanKey(row store.Scanner, more ...any) (APIKey, error) {
	var k APIKey
	var role string
	var created, expires, used, revoked int64
	err := row.Scan(append([]any{&k.ID, &k.OrgID, &k.Name, &role, &created, &expires, &used, &revoked}, more...)...)
	k.Role = org.Role(role)
	k.CreatedAt, k.ExpiresAt = store.Time(created), store.Time(expires)
	k.UsedAt, k.RevokedAt = store.Time(used), store.Time(revoked)
	return k, err
}

func insertKey(ctx context.Context, tx *store.Tx, k APIKey, hash []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO api_key (`+keyColumns+`, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		k.ID, k.OrgID, k.Name, string(k.Role), store.Micros(k.CreatedAt), store.Micros(k.ExpiresAt), 0, 0, hash)
	return err
}

func selectKey(ctx context.Context, tx *store.Tx, id string) (k APIKey, hash []byte, err error) {
	k, err = scanKey(tx.QueryRow(ctx, `SELECT `+keyColumns+`, hash FROM api_key WHERE id = $1`, id), &hash)
	return k, hash, err
}

func selectKeys(ctx context.Context, tx *store.Tx, orgID string) ([]APIKey, error) {
	one := func(row store.Scanner) (APIKey, error) { return scanKey(row) }
	return store.Select(ctx, tx, one, `SELECT `+keyColumns+` FROM api_key WHERE org_id = $1 ORDER BY id DESC`, orgID)
}

func updateRevoked(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE api_key SET revoked_at = $3 WHERE id = $1 AND org_id = $2 AND revoked_at = 0`,
		id, orgID, store.Micros(tx.Now()))
}

func updateUsed(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE api_key SET used_at = $2 WHERE id = $1`, id, store.Micros(tx.Now()))
	return err
}
