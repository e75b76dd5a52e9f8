package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// row is how a list stands.
type row struct {
	config, mark                               string
	pass                                       int64
	entries                                    int
	wholeAt, beganAt, endedAt, failedAt, dueAt time.Time
	heldUntil                                  time.Time
	wasWhole                                   bool
	failure                                    Failure
}

// take makes a pass this holder's when no other one is under way, and numbers it.
func take(ctx context.Context, tx *store.Tx, orgID, holder string) (bool, error) {
	if _, err := tx.Exec(ctx, `INSERT INTO roster (org_id) VALUES ($1) ON CONFLICT (org_id) DO NOTHING`, orgID); err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, `UPDATE roster SET holder = $2, held_until = $3, pass = pass + 1 WHERE org_id = $1 AND held_until <= $4`,
		orgID, holder, store.Micros(tx.Now().Add(hold)), store.Micros(tx.Now()))
	return n == 1, err
}

// release ends a pass that found nothing out.
func release(ctx context.Context, tx *store.Tx, orgID, holder string) error {
	_, err := tx.Exec(ctx, `UPDATE roster SET due_at = 0, holder = '', held_until = 0 WHERE org_id = $1 AND holder = $2`, orgID, holder)
	return err
}

// renew says that a pass goes on; false when it is somebody else's by now.
func renew(ctx context.Context, tx *store.Tx, orgID, holder string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE roster SET held_until = $3 WHERE org_id = $1 AND holder = $2`, orgID, holder, store.Micros(tx.Now().Add(hold)))
	return n == 1, err
}

func updateEnded(ctx context.Context, tx *store.Tx, orgID string, r row) error {
	_, err := tx.Exec(ctx, `UPDATE roster SET config = $2, mark = $3, entries = $4, whole_at = $5, began_at = $6, ended_at = $7, was_whole = $8,
 due_at = $9, failure = '', failed_at = 0, holder = '', held_until = 0 WHERE org_id = $1`,
		orgID, r.config, r.mark, r.entries, store.Micros(r.wholeAt), store.Micros(r.beganAt), store.Micros(r.endedAt), r.wasWhole, store.Micros(r.dueAt))
	return err
}

func failed(ctx context.Context, tx *store.Tx, orgID, holder string, why Failure, in time.Duration) error {
	_, err := tx.Exec(ctx, `UPDATE roster SET failure = $3, failed_at = $4, due_at = $5, holder = '', held_until = 0 WHERE org_id = $1 AND holder = $2`,
		orgID, holder, string(why), store.Micros(tx.Now()), store.Micros(tx.Now().Add(in)))
	return err
}

func want(ctx context.Context, tx *store.Tx, orgID string) error {
	_, err := tx.Exec(ctx, `INSERT INTO roster (org_id) VALUES ($1) ON CONFLICT (org_id) DO UPDATE SET due_at = 0`, orgID)
	return err
}

const rowColumns = `org_id, config, mark, pass, entries, whole_at, began_at, ended_at, was_whole, failed_at, failure, due_at, held_until`

func scanRow(from store.Scanner) (id string, r row, err error) {
	var wholeAt, beganAt, endedAt, failedAt, dueAt, heldUntil int64
	var failure string
	err = from.Scan(&id, &r.config, &r.mark, &r.pass, &r.entries, &wholeAt, &beganAt, &endedAt, &r.wasWhole, &failedAt, &failure, &dueAt, &heldUntil)
	r.wholeAt, r.beganAt, r.endedAt = store.Time(wholeAt), store.Time(beganAt), store.Time(endedAt)
	r.failedAt, r.dueAt, r.heldUntil, r.failure = store.Time(failedAt), store.Time(dueAt), store.Time(heldUntil), Failure(failure)
	return id, r, err
}

func selectRow(ctx context.Context, tx *store.Tx, orgID string) (row, error) {
	_, r, err := scanRow(tx.QueryRow(ctx, `SELECT `+rowColumns+` FROM roster WHERE org_id = $1`, orgID))
	return r, err
}

// selectRows gives how every list stands, by organization.
func selectRows(ctx context.Context, tx *store.Tx) (map[string]row, error) {
	rows, err := tx.Query(ctx, `SELECT `+rowColumns+` FROM roster`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]row)
	for rows.Next() {
		id, r, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		all[id] = r
	}
	return all, rows.Err()
}

// facts are what is kept of an entry.
type facts struct {
	Groups     []string `json:"g,omitempty"`
	Disabled   bool     `json:"d,omitempty"`
	Privileged bool     `json:"p,omitempty"`
	External   bool     `json:"x,omitempty"`
	UserID     string   `json:"u,omitempty"` // of an administrator
}

// rowsAtOnce is how many rows one statement takes.
const rowsAtOnce = 100

func upsertEntries(ctx context.Context, tx *store.Tx, o *org.Organization, pass int64, page []directory.Entry) error {
	for len(page) > 0 {
		some := page[:min(len(page), rowsAtOnce)]
		page = page[len(some):]
		args := []any{o.ID, pass}
		var values []string
		seen := make(map[string]bool, len(some))
		for _, e := range some {
			if seen[e.Key] {
				continue // an entry that moved while it was read: once is enough
			}
			seen[e.Key] = true
			f := facts{Groups: e.Groups, Disabled: e.Disabled, Privileged: e.Privileged, External: e.Source == directory.External}
			if _, admin := o.RoleOf(e.UserID, nil); admin {
				f.UserID = e.UserID
			}
			text, err := json.Marshal(f)
			if err != nil {
				return err
			}
			args = append(args, e.Key, string(text))
			values = append(values, fmt.Sprintf("($1, $%d, $2, $%d)", len(args)-1, len(args)))
		}
		if _, err := tx.Exec(ctx, `INSERT INTO roster_entry (org_id, directory_key, pass, facts) VALUES `+strings.Join(values, ", ")+
			` ON CONFLICT (org_id, directory_key) DO UPDATE SET pass = excluded.pass, facts = excluded.facts`, args...); err != nil {
			return err
		}
	}
	return nil
}

// countEntries counts those that a pass or a later one has seen.
func countEntries(ctx context.Context, tx *store.Tx, orgID string, pass int64) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM roster_entry WHERE org_id = $1 AND pass >= $2`, orgID, pass).Scan(&n)
	return n, err
}

func deleteBefore(ctx context.Context, tx *store.Tx, orgID string, pass int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM roster_entry WHERE org_id = $1 AND pass < $2`, orgID, pass)
	return err
}

func deleteEntry(ctx context.Context, tx *store.Tx, orgID, key string) error {
	n, err := tx.Exec(ctx, `DELETE FROM roster_entry WHERE org_id = $1 AND directory_key = $2`, orgID, key)
	if err == nil && n > 0 {
		_, err = tx.Exec(ctx, `UPDATE roster SET entries = entries - 1 WHERE org_id = $1 AND entries > 0`, orgID)
	}
	return err
}

func deleteList(ctx context.Context, tx *store.Tx, orgID string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM roster_entry WHERE org_id = $1`, orgID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM roster WHERE org_id = $1`, orgID)
	return err
}

func selectPage(ctx context.Context, tx *store.Tx, orgID, after string, limit int) ([]directory.Entry, error) {
	return store.Select(ctx, tx, scanEntry, `SELECT directory_key, facts FROM roster_entry WHERE org_id = $1 AND directory_key > $2 ORDER BY directory_key LIMIT $3`,
		orgID, after, limit)
}

func scanEntry(row store.Scanner) (directory.Entry, error) {
	e := directory.Entry{Source: directory.Managed}
	var text string
	if err := row.Scan(&e.Key, &text); err != nil {
		return directory.Entry{}, err
	}
	var f facts
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return directory.Entry{}, err
	}
	e.UserID, e.Groups, e.Disabled, e.Privileged = f.UserID, f.Groups, f.Disabled, f.Privileged
	if f.External {
		e.Source = directory.External
	}
	return e, nil
}
