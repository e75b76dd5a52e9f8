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
		n, err := tx.Exec(ctx, `INSERT INTO organization (id, slug, document, version, revision, created_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, o.ID, o.Slug, document, o.Version, store.NewID(), store.Micros(tx.Now()))
		return n == 1, err
	}
	n, err := tx.Exec(ctx, `UPDATE organization SET document = $2, version = $3, revision = $4 WHERE id = $1 AND version = $5`,
		o.ID, document, o.Version, store.NewID(), readVersion)
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

func selectRevision(ctx context.Context, tx *store.Tx, where, value string) (id, revision string, err error) {
	err = tx.QueryRow(ctx, `SELECT id, revision FROM organization WHERE `+where, value).Scan(&id, &revision)
	return id, revision, err
}

// selectDocument gives the revision too: another transaction may have
// committed since it was asked for.
func selectDocument(ctx context.Context, tx *store.Tx, id string) (*Organization, string, error) {
	var text, revision string
	// What a document of before a key was there means.
	o := &Organization{Policy: Policy{Notifications: Notifications{HelpdeskMail: MailAtOnce}}}
	var version int64
	err := tx.QueryRow(ctx, `SELECT document, version, revision, sealed
		FROM organization LEFT JOIN directory_password ON org_id = id WHERE id = $1`, id).Scan(&text, &version, &revision, &o.Kept)
	if err != nil {
		return nil, "", err
	}
	if err := json.Unmarshal([]byte(text), o); err != nil {
		return nil, "", fmt.Errorf("the stored document of %s is damaged: %w", id, err)
	}
	o.ID, o.Version = id, version
	return o, revision, nil
}

func selectIDs(ctx context.Context, tx *store.Tx) ([]string, error) {
	return store.Select(ctx, tx, store.Value[string], `SELECT id FROM organization ORDER BY slug`)
}

// saveKept writes the sealed password of a directory, or erases it.
func saveKept(ctx context.Context, tx *store.Tx, orgID string, sealed []byte) error {
	if len(sealed) == 0 {
		_, err := tx.Exec(ctx, `DELETE FROM directory_password WHERE org_id = $1`, orgID)
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO directory_password (org_id, sealed) VALUES ($1, $2)
		ON CONFLICT (org_id) DO UPDATE SET sealed = excluded.sealed`, orgID, sealed)
	return err
}

func selectKeptAfter(ctx context.Context, tx *store.Tx, after string, limit int) ([]string, error) {
	return store.Select(ctx, tx, store.Value[string], `SELECT org_id FROM directory_password WHERE org_id > $1 ORDER BY org_id LIMIT $2`, after, limit)
}

// updateKept writes the same password under another key, unless it was replaced
// meanwhile. The revision moves, so that no node goes on with what it read before.
func updateKept(ctx context.Context, tx *store.Tx, orgID string, old, fresh []byte) (int64, error) {
	n, err := tx.Exec(ctx, `UPDATE directory_password SET sealed = $2 WHERE org_id = $1 AND sealed = $3`, orgID, fresh, old)
	if err == nil && n > 0 {
		_, err = tx.Exec(ctx, `UPDATE organization SET revision = $2 WHERE id = $1`, orgID, store.NewID())
	}
	return n, err
}
