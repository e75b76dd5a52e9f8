package method

import (
	"context"
	"strings"
	"time"

	"kunci.dev/kunci/internal/store"
)

const columns = `id, org_id, account_id, kind, sealed, same, proved, proved_by, is_default,
 last_step, used_codes, failures, created_at, proved_at, used_at, deleted_at, disabled_at, owner, replaces, valid_from, valid_until, deleted_by`

// row is a stored method with its sealed part still closed.
type row struct {
	m            Method
	sealed, same []byte
}

func scanRow(s store.Scanner) (row, error) {
	var r row
	var kind string
	var used, created, proved, usedAt, deleted, disabled, from, until int64
	m := &r.m
	err := s.Scan(&m.ID, &m.OrgID, &m.AccountID, &kind, &r.sealed, &r.same, &m.Proved, &m.ProvedBy, &m.Default,
		&m.LastStep, &used, &m.ConsecutiveFailures, &created, &proved, &usedAt, &deleted, &disabled, &m.Owner, &m.Replaces, &from, &until, &m.DeletedBy)
	m.Kind, m.UsedCodes = Kind(kind), uint64(used)
	m.CreatedAt, m.ProvedAt, m.LastUsedAt = store.Time(created), store.Time(proved), store.Time(usedAt)
	m.DeletedAt, m.DisabledAt = store.Time(deleted), store.Time(disabled)
	m.ValidFrom, m.ValidUntil = store.Time(from), store.Time(until)
	return r, err
}

func selectRows(ctx context.Context, tx *store.Tx, sql string, args ...any) ([]row, error) {
	return store.Select(ctx, tx, scanRow, sql, args...)
}

// selectLive leaves out deleted rows and those that waited too long for their proof.
func selectLive(ctx context.Context, tx *store.Tx, org, account string) ([]row, error) {
	return selectRows(ctx, tx, `SELECT `+columns+` FROM method
 WHERE org_id = $1 AND account_id = $2 AND deleted_at = 0 AND (proved OR created_at > $3)
 ORDER BY created_at, id`, org, account, pendingSince(tx))
}

func selectDeleted(ctx context.Context, tx *store.Tx, org, account string) ([]row, error) {
	return selectRows(ctx, tx, `SELECT `+columns+` FROM method
 WHERE org_id = $1 AND account_id = $2 AND deleted_at > $3 AND proved ORDER BY deleted_at DESC, id`, org, account, undoSince(tx))
}

func selectOne(ctx context.Context, tx *store.Tx, org, account, id string) (row, error) {
	return scanRow(tx.QueryRow(ctx, `SELECT `+columns+` FROM method
 WHERE id = $3 AND org_id = $1 AND account_id = $2 AND deleted_at = 0 AND (proved OR created_at > $4)`,
		org, account, id, pendingSince(tx)))
}

func selectUndeletable(ctx context.Context, tx *store.Tx, org, account, id string) (row, error) {
	return scanRow(tx.QueryRow(ctx, `SELECT `+columns+` FROM method
 WHERE id = $3 AND org_id = $1 AND account_id = $2 AND deleted_at > 0 AND proved`, org, account, id))
}

func insert(ctx context.Context, tx *store.Tx, r row) error {
	m := r.m
	_, err := tx.Exec(ctx, `INSERT INTO method (`+columns+`)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		m.ID, m.OrgID, m.AccountID, string(m.Kind), r.sealed, r.same, m.Proved, m.ProvedBy, m.Default,
		m.LastStep, int64(m.UsedCodes), m.ConsecutiveFailures, store.Micros(m.CreatedAt), store.Micros(m.ProvedAt),
		store.Micros(m.LastUsedAt), store.Micros(m.DeletedAt), store.Micros(m.DisabledAt), m.Owner, m.Replaces,
		store.Micros(m.ValidFrom), store.Micros(m.ValidUntil), m.DeletedBy)
	return err
}

// countUsable counts proved, working rows of the kinds, without the one that is replaced.
func countUsable(ctx context.Context, tx *store.Tx, org, account, replaced string, kinds []Kind) (int, error) {
	args := []any{org, account, replaced}
	var marks []string
	for i, k := range kinds {
		args = append(args, string(k))
		marks = append(marks, "$"+string(rune('4'+i)))
	}
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM method
 WHERE org_id = $1 AND account_id = $2 AND id <> $3 AND proved AND deleted_at = 0 AND disabled_at = 0
 AND kind IN (`+strings.Join(marks, ", ")+`)`, args...).Scan(&n)
	return n, err
}

// countSame counts proved, working rows that are the same method.
func countSame(ctx context.Context, tx *store.Tx, org, account string, same []byte) (int, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM method WHERE org_id = $1 AND account_id = $2 AND same = $3
 AND proved AND deleted_at = 0 AND disabled_at = 0`, org, account, same).Scan(&n)
	return n, err
}

func deletePending(ctx context.Context, tx *store.Tx, org, account string, k Kind) error {
	_, err := tx.Exec(ctx, `DELETE FROM method
 WHERE org_id = $1 AND account_id = $2 AND kind = $3 AND NOT proved AND deleted_at = 0`, org, account, string(k))
	return err
}

func deleteUnproved(ctx context.Context, tx *store.Tx, org, account, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM method WHERE id = $3 AND org_id = $1 AND account_id = $2 AND NOT proved`, org, account, id)
}

func deleteRetired(ctx context.Context, tx *store.Tx, org, account, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM method WHERE id = $3 AND org_id = $1 AND account_id = $2 AND proved_by = $4`,
		org, account, id, ByDirectory)
}

// deleteReplaced drops what a newly proved row takes the place of: the same
// method disabled, and, for a kind of which there is one, the earlier ones.
func deleteReplaced(ctx context.Context, tx *store.Tx, m Method, same []byte) error {
	set := ""
	if m.Kind.Replaced() {
		set = string(m.Kind)
	}
	_, err := tx.Exec(ctx, `DELETE FROM method WHERE org_id = $1 AND account_id = $2 AND id <> $3 AND proved
 AND ((same = $4 AND disabled_at > 0) OR kind = $5)`,
		m.OrgID, m.AccountID, m.ID, same, set)
	return err
}

func deleteOne(ctx context.Context, tx *store.Tx, org, account, id string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM method WHERE id = $3 AND org_id = $1 AND account_id = $2`, org, account, id)
}

func updateProved(ctx context.Context, tx *store.Tx, id, by string) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET proved = (1 = 1), proved_by = $2, proved_at = $3, failures = 0
 WHERE id = $1 AND NOT proved AND deleted_at = 0 AND created_at > $4`, id, by, store.Micros(tx.Now()), pendingSince(tx))
}

func updateConfirmed(ctx context.Context, tx *store.Tx, org, account, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET proved_by = $4
 WHERE id = $3 AND org_id = $1 AND account_id = $2 AND proved AND proved_by IN ($5, $7) AND kind <> $6 AND deleted_at = 0`,
		org, account, id, ByPerson, ByAdministrator, string(TemporaryAccessPass), ByDirectory)
}

func updateSealed(ctx context.Context, tx *store.Tx, id string, old, sealed []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET sealed = $3 WHERE id = $1 AND sealed = $2 AND deleted_at = 0`, id, old, sealed)
}

// countCredential also finds what was deleted or never finished: the device may
// still have it.
func countCredential(ctx context.Context, tx *store.Tx, credential []byte) (int, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM method WHERE credential = $1`, credential).Scan(&n)
	return n, err
}

func selectCredential(ctx context.Context, tx *store.Tx, credential []byte) (row, error) {
	return scanRow(tx.QueryRow(ctx, `SELECT `+columns+` FROM method WHERE credential = $1 AND proved AND deleted_at = 0`, credential))
}

func updateEnrolled(ctx context.Context, tx *store.Tx, id string, old, sealed, same, credential []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET sealed = $3, same = $4, credential = $5
 WHERE id = $1 AND sealed = $2 AND credential IS NULL AND NOT proved AND deleted_at = 0`, id, old, sealed, same, credential)
}

// updateDevice makes a device known by the keyed hash of its token.
func updateDevice(ctx context.Context, tx *store.Tx, id string, index []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET credential = $2 WHERE id = $1 AND credential IS NULL`, id, index)
}

func updateDisabled(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET disabled_at = $2 WHERE id = $1 AND disabled_at = 0 AND deleted_at = 0`, id, store.Micros(tx.Now()))
}

func updateDefault(ctx context.Context, tx *store.Tx, org, account, id string) error {
	_, err := tx.Exec(ctx, `UPDATE method SET is_default = (id = $3)
 WHERE org_id = $1 AND account_id = $2 AND is_default <> (id = $3)`, org, account, id)
	return err
}

func updateDeleted(ctx context.Context, tx *store.Tx, id, by string) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET deleted_at = $2, deleted_by = $3, is_default = (1 = 0) WHERE id = $1 AND deleted_at = 0`,
		id, store.Micros(tx.Now()), by)
}

func updateBarred(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET deleted_by = $3 WHERE id = $1 AND deleted_at > $2 AND deleted_by <> $3`, id, undoSince(tx), ByAdministrator)
}

func updateUndeleted(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET deleted_at = 0, deleted_by = '' WHERE id = $1 AND deleted_at > $2`, id, undoSince(tx))
}

func updateStep(ctx context.Context, tx *store.Tx, id string, step int64) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET last_step = $2
 WHERE id = $1 AND last_step < $2 AND deleted_at = 0 AND disabled_at = 0`, id, step)
}

func updateUsedCode(ctx context.Context, tx *store.Tx, id string, bit int64) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET used_codes = used_codes + $2
 WHERE id = $1 AND (used_codes & $2) = 0 AND kind = $3 AND proved AND deleted_at = 0 AND disabled_at = 0`,
		id, bit, string(RecoveryCode))
}

// updatePass burns a pass, where burn is not 0, if it counts now.
func updatePass(ctx context.Context, tx *store.Tx, id string, burn int64) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET used_codes = used_codes + $2
 WHERE id = $1 AND used_codes = 0 AND valid_from <= $3 AND valid_until > $3
 AND kind = $4 AND proved AND deleted_at = 0 AND disabled_at = 0`,
		id, burn, store.Micros(tx.Now()), string(TemporaryAccessPass))
}

func updateFailure(ctx context.Context, tx *store.Tx, id string) (failures int, err error) {
	err = tx.QueryRow(ctx, `UPDATE method SET failures = failures + 1,
 disabled_at = CASE WHEN failures + 1 >= $2 AND disabled_at = 0 THEN $3 ELSE disabled_at END
 WHERE id = $1 AND deleted_at = 0 RETURNING failures`, id, DisableAfter, store.Micros(tx.Now())).Scan(&failures)
	return failures, err
}

func updateSuccess(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET failures = 0, used_at = $2
 WHERE id = $1 AND deleted_at = 0 AND disabled_at = 0`, id, store.Micros(tx.Now()))
}

func deleteDead(ctx context.Context, tx *store.Tx) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM method WHERE (deleted_at > 0 AND deleted_at <= $1) OR (NOT proved AND created_at <= $2)
 OR (valid_until > 0 AND valid_until <= $3)`,
		undoSince(tx), pendingSince(tx), store.Micros(tx.Now().Add(-keepOver)))
}

func pendingSince(tx *store.Tx) int64 { return store.Micros(tx.Now().Add(-PendingFor)) }

func undoSince(tx *store.Tx) int64 { return store.Micros(tx.Now().Add(-UndoFor)) }

// updateResealed writes the same content under another key, of deleted rows too.
func updateResealed(ctx context.Context, tx *store.Tx, id string, old, sealed []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET sealed = $3 WHERE id = $1 AND sealed = $2`, id, old, sealed)
}

// erase drops every method of an account, deleted ones too, and takes hardware
// tokens back from it.
func erase(ctx context.Context, tx *store.Tx, org, account string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM method WHERE org_id = $1 AND account_id = $2`, org, account); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE token SET account_id = '', method_id = '' WHERE org_id = $1 AND account_id = $2`, org, account)
	return err
}

// updateCreated puts a method in the place of an older one.
func updateCreated(ctx context.Context, tx *store.Tx, id string, at time.Time) (int64, error) {
	return tx.Exec(ctx, `UPDATE method SET created_at = $2 WHERE id = $1`, id, store.Micros(at))
}
