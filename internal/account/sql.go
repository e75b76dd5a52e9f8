package account

import (
	"context"
	"errors"
	"strings"

	"kunci.dev/kunci/internal/store"
)

const columns = `id, org_id, directory_key, registered_at, reconfirmed_at, skips_used, first_asked_at,
 must_register, frozen_at, last_reset_at, last_reset_methods, created_at, directory_methods`

func scanAccount(row *store.Row) (Account, string, error) {
	var a Account
	var key, methods string
	var registered, reconfirmed, asked, frozen, reset, created int64
	err := row.Scan(&a.ID, &a.OrgID, &key, &registered, &reconfirmed, &a.SkipsUsed, &asked,
		&a.MustRegister, &frozen, &reset, &methods, &created, &a.contacts)
	a.RegisteredAt, a.ReconfirmedAt, a.FirstAskedAt = store.Time(registered), store.Time(reconfirmed), store.Time(asked)
	a.FrozenAt, a.LastResetAt, a.CreatedAt = store.Time(frozen), store.Time(reset), store.Time(created)
	a.LastResetMethods = strings.Fields(methods)
	return a, key, err
}

func selectByID(ctx context.Context, tx *store.Tx, orgID, id string) (Account, string, error) {
	return scanAccount(tx.QueryRow(ctx, `SELECT `+columns+` FROM account WHERE org_id = $1 AND id = $2`, orgID, id))
}

func selectByKey(ctx context.Context, tx *store.Tx, orgID, key string) (Account, error) {
	a, _, err := scanAccount(tx.QueryRow(ctx,
		`SELECT `+columns+` FROM account WHERE org_id = $1 AND directory_key = $2`, orgID, key))
	return a, err
}

// insertIfMissing leaves a row that another made first as it is.
func insertIfMissing(ctx context.Context, tx *store.Tx, id, orgID, key string) error {
	_, err := tx.Exec(ctx, `INSERT INTO account (id, org_id, directory_key, created_at) VALUES ($1, $2, $3, $4)
 ON CONFLICT (org_id, directory_key) DO NOTHING`, id, orgID, key, store.Micros(tx.Now()))
	return err
}

func updateRegistered(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET registered_at = $3, reconfirmed_at = $3, must_register = (1 = 0), skips_used = 0
 WHERE org_id = $1 AND id = $2`, orgID, id, store.Micros(tx.Now()))
}

func updateReconfirmed(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET reconfirmed_at = $3 WHERE org_id = $1 AND id = $2`,
		orgID, id, store.Micros(tx.Now()))
}

func updateAsked(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET first_asked_at = $3 WHERE org_id = $1 AND id = $2 AND first_asked_at = 0`,
		orgID, id, store.Micros(tx.Now()))
}

func updateSkipped(ctx context.Context, tx *store.Tx, orgID, id string, allowed int) (used int, ok bool, err error) {
	err = tx.QueryRow(ctx, `UPDATE account SET skips_used = skips_used + 1,
 first_asked_at = CASE WHEN first_asked_at = 0 THEN $3 ELSE first_asked_at END
 WHERE org_id = $1 AND id = $2 AND skips_used < $4 RETURNING skips_used`,
		orgID, id, store.Micros(tx.Now()), allowed).Scan(&used)
	if errors.Is(err, store.ErrNoRows) {
		return 0, false, nil
	}
	return used, err == nil, err
}

func updateMustRegister(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET must_register = (1 = 1), skips_used = 0, first_asked_at = 0
 WHERE org_id = $1 AND id = $2`, orgID, id)
}

func updateFrozen(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET frozen_at = CASE WHEN frozen_at = 0 THEN $3 ELSE frozen_at END
 WHERE org_id = $1 AND id = $2`, orgID, id, store.Micros(tx.Now()))
}

func updateUnfrozen(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET frozen_at = 0 WHERE org_id = $1 AND id = $2`, orgID, id)
}

func updateReset(ctx context.Context, tx *store.Tx, orgID, id, methods string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET last_reset_at = $3, last_reset_methods = $4 WHERE org_id = $1 AND id = $2`,
		orgID, id, store.Micros(tx.Now()), methods)
}

func selectFileMethods(ctx context.Context, tx *store.Tx, orgID, key string) (id string, marks []string, err error) {
	var text string
	err = tx.QueryRow(ctx, `SELECT id, file_methods FROM account WHERE org_id = $1 AND directory_key = $2`,
		orgID, key).Scan(&id, &text)
	if text != "" {
		marks = strings.Split(text, "\n")
	}
	return id, marks, err
}

func updateFileMethods(ctx context.Context, tx *store.Tx, orgID, id, marks string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET file_methods = $3 WHERE org_id = $1 AND id = $2`, orgID, id, marks)
}

func updateContacts(ctx context.Context, tx *store.Tx, orgID, id, marks string) (int64, error) {
	return tx.Exec(ctx, `UPDATE account SET directory_methods = $3 WHERE org_id = $1 AND id = $2`, orgID, id, marks)
}

func erase(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM account WHERE org_id = $1 AND id = $2`, orgID, id)
}
