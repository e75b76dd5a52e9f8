package account

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

const bulkColumns = `id, org_id, by_account, format, state, skip_bad, bytes, row_count, at_byte, at_line, done_rows,
 created_count, updated_count, same_count, method_count, bad_count, created_at, changed_at`

func scanBulk(s store.Scanner) (Bulk, error) {
	var b Bulk
	var format, state string
	var created, changed int64
	err := s.Scan(&b.ID, &b.OrgID, &b.By, &format, &state, &b.SkipBad, &b.Bytes, &b.Rows, &b.offset, &b.line, &b.DoneRows,
		&b.Created, &b.Updated, &b.Unchanged, &b.Methods, &b.Bad, &created, &changed)
	b.Format, b.State = Format(format), BulkState(state)
	b.CreatedAt, b.ChangedAt = store.Time(created), store.Time(changed)
	return b, err
}

// insertBulk gives 0 rows where the organization has a live import already.
func insertBulk(ctx context.Context, tx *store.Tx, b Bulk) (int64, error) {
	return tx.Exec(ctx, `INSERT INTO bulk_import (id, org_id, by_account, format, state, live, created_at, changed_at)
 VALUES ($1, $2, $3, $4, $5, $2, $6, $6) ON CONFLICT (live) DO NOTHING`,
		b.ID, b.OrgID, b.By, string(b.Format), string(b.State), store.Micros(tx.Now()))
}

func selectBulk(ctx context.Context, tx *store.Tx, orgID, id string) (Bulk, error) {
	return scanBulk(tx.QueryRow(ctx, `SELECT `+bulkColumns+` FROM bulk_import WHERE id = $1 AND org_id = $2`, id, orgID))
}

func selectBulks(ctx context.Context, tx *store.Tx, orgID string, limit int) ([]Bulk, error) {
	return store.Select(ctx, tx, scanBulk, `SELECT `+bulkColumns+` FROM bulk_import WHERE org_id = $1 ORDER BY id DESC LIMIT $2`, orgID, limit)
}

// selectStale gives imports to end by their organization, which has at most one.
func selectStale(ctx context.Context, tx *store.Tx, orgID string, upload, undecided time.Time) (map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT org_id, id FROM bulk_import WHERE live IS NOT NULL AND (org_id = $1 OR $1 = '')
 AND (state = 'receiving' AND changed_at < $2 OR state = 'checked' AND changed_at < $3)`, orgID, store.Micros(upload), store.Micros(undecided))
	if err != nil {
		return nil, err
	}
	return byOrganization(rows)
}

// selectStanding gives imports that changed nothing since a time and should have.
func selectStanding(ctx context.Context, tx *store.Tx, before time.Time) (map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT org_id, id FROM bulk_import WHERE live IS NOT NULL AND state IN ('comparing', 'applying') AND changed_at < $1`,
		store.Micros(before))
	if err != nil {
		return nil, err
	}
	return byOrganization(rows)
}

func updateResumed(ctx context.Context, tx *store.Tx, orgID, id string, before time.Time) (int64, error) {
	return tx.Exec(ctx, `UPDATE bulk_import SET changed_at = $4 WHERE id = $1 AND org_id = $2 AND state IN ('comparing', 'applying') AND changed_at < $3`,
		id, orgID, store.Micros(before), store.Micros(tx.Now()))
}

func byOrganization(rows *store.Rows) (map[string]string, error) {
	defer rows.Close()
	all := make(map[string]string)
	for rows.Next() {
		var org, id string
		if err := rows.Scan(&org, &id); err != nil {
			return nil, err
		}
		all[org] = id
	}
	return all, rows.Err()
}

func updateBulkTouched(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE bulk_import SET changed_at = $3 WHERE id = $1 AND org_id = $2 AND state = 'receiving'`,
		id, orgID, store.Micros(tx.Now()))
}

func updateReceived(ctx context.Context, tx *store.Tx, b Bulk) (int64, error) {
	return tx.Exec(ctx, `UPDATE bulk_import SET state = $3, bytes = $4, row_count = $5, bad_count = $6, changed_at = $7
 WHERE id = $1 AND org_id = $2 AND state = 'receiving'`, b.ID, b.OrgID, string(b.State), b.Bytes, b.Rows, b.Bad, store.Micros(tx.Now()))
}

// updateCompared ends the comparing; the counts stay to be shown.
func updateCompared(ctx context.Context, tx *store.Tx, orgID, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE bulk_import SET state = 'checked', at_byte = 0, at_line = 0, done_rows = 0, changed_at = $3
 WHERE id = $1 AND org_id = $2 AND state = 'comparing'`, id, orgID, store.Micros(tx.Now()))
}

// updateDecided begins the applying: the counts begin again, as what was done.
func updateDecided(ctx context.Context, tx *store.Tx, orgID, id string, skipBad bool) (int64, error) {
	return tx.Exec(ctx, `UPDATE bulk_import SET state = 'applying', skip_bad = $3, created_count = 0, updated_count = 0,
 same_count = 0, method_count = 0, changed_at = $4 WHERE id = $1 AND org_id = $2 AND state = 'checked'`,
		id, orgID, skipBad, store.Micros(tx.Now()))
}

// updateAdvanced notes a batch. It changes nothing where the batch was done by
// somebody else, or the import was ended: then the batch is rolled back.
func updateAdvanced(ctx context.Context, tx *store.Tx, b Bulk, offset int64, line, rows int, did ImportReport) (int64, error) {
	return tx.Exec(ctx, `UPDATE bulk_import SET at_byte = $5, at_line = $6, done_rows = done_rows + $7, created_count = created_count + $8,
 updated_count = updated_count + $9, same_count = same_count + $10, method_count = method_count + $11, bad_count = bad_count + $12, changed_at = $13
 WHERE id = $1 AND org_id = $2 AND state = $3 AND at_byte = $4`, b.ID, b.OrgID, string(b.State), b.offset,
		offset, line, rows, did.Created, did.Updated, did.Unchanged, did.MethodsAdded, did.BadTotal, store.Micros(tx.Now()))
}

func updateEnded(ctx context.Context, tx *store.Tx, orgID, id string, state BulkState) (int64, error) {
	return tx.Exec(ctx, `UPDATE bulk_import SET state = $3, live = NULL, changed_at = $4 WHERE id = $1 AND org_id = $2 AND live IS NOT NULL`,
		id, orgID, string(state), store.Micros(tx.Now()))
}

func insertPart(ctx context.Context, tx *store.Tx, id string, n int, sealed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO bulk_part (import_id, n, sealed) VALUES ($1, $2, $3)`, id, n, sealed)
	return err
}

func selectPart(ctx context.Context, tx *store.Tx, id string, n int) (sealed []byte, err error) {
	err = tx.QueryRow(ctx, `SELECT sealed FROM bulk_part WHERE import_id = $1 AND n = $2`, id, n).Scan(&sealed)
	return sealed, err
}

func deleteParts(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM bulk_part WHERE import_id = $1`, id)
	return err
}

func insertBad(ctx context.Context, tx *store.Tx, id string, rows []BadRow) error {
	for _, b := range rows {
		_, err := tx.Exec(ctx, `INSERT INTO bulk_bad (import_id, line, field, reason) VALUES ($1, $2, $3, $4)
 ON CONFLICT (import_id, line, field) DO NOTHING`, id, b.Line, b.Column, b.Reason)
		if err != nil {
			return err
		}
	}
	return nil
}

func selectBad(ctx context.Context, tx *store.Tx, id string, after BadRow, limit int) ([]BadRow, error) {
	return store.Select(ctx, tx, scanBad, `SELECT line, field, reason FROM bulk_bad WHERE import_id = $1 AND (line, field) > ($2, $3) ORDER BY line, field LIMIT $4`,
		id, after.Line, after.Column, limit)
}

func scanBad(row store.Scanner) (BadRow, error) {
	var b BadRow
	err := row.Scan(&b.Line, &b.Column, &b.Reason)
	return b, err
}
