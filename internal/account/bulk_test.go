package account_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var desk = audit.Actor{Kind: audit.Admin, Account: "desk", UserID: "desk@contoso.com"}

func anybody(string, []string) bool { return true }

// receive takes a file in; enqueued counts the jobs that would follow.
func (h house) receive(file string, format account.Format, guard account.Guard) account.Bulk {
	h.t.Helper()
	b, err := h.Receive(h.t.Context(), h.org, desk, strings.NewReader(file), format, guard, func(*store.Tx, string) error { return nil })
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// work runs the job until the step is over.
func (h house) work(id string, guard account.Guard) account.Bulk {
	h.t.Helper()
	for range 20 {
		if err := h.Work(h.t.Context(), h.org, desk, id, guard, func(*store.Tx) error { return nil }); err != nil {
			h.t.Fatal(err)
		}
		if b := h.bulk(id); !b.State.Working() {
			return b
		}
	}
	h.t.Fatal("the import does not end")
	return account.Bulk{}
}

func (h house) bulk(id string) account.Bulk {
	h.t.Helper()
	b, err := h.Bulk(h.t.Context(), h.org.ID, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h house) decide(id string, skip bool) error {
	return h.write(func(ctx context.Context, tx *store.Tx) error { return h.Decide(ctx, tx, h.org.ID, id, skip) })
}

func (h house) parts() (n int) {
	h.t.Helper()
	err := h.db.Read(h.t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(h.t.Context(), `SELECT COUNT(*) FROM bulk_part`).Scan(&n)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// crowd is a file of n people whose records are as awkward as records may be.
func crowd(n int, format account.Format) string {
	var b strings.Builder
	if format == account.CSV {
		b.WriteString("\xef\xbb\xbfuser_id,display_name,email\r\n")
	}
	for i := range n {
		if format == account.NDJSON {
			fmt.Fprintf(&b, "{\"user_id\":\"p%d@contoso.com\",\"display_name\":\"P \\u00e9 %d\",\"email\":\"p%d@example.net\"}\n\n", i, i, i)
			continue
		}
		fmt.Fprintf(&b, "p%d@contoso.com,\"Person, \"\"%d\"\"\",p%d@example.net\r\n", i, i, i)
		if i%7 == 0 {
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

// A run that dies in the middle, runs at the same time on two nodes, and a run
// again afterwards: every row is applied once, and the file is erased.
func TestAnImportGoesOnWhereItDied(t *testing.T) {
	const people = 700
	for _, format := range []account.Format{account.CSV, account.NDJSON} {
		each(t, func(h house, _ *storetest.Clock) {
			b := h.receive(crowd(people, format), format, anybody)
			if b = h.work(b.ID, anybody); b.State != account.BulkChecked || b.Rows != people || b.Created != people || b.Methods != people || b.Bad != 0 {
				h.t.Fatalf("checked: %+v", b)
			}
			if h.parts() == 0 {
				h.t.Error("nothing is kept of the file")
			}
			if err := h.decide(b.ID, false); err != nil {
				h.t.Fatal(err)
			}
			ctx, kill := context.WithCancel(h.t.Context())
			var rows atomic.Int64
			dying := func(string, []string) bool {
				if rows.Add(1) == 600 {
					kill()
				}
				return true
			}
			for ctx.Err() == nil { // a slow machine may need more than one run for so many
				if err := h.Work(ctx, h.org, desk, b.ID, dying, func(*store.Tx) error { return nil }); (err == nil) != (ctx.Err() == nil) {
					h.t.Fatalf("a run ended with %v", err)
				}
			}
			if b = h.bulk(b.ID); b.State != account.BulkApplying || b.DoneRows == 0 || b.DoneRows >= people || b.DoneRows != b.Created {
				h.t.Fatalf("dead: %+v", b)
			}
			var group sync.WaitGroup
			for range 2 {
				group.Go(func() {
					if err := h.Work(h.t.Context(), h.org, desk, b.ID, anybody, func(*store.Tx) error { return nil }); err != nil {
						h.t.Error(err)
					}
				})
			}
			group.Wait()
			b = h.work(b.ID, anybody)
			if b.State != account.BulkDone || b.Created != people || b.Updated+b.Unchanged != 0 || b.Methods != people || h.parts() != 0 {
				h.t.Errorf("done: %+v, %d parts", b, h.parts())
			}
			imports := 0
			for _, kind := range h.events() {
				if kind == string(audit.DirectoryChanged) {
					imports++
				}
			}
			if imports != 1 {
				h.t.Errorf("%d events say that the directory changed", imports)
			}
			// The same file again would change nothing.
			again := h.receive(crowd(people, format), format, anybody)
			if again = h.work(again.ID, anybody); again.Unchanged != people || again.Methods != 0 {
				h.t.Errorf("again: %+v", again)
			}
		})
	}
}

// Whenever a run ends and rows are left, it has left them to another one: an import
// that nobody works on would stand still for ever.
func TestARunLeavesTheRestToAnother(t *testing.T) {
	const people = 700
	for _, step := range []time.Duration{900 * time.Millisecond, 1100 * time.Millisecond, 1300 * time.Millisecond, 2 * time.Second, 5 * time.Second} {
		each(t, func(h house, _ *storetest.Clock) {
			b := h.receive(crowd(people, account.CSV), account.CSV, anybody)
			at := time.Unix(0, 0)
			h.SetWall(func() time.Time { at = at.Add(step); return at })
			runs := 0
			for ; h.bulk(b.ID).State.Working() && runs < 20; runs++ {
				left := 0
				if err := h.Work(h.t.Context(), h.org, desk, b.ID, anybody, func(*store.Tx) error { left++; return nil }); err != nil {
					h.t.Fatal(err)
				}
				if b = h.bulk(b.ID); b.State.Working() != (left == 1) || left > 1 {
					h.t.Fatalf("%v a step: after run %d of an import that is %s, it was left to %d others", step, runs, b.State, left)
				}
			}
			if b = h.bulk(b.ID); b.State != account.BulkChecked || b.Created != people || runs < 2 && step > time.Second {
				h.t.Errorf("%v a step, %d runs: %+v", step, runs, b)
			}
		})
	}
}

// Bad rows are named by line, and nothing is applied unless somebody says to
// leave them out; one live import an organization, and another's is not found.
func TestAnImportWithBadRows(t *testing.T) {
	each(t, func(h house, clock *storetest.Clock) {
		file := "user_id,display_name,email\nalain@contoso.com,Alain,alain@example.net\nalain@contoso.com,Twice,\nbudi@else.example,Budi,\ncitra@contoso.com,Citra,nothing\n"
		b := h.receive(file, account.CSV, anybody)
		_, err := h.Receive(h.t.Context(), h.org, desk, strings.NewReader(file), account.CSV, anybody, func(*store.Tx, string) error { return nil })
		if !problem.Has(err, problem.ImportLive) {
			h.t.Errorf("a second one at once: %v", err)
		}
		if b = h.work(b.ID, anybody); b.Bad != 3 || b.Created != 1 {
			h.t.Fatalf("%+v", b)
		}
		rows, err := h.BadRows(h.t.Context(), h.org.ID, b.ID, 10)
		want := []account.BadRow{{Line: 3, Column: "user_id", Reason: account.ReasonUserIDTwice}, {Line: 4, Column: "user_id", Reason: account.ReasonDomain}, {Line: 5, Column: "email", Reason: account.ReasonEmail}}
		if err != nil || fmt.Sprint(rows) != fmt.Sprint(want) {
			h.t.Errorf("%v, %v", rows, err)
		}
		rest, err := h.BadRowsAfter(h.t.Context(), h.org.ID, b.ID, want[0], 1)
		if err != nil || fmt.Sprint(rest) != fmt.Sprint(want[1:2]) {
			h.t.Errorf("after the first: %v, %v", rest, err)
		}
		if _, err := h.Bulk(h.t.Context(), "org-2", b.ID); !problem.Has(err, problem.NotFound) {
			h.t.Errorf("another organization sees it: %v", err)
		}
		if _, err := h.BadRows(h.t.Context(), "org-2", b.ID, 10); !problem.Has(err, problem.NotFound) {
			h.t.Errorf("another organization sees its rows: %v", err)
		}
		for _, org := range []string{"org-2"} {
			err := h.write(func(ctx context.Context, tx *store.Tx) error { return h.Cancel(ctx, tx, org, b.ID) })
			if !problem.Has(err, problem.NotFound) {
				h.t.Errorf("another organization stops it: %v", err)
			}
		}
		if err := h.decide(b.ID, false); !problem.Has(err, problem.BadRows) {
			h.t.Errorf("applied with bad rows: %v", err)
		}
		if _, err := h.Find(h.t.Context(), h.org, alain); !problem.Has(err, problem.NotFound) {
			h.t.Errorf("something was applied before the yes: %v", err)
		}
		if err := h.decide(b.ID, true); err != nil {
			h.t.Fatal(err)
		}
		if err := h.decide(b.ID, true); !problem.Has(err, problem.Conflict) {
			h.t.Errorf("decided twice: %v", err)
		}
		if b = h.work(b.ID, anybody); b.State != account.BulkDone || b.Created != 1 {
			h.t.Errorf("%+v", b)
		}
		if got := h.find(alain).Entry.DisplayName; got != "Alain" {
			h.t.Errorf("the second row of the same person won: %q", got)
		}
		// A header that cannot be used ends it at once.
		if b = h.receive("user_id,salary\n", account.CSV, anybody); h.bulk(b.ID).State != account.BulkUnreadable || h.parts() != 0 {
			h.t.Errorf("%+v", h.bulk(b.ID))
		}
		// One lost quotation mark does not take the rest of the file into memory.
		if b = h.receive("user_id,display_name\na@contoso.com,\""+strings.Repeat("x", 3<<20), account.CSV, anybody); h.bulk(b.ID).State != account.BulkUnreadable {
			h.t.Errorf("%+v", h.bulk(b.ID))
		}
		// What nobody decides on is erased, and the organization is free.
		b = h.receive("user_id\na@contoso.com\n", account.CSV, anybody)
		h.work(b.ID, anybody)
		clock.Advance(25 * time.Hour)
		if err := h.write(h.PurgeBulk); err != nil || h.bulk(b.ID).State != account.BulkCancelled || h.parts() != 0 {
			h.t.Errorf("%v, %+v", err, h.bulk(b.ID))
		}
	})
}

// Passwords of a file are sealed until they are hashed, and never replace one;
// whoever the guard keeps out is a bad row, before and at the last moment.
func TestAnImportMayNotDoEverything(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		h.mustLoad("user_id,password,groups\nalain@contoso.com,teapot harbour violin,staff\nboss@contoso.com,teapot harbour violin,bosses\n")
		guard := func(userID string, groups []string) bool {
			return userID != "me@contoso.com" && !strings.Contains(strings.Join(groups, " "), "bosses")
		}
		file := "user_id,password,groups\n" +
			"alain@contoso.com,another ladder window,\n" + // would choose somebody's password
			"boss@contoso.com,,staff\n" + // would take the boss out of the group
			"me@contoso.com,,\n" +
			"rise@contoso.com,,bosses\n" + // would make a boss
			"new@contoso.com,another ladder window,staff\n"
		b := h.receive(file, account.CSV, guard)
		h.work(b.ID, guard)
		err := h.db.Read(h.t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(h.t.Context(), `SELECT sealed FROM bulk_part`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var sealed []byte
				if err := errors.Join(rows.Scan(&sealed), rows.Err()); err != nil {
					return err
				}
				if bytes.Contains(sealed, []byte("ladder")) || bytes.Contains(sealed, []byte("contoso")) {
					h.t.Error("the file is kept in clear")
				}
			}
			return rows.Err()
		})
		if err != nil {
			h.t.Fatal(err)
		}
		if b := h.bulk(b.ID); b.Bad != 2 {
			h.t.Errorf("checked: %+v", b)
		}
		if err := h.decide(b.ID, true); err != nil {
			h.t.Fatal(err)
		}
		if b = h.work(b.ID, guard); b.State != account.BulkDone || b.Created != 1 || b.Updated != 0 || b.Bad != 4 || h.parts() != 0 {
			h.t.Errorf("done: %+v", b)
		}
		rows, err := h.BadRows(h.t.Context(), h.org.ID, b.ID, 10)
		want := "[line 2, password: password-kept line 3, user_id: rank line 4, user_id: rank line 5, user_id: rank]"
		if err != nil || fmt.Sprint(rows) != want {
			h.t.Errorf("%v, %v", rows, err)
		}
		h.checkPassword(alain, "teapot harbour violin", "ok")
		h.checkPassword("new@contoso.com", "another ladder window", "ok")
		if groups := h.find("boss@contoso.com").Entry.Groups; len(groups) != 1 || groups[0] != "bosses" {
			h.t.Errorf("the boss is in %v", groups)
		}
	})
}

// What stands still because its job was lost, as one that an earlier version left to
// nobody, is given to the queue again: once, and not while somebody works on it.
func TestAnImportThatStandsStillGoesOn(t *testing.T) {
	each(t, func(h house, clock *storetest.Clock) {
		b := h.receive("user_id\na@contoso.com\n", account.CSV, anybody) // its job is lost
		resumed := func() (ids []string) {
			h.t.Helper()
			err := h.write(func(ctx context.Context, tx *store.Tx) error {
				ids = nil
				return h.ResumeBulk(ctx, tx, func(_ *store.Tx, orgID, id string) error {
					ids = append(ids, orgID+" "+id)
					return nil
				})
			})
			if err != nil {
				h.t.Fatal(err)
			}
			return ids
		}
		clock.Advance(time.Hour)
		if ids := resumed(); len(ids) != 0 {
			h.t.Errorf("after an hour: %v", ids)
		}
		for _, state := range []account.BulkState{account.BulkComparing, account.BulkApplying} {
			if b = h.bulk(b.ID); b.State != state {
				h.t.Fatalf("%+v", b)
			}
			clock.Advance(2*time.Hour + time.Second)
			if ids := resumed(); len(ids) != 1 || ids[0] != h.org.ID+" "+b.ID {
				h.t.Errorf("%s: %v", state, ids)
			}
			if ids := resumed(); len(ids) != 0 {
				h.t.Errorf("%s, at once again: %v", state, ids)
			}
			b = h.work(b.ID, anybody)
			clock.Advance(3 * time.Hour)
			if ids := resumed(); len(ids) != 0 {
				h.t.Errorf("after %s: %v", state, ids)
			}
			if state == account.BulkComparing {
				if err := h.decide(b.ID, false); err != nil {
					h.t.Fatal(err)
				}
			}
		}
		if b.State != account.BulkDone || b.Created != 1 {
			h.t.Errorf("%+v", b)
		}
	})
}
