package org

import (
	"context"
	"encoding/json"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

// saveRow inserts a new organization, or updates one that is still at the
// version it was read at; it tells whether it did.
func saveRow(ctx context.Context, tx *store.Tx, o *Organization, document string, readVersion int64) (bool, error) {
	if readVersion == 0 {
		n, err := tx.Exec(ctx, `INSERT INTO organization (id, slug, document, version, created_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT DO NOTHING`, o.ID, o.Slug, document, o.Version, store.Micros(tx.Now()))
		return n == 1, err
	}
	n, err := tx.Exec(ctx, `UPDATE organization SET document = $2, version = $3 WHERE id = $1 AND version = $4`,
		o.ID, document, o.Version, readVersion)
	return n == 1, err
}

func deleteDomains(ctx context.Context, tx *store.Tx, orgID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM organization_domain WHERE org_id = $1`, orgID)
	return err
}

func insertDomain(ctx context.Context, tx *store.Tx, domain, orgID string) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO organization_domain (domain, org_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, domain, orgID)
	return n == 1, err
}

func selectOne(ctx context.Context, tx *store.Tx, where, value string) (*Organization, error) {
	var id, text string
	var version int64
	err := tx.QueryRow(ctx, `SELECT id, document, version FROM organization WHERE `+where, value).Scan(&id, &text, &version)
	if err != nil {
		return nil, err
	}
	return read(id, text, version)
}

func selectAll(ctx context.Context, tx *store.Tx) ([]*Organization, error) {
	rows, err := tx.Query(ctx, `SELECT id, document, version FROM organization ORDER BY slug`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*Organization
	for rows.Next() {
		var id, text string
		var version int64
		if err := rows.Scan(&id, &text, &version); err != nil {
			return nil, err
		}
		o, err := read(id, text, version)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, rows.Err()
}

func read(id, text string, version int64) (*Organization, error) {
	o := &Organization{}
	if err := json.Unmarshal([]byte(text), o); err != nil {
		return nil, fmt.Errorf("the stored document of %s is damaged: %w", id, err)
	}
	o.ID, o.Version = id, version
	return o, nil
}
