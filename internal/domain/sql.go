package domain

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

// proof is a row: what was asked for, and what became of it.
type proof struct {
	OrgID, Name, Token string
	Reason             Reason
	CheckedAt          time.Time
	VerifiedAt         time.Time
	GoneAt             time.Time
}

const columns = `org_id, domain, token, reason, checked_at, verified_at, gone_at`

func scan(row store.Scanner) (p proof, err error) {
	var checked, verified, gone int64
	err = row.Scan(&p.OrgID, &p.Name, &p.Token, &p.Reason, &checked, &verified, &gone)
	p.CheckedAt, p.VerifiedAt, p.GoneAt = store.Time(checked), store.Time(verified), store.Time(gone)
	return p, err
}

func selectProof(ctx context.Context, tx *store.Tx, orgID, name string) (proof, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM domain_proof WHERE org_id = $1 AND domain = $2`, orgID, name))
}

func selectProofs(ctx context.Context, tx *store.Tx, orgID string) ([]proof, error) {
	return store.Select(ctx, tx, scan, `SELECT `+columns+` FROM domain_proof WHERE org_id = $1 ORDER BY domain`, orgID)
}

// selectDue gives proofs of verified domains that were looked for before a time, or
// before a later one where the record has gone.
func selectDue(ctx context.Context, tx *store.Tx, day, hour time.Time, limit int) ([]proof, error) {
	return store.Select(ctx, tx, scan, `SELECT `+columns+` FROM domain_proof
		WHERE verified_at > 0 AND (checked_at <= $1 OR gone_at > 0 AND checked_at <= $2) ORDER BY checked_at LIMIT $3`,
		store.Micros(day), store.Micros(hour), limit)
}

func insertProof(ctx context.Context, tx *store.Tx, p proof) error {
	_, err := tx.Exec(ctx, `INSERT INTO domain_proof (org_id, domain, token, asked_at) VALUES ($1, $2, $3, $4)`,
		p.OrgID, p.Name, p.Token, store.Micros(tx.Now()))
	return err
}

func updateProof(ctx context.Context, tx *store.Tx, p proof) error {
	_, err := tx.Exec(ctx, `UPDATE domain_proof SET reason = $3, checked_at = $4, verified_at = $5, gone_at = $6 WHERE org_id = $1 AND domain = $2`,
		p.OrgID, p.Name, string(p.Reason), store.Micros(p.CheckedAt), store.Micros(p.VerifiedAt), store.Micros(p.GoneAt))
	return err
}

func updateForgotten(ctx context.Context, tx *store.Tx, p proof) error {
	_, err := tx.Exec(ctx, `UPDATE domain_proof SET verified_at = 0, gone_at = 0 WHERE org_id = $1 AND domain = $2 AND token = $3`, p.OrgID, p.Name, p.Token)
	return err
}

func deleteProof(ctx context.Context, tx *store.Tx, orgID, name string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM domain_proof WHERE org_id = $1 AND domain = $2`, orgID, name)
}
