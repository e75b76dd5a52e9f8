package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

func selectCursor(ctx context.Context, tx *store.Tx) (leaf int64, err error) {
	err = tx.QueryRow(ctx, `SELECT next_leaf FROM report_cursor WHERE id = 1`).Scan(&leaf)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil
	}
	return leaf, err
}

func upsertCursor(ctx context.Context, tx *store.Tx, leaf int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO report_cursor (id, next_leaf) VALUES (1, $1)
 ON CONFLICT (id) DO UPDATE SET next_leaf = excluded.next_leaf`, leaf)
	return err
}

// add counts for the day and for its month.
func add(ctx context.Context, tx *store.Tx, k key, n int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO report_daily (org_id, day, kind, outcome, reason, method_kind, n)
 VALUES ($1, $2, $3, $4, $5, $6, $7)
 ON CONFLICT (org_id, day, kind, outcome, reason, method_kind) DO UPDATE SET n = report_daily.n + excluded.n`,
		k.org, int64(k.day), string(k.kind), string(k.outcome), k.reason, k.methodKind, n)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO report_monthly (org_id, month, kind, outcome, reason, method_kind, n)
 VALUES ($1, $2, $3, $4, $5, $6, $7)
 ON CONFLICT (org_id, month, kind, outcome, reason, method_kind) DO UPDATE SET n = report_monthly.n + excluded.n`,
		k.org, monthOf(k.day), string(k.kind), string(k.outcome), k.reason, k.methodKind, n)
	return err
}

// monthOf numbers months: years times twelve, plus the month from 0.
func monthOf(d Day) int64 {
	t := d.Time()
	return int64(t.Year())*12 + int64(t.Month()) - 1
}

// firstOf is the first day of a month.
func firstOf(month int64) Day {
	return DayOf(time.Date(int(month/12), time.Month(month%12+1), 1, 0, 0, 0, 0, time.UTC))
}

// shownByDay are the kinds whose counts are shown day by day.
var shownByDay = []audit.Kind{
	ended, audit.PasswordChanged, audit.RequestOpened, audit.SignInSucceeded, audit.SignInFailed, audit.SignInLocked,
	audit.RegistrationCompleted, audit.RegistrationSkipped, audit.RegistrationReconfirmed, audit.MethodAdded, audit.MethodDeleted,
}

// shownByReason are those of them whose reason tells what they count as.
var shownByReason = []audit.Kind{ended, audit.MethodAdded, audit.MethodDeleted}

// eachDaily gives the counts of every day, of what is shown by day.
func eachDaily(ctx context.Context, tx *store.Tx, orgID string, from, to Day, fn func(key, int)) error {
	for _, kind := range shownByDay {
		how := "''"
		if slices.Contains(shownByReason, kind) {
			how = "reason"
		}
		err := each(ctx, tx, fn, `SELECT day, kind, outcome, `+how+` AS how, '', CAST(SUM(n) AS BIGINT)
 FROM report_daily WHERE org_id = $1 AND kind = $2 AND day >= $3 AND day <= $4 GROUP BY day, kind, outcome, how`,
			orgID, string(kind), int64(from), int64(to))
		if err != nil {
			return err
		}
	}
	return nil
}

// eachSum gives the counts of the whole span, some in parts: whole months are read
// as such.
func eachSum(ctx context.Context, tx *store.Tx, orgID string, from, to Day, fn func(key, int)) error {
	first, end := monthOf(from), monthOf(to+1) // whole months from first up to end
	if firstOf(first) != from {
		first++
	}
	daily := func(from, to Day) error {
		return each(ctx, tx, fn, `SELECT 0, kind, outcome, reason, method_kind, CAST(SUM(n) AS BIGINT)
 FROM report_daily WHERE org_id = $1 AND day >= $2 AND day < $3 GROUP BY kind, outcome, reason, method_kind`, orgID, int64(from), int64(to))
	}
	if first >= end {
		return daily(from, to+1)
	}
	err := each(ctx, tx, fn, `SELECT 0, kind, outcome, reason, method_kind, CAST(SUM(n) AS BIGINT)
 FROM report_monthly WHERE org_id = $1 AND month >= $2 AND month < $3 GROUP BY kind, outcome, reason, method_kind`, orgID, first, end)
	if err == nil && from < firstOf(first) {
		err = daily(from, firstOf(first))
	}
	if err == nil && firstOf(end) <= to {
		err = daily(firstOf(end), to+1)
	}
	return err
}

func each(ctx context.Context, tx *store.Tx, fn func(key, int), statement string, args ...any) error {
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k key
		var day, n int64
		var kind, outcome string
		if err := rows.Scan(&day, &kind, &outcome, &k.reason, &k.methodKind, &n); err != nil {
			return err
		}
		k.day, k.kind, k.outcome = Day(day), audit.Kind(kind), audit.Outcome(outcome)
		fn(k, int(n))
	}
	return rows.Err()
}

func upsertRegistration(ctx context.Context, tx *store.Tx, orgID string, day Day, figures string) error {
	_, err := tx.Exec(ctx, `INSERT INTO report_registration (org_id, day, counted_at, figures) VALUES ($1, $2, $3, $4)
 ON CONFLICT (org_id, day) DO UPDATE SET counted_at = excluded.counted_at, figures = excluded.figures`,
		orgID, int64(day), store.Micros(tx.Now()), figures)
	return err
}

func selectLast(ctx context.Context, tx *store.Tx, orgID string) (Registration, error) {
	return scanRegistration(tx.QueryRow(ctx, `SELECT counted_at, figures FROM report_registration
 WHERE org_id = $1 ORDER BY day DESC LIMIT 1`, orgID))
}

func selectHistory(ctx context.Context, tx *store.Tx, orgID string, from, to Day) ([]Registration, error) {
	return store.Select(ctx, tx, scanRegistration, `SELECT counted_at, figures FROM report_registration
 WHERE org_id = $1 AND day >= $2 AND day <= $3 ORDER BY day`, orgID, int64(from), int64(to))
}

func scanRegistration(row store.Scanner) (Registration, error) {
	var r Registration
	var at int64
	var figures string
	if err := row.Scan(&at, &figures); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(figures), &r); err != nil {
		return r, err
	}
	r.At = store.Time(at)
	return r, nil
}

// heldColumn says as bits of which kinds an account has a usable method, in the
// order of method.Kinds. A recovery set counts while a code of it is left.
var heldColumn = func() string {
	var parts []string
	for i, k := range method.Kinds() {
		left := ""
		if k == method.RecoveryCode {
			left = fmt.Sprintf(" AND m.used_codes <> %d", 1<<method.RecoveryCodes-1)
		}
		parts = append(parts, fmt.Sprintf("MAX(CASE WHEN m.kind = '%s'%s THEN %d ELSE 0 END)", k, left, 1<<i))
	}
	return "COALESCE(" + strings.Join(parts, " + ") + ", 0)"
}()

const heldFrom = ` FROM account a LEFT JOIN method m
 ON m.org_id = a.org_id AND m.account_id = a.id AND m.proved AND m.deleted_at = 0 AND m.disabled_at = 0
 WHERE a.org_id = $1`

// holding is what somebody has.
type holding struct {
	held
	// first is the kind of the method that a sign-in offers first; empty: of none.
	first method.Kind
}

// heldBy asks what the people of some keys of the directory have.
func heldBy(orgID string, keys []string) (statement string, args []any) {
	these, args := store.In(keys, orgID)
	return `SELECT a.directory_key, ` + heldColumn + `, COALESCE(MAX(CASE WHEN m.is_default THEN m.kind END), '')` + heldFrom +
		` AND a.directory_key ` + these + ` GROUP BY a.directory_key`, args
}

// selectHeld gives what the people of a page have, by the directory's key.
func selectHeld(ctx context.Context, tx *store.Tx, orgID string, page []directory.Entry) (map[string]holding, error) {
	all := make(map[string]holding, len(page))
	if len(page) == 0 {
		return all, nil
	}
	keys := make([]string, len(page))
	for i, e := range page {
		keys[i] = e.Key
	}
	statement, args := heldBy(orgID, keys)
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key, first string
		var bits int64
		if err := rows.Scan(&key, &bits, &first); err != nil {
			return nil, err
		}
		all[key] = holding{held(bits), method.Kind(first)}
	}
	return all, rows.Err()
}

// selectHolders gives the directory's keys of those who have a usable method of a
// kind, at most limit of them, in no order.
func selectHolders(ctx context.Context, tx *store.Tx, orgID string, kind method.Kind, limit int) ([]string, error) {
	return store.Select(ctx, tx, store.Value[string], `SELECT a.directory_key FROM account a JOIN (`+holders(kind)+`) AS holder ON a.id = holder.account_id`, orgID, string(kind), limit)
}

// holders are the accounts with a usable method of a kind.
func holders(kind method.Kind) string {
	left := ""
	if kind == method.RecoveryCode {
		left = fmt.Sprintf(" AND used_codes <> %d", 1<<method.RecoveryCodes-1)
	}
	return `SELECT DISTINCT account_id FROM method
 WHERE org_id = $1 AND kind = $2 AND proved AND deleted_at = 0 AND disabled_at = 0` + left + ` LIMIT $3`
}

// eachKnown gives what everyone whom Kunci has met has.
func eachKnown(ctx context.Context, tx *store.Tx, orgID string, fn func(held)) error {
	rows, err := tx.Query(ctx, `SELECT a.id, `+heldColumn+heldFrom+` GROUP BY a.id`, orgID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var bits int64
		if err := rows.Scan(&id, &bits); err != nil {
			return err
		}
		fn(held(bits))
	}
	return rows.Err()
}
