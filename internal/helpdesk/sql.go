package helpdesk

import (
	"context"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// row is a request as it is kept.
type row struct {
	Request
	sealed     []byte
	resolution []byte
	work       []byte
}

const columns = `id, org_id, account_id, problem, state, sealed, support_code, opened_at, resolved_at, resolution, assigned_to, work`

func insert(ctx context.Context, tx *store.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO helpdesk_request
		(id, org_id, account_id, problem, state, sealed, support_code, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		r.ID, r.OrgID, r.AccountID, string(r.Problem), string(r.State), r.sealed, r.SupportCode, store.Micros(r.OpenedAt))
	return err
}

func selectOne(ctx context.Context, tx *store.Tx, orgID, id string) (row, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM helpdesk_request WHERE org_id = $1 AND id = $2`, orgID, id))
}

func selectMany(ctx context.Context, tx *store.Tx, q Query) ([]row, error) {
	statement, args := manyStatement(q)
	return store.Select(ctx, tx, scan, statement, args...)
}

// manyStatement holds only the conditions that are asked for, so that each filter
// reads along its index.
func manyStatement(q Query) (string, []any) {
	statement, args := `SELECT `+columns+` FROM helpdesk_request WHERE org_id = $1`, []any{q.OrgID}
	add := func(asked bool, condition, value string) {
		if asked {
			args = append(args, value)
			statement += ` AND ` + condition + ` $` + strconv.Itoa(len(args))
		}
	}
	add(q.State != "", "state =", string(q.State))
	add(q.Problem != "", "problem =", string(q.Problem))
	add(q.AssignedTo != "", "assigned_to =", strings.TrimPrefix(q.AssignedTo, Nobody))
	add(q.Before != "", "id <", q.Before)
	args = append(args, q.Limit)
	return statement + ` ORDER BY id DESC LIMIT $` + strconv.Itoa(len(args)), args
}

// resolve closes an open request; a second one changes nothing.
func resolve(ctx context.Context, tx *store.Tx, orgID, id string, resolution []byte) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE helpdesk_request SET state = $1, resolved_at = $2, resolution = $3
		WHERE org_id = $4 AND id = $5 AND state = $6`,
		string(StateResolved), store.Micros(tx.Now()), resolution, orgID, id, string(StateOpen))
	return n == 1, err
}

// openSince tells whether the account has an open request of this sort that is younger than since.
func openSince(ctx context.Context, tx *store.Tx, orgID, accountID string, p problem.Code, since time.Time) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM helpdesk_request
		WHERE org_id = $1 AND account_id = $2 AND state = $3 AND opened_at > $4
		AND CASE WHEN problem IN ($6, $7) THEN problem ELSE 'request' END = $5`,
		orgID, accountID, string(StateOpen), store.Micros(since), sort(p), string(ProblemDispute), string(ProblemErasure)).Scan(&n)
	return n > 0, err
}

func scan(s store.Scanner) (row, error) {
	var r row
	var code, state string
	var opened, resolved int64
	err := s.Scan(&r.ID, &r.OrgID, &r.AccountID, &code, &state, &r.sealed, &r.SupportCode, &opened, &resolved, &r.resolution, &r.AssignedTo, &r.work)
	r.Problem, r.State = problem.Code(code), State(state)
	r.OpenedAt, r.ResolvedAt = store.Time(opened), store.Time(resolved)
	return r, err
}

func selectAfter(ctx context.Context, tx *store.Tx, after string, limit int) ([]row, error) {
	return store.Select(ctx, tx, scan, `SELECT `+columns+` FROM helpdesk_request WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// updateResealed writes the same content under another key. A request that was
// worked on meanwhile is left alone: it is found again the next time.
func updateResealed(ctx context.Context, tx *store.Tx, r row, sealed, resolution, work []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE helpdesk_request SET sealed = $2, resolution = $3, work = $6 WHERE id = $1 AND sealed = $4 AND state = $5 AND work = $7`,
		r.ID, sealed, resolution, r.sealed, string(r.State), filled(work), filled(r.work))
}

// filled makes nothing an empty value: read from SQLite it comes as nil, and nil
// is NULL, which equals nothing.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func updateWork(ctx context.Context, tx *store.Tx, r row) (int64, error) {
	return tx.Exec(ctx, `UPDATE helpdesk_request SET assigned_to = $2, work = $3 WHERE id = $1 AND org_id = $4 AND state = $5`,
		r.ID, r.AssignedTo, r.work, r.OrgID, string(StateOpen))
}

// wait is what waits for the helpdesk.
type wait struct {
	open, unassigned int
	oldest, newest   time.Time // when the first and the last of them was opened
}

func waiting(ctx context.Context, tx *store.Tx, orgID string) (w wait, err error) {
	var first, last int64
	err = tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN assigned_to = '' THEN 1 ELSE 0 END), 0), COALESCE(MIN(opened_at), 0), COALESCE(MAX(opened_at), 0)
		FROM helpdesk_request WHERE org_id = $1 AND state = $2`, orgID, string(StateOpen)).Scan(&w.open, &w.unassigned, &first, &last)
	w.oldest, w.newest = store.Time(first), store.Time(last)
	return w, err
}

// selectTold gives when the organization's helpdesk was last told how many wait.
func selectTold(ctx context.Context, tx *store.Tx, orgID string) (time.Time, error) {
	var told int64
	err := tx.QueryRow(ctx, `SELECT told_at FROM helpdesk_digest WHERE org_id = $1`, orgID).Scan(&told)
	return store.Time(told), err
}

func upsertTold(ctx context.Context, tx *store.Tx, orgID string) error {
	_, err := tx.Exec(ctx, `INSERT INTO helpdesk_digest (org_id, told_at) VALUES ($1, $2) ON CONFLICT (org_id) DO UPDATE SET told_at = excluded.told_at`,
		orgID, store.Micros(tx.Now()))
	return err
}

func selectAccount(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]row, error) {
	return store.Select(ctx, tx, scan, `SELECT `+columns+` FROM helpdesk_request WHERE org_id = $1 AND account_id = $2 ORDER BY id`, orgID, accountID)
}

func erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM helpdesk_request WHERE org_id = $1 AND account_id = $2`, orgID, accountID)
	return err
}

func deleteResolved(ctx context.Context, tx *store.Tx, before time.Time, most int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM helpdesk_request WHERE id IN
		(SELECT id FROM helpdesk_request WHERE resolved_at > 0 AND resolved_at < $1 ORDER BY resolved_at LIMIT $2)`, store.Micros(before), most)
}
