package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func makeTable(t *testing.T, db *store.DB) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *store.DB, name string) int {
	t.Helper()
	var n int
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT n FROM counter WHERE name = $1`, name).Scan(&n)
	})
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		t.Fatal(err)
	}
	return n
}

func TestWriteCommitsOrRollsBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeTable(t, db)
		ctx := t.Context()
		insert := func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO counter (name, n) VALUES ($1, $2)`, "a", 1)
			return err
		}
		refusal := errors.New("refused")
		ran := false
		err := db.Write(ctx, func(tx *store.Tx) error {
			tx.AfterCommit(func() { ran = true })
			if err := insert(tx); err != nil {
				return err
			}
			return refusal
		})
		if !errors.Is(err, refusal) || count(t, db, "a") != 0 || ran {
			t.Fatalf("after a refusal: error %v, n %d, after-commit ran %v", err, count(t, db, "a"), ran)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error { tx.AfterCommit(func() { ran = true }); return insert(tx) }); err != nil {
			t.Fatal(err)
		}
		if count(t, db, "a") != 1 || !ran {
			t.Fatalf("after a commit: n %d, after-commit ran %v", count(t, db, "a"), ran)
		}
	})
}

func TestReadRefusesChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeTable(t, db)
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO counter (name, n) VALUES ('a', 1)`)
			return err
		})
		if err == nil || count(t, db, "a") != 0 {
			t.Fatalf("a reading transaction wrote: error %v", err)
		}
	})
}

// Reading and then writing loses updates on PostgreSQL unless the key is locked.
func TestLockKeepsEveryIncrement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeTable(t, db)
		ctx := t.Context()
		const workers = 50
		parallel(t, workers, func() error {
			return db.Write(ctx, func(tx *store.Tx) error {
				if err := tx.Lock(ctx, "counter"); err != nil {
					return err
				}
				var n int
				err := tx.QueryRow(ctx, `SELECT n FROM counter WHERE name = 'a'`).Scan(&n)
				if err != nil && !errors.Is(err, store.ErrNoRows) {
					return err
				}
				_, err = tx.Exec(ctx, `INSERT INTO counter (name, n) VALUES ('a', $1) ON CONFLICT (name) DO UPDATE SET n = $1`, n+1)
				return err
			})
		})
		if got := count(t, db, "a"); got != workers {
			t.Errorf("%d of %d increments are left", got, workers)
		}
	})
}

func parallel(t *testing.T, n int, do func() error) {
	t.Helper()
	var group sync.WaitGroup
	failures := make(chan error, n)
	for range n {
		group.Go(func() {
			if err := do(); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
}

func TestNowStandsStillInATransaction(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			first := tx.Now()
			clock.Advance(1e9)
			if !tx.Now().Equal(first) {
				return fmt.Errorf("the time moved from %v to %v", first, tx.Now())
			}
			if store.Time(store.Micros(first)) != first {
				return fmt.Errorf("%v is not kept as it is", first)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	if store.Micros(store.Time(0)) != 0 {
		t.Error("the zero time is not kept as 0")
	}
}

// On PostgreSQL a statement that fails ends the transaction; a statement that
// says what to do about a conflict does not fail.
func TestAConflictIsSeenInTheRowsAffected(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeTable(t, db)
		ctx := t.Context()
		err := db.Write(ctx, func(tx *store.Tx) error {
			for want := int64(1); want >= 0; want-- {
				n, err := tx.Exec(ctx, `INSERT INTO counter (name, n) VALUES ('a', 1) ON CONFLICT (name) DO NOTHING`)
				if err != nil || n != want {
					return fmt.Errorf("%d rows, want %d; error %w", n, want, err)
				}
			}
			_, err := tx.Exec(ctx, `UPDATE counter SET n = 7 WHERE name = 'a'`)
			return err
		})
		if err != nil || count(t, db, "a") != 7 {
			t.Errorf("n %d, error %v", count(t, db, "a"), err)
		}
	})
}

func TestNoRowsIsOneError(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeTable(t, db)
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			var n int
			return tx.QueryRow(t.Context(), `SELECT n FROM counter WHERE name = $1`, "none").Scan(&n)
		})
		if !errors.Is(err, store.ErrNoRows) {
			t.Errorf("error %v", err)
		}
	})
}

// Two that hold what the other wants: one is refused by the database, and run
// again by Write without its caller seeing it.
func TestADeadlockIsRunAgain(t *testing.T) {
	db := storetest.Open(t, store.PostgreSQL, store.Options{})
	makeTable(t, db)
	ctx := t.Context()
	err := db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO counter (name, n) VALUES ('a', 0), ('b', 0)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var runs, effects atomic.Int32
	var met sync.WaitGroup
	met.Add(2)
	order := make(chan [2]string, 2)
	order <- [2]string{"a", "b"}
	order <- [2]string{"b", "a"}
	parallel(t, 2, func() error {
		rows, first := <-order, true
		return db.Write(ctx, func(tx *store.Tx) error {
			runs.Add(1)
			tx.AfterCommit(func() { effects.Add(1) })
			if _, err := tx.Exec(ctx, `SET LOCAL deadlock_timeout = '10ms'`); err != nil {
				return err
			}
			for _, row := range rows {
				if _, err := tx.Exec(ctx, `UPDATE counter SET n = n + 1 WHERE name = $1`, row); err != nil {
					return err
				}
				if first { // each holds one row before either asks for the other
					first = false
					met.Done()
					met.Wait()
				}
			}
			return nil
		})
	})
	if count(t, db, "a") != 2 || count(t, db, "b") != 2 || effects.Load() != 2 {
		t.Errorf("a %d, b %d, effects %d; want 2 each", count(t, db, "a"), count(t, db, "b"), effects.Load())
	}
	if runs.Load() < 3 {
		t.Errorf("%d runs: there was no deadlock to mend", runs.Load())
	}
}

// twoHandles opens one file twice: what a second process would be, a command
// run beside the server.
func twoHandles(t *testing.T) (a, b *store.DB) {
	t.Helper()
	url := storetest.URL(t, store.SQLite)
	for _, db := range []**store.DB{&a, &b} {
		var err error
		if *db, err = store.Open(t.Context(), url, store.Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = (*db).Close() })
	}
	makeTable(t, a)
	return a, b
}

func TestTwoOnOneFileLoseNothing(t *testing.T) {
	a, b := twoHandles(t)
	ctx := t.Context()
	handles := make(chan *store.DB, 50)
	for range 25 {
		handles <- a
		handles <- b
	}
	parallel(t, 50, func() error {
		return (<-handles).Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO counter (name, n) VALUES ('a', 1) ON CONFLICT (name) DO UPDATE SET n = counter.n + 1`)
			return err
		})
	})
	if n := count(t, a, "a"); n != 50 {
		t.Errorf("%d of 50 increments are left", n)
	}
}

// A writing transaction is alone from its beginning, not from its first
// change: what it read before is still true when it writes.
func TestAWriterOfSQLiteIsAloneFromTheStart(t *testing.T) {
	a, b := twoHandles(t)
	ctx := t.Context()
	err := a.Write(ctx, func(*store.Tx) error {
		impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		return b.Write(impatient, func(*store.Tx) error {
			t.Error("two write at once")
			return nil
		})
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second ended with %v", err)
	}
}

// Who gives up does not wait for who works, and leaves nothing behind.
func TestGivingUpEndsTheWait(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeTable(t, db)
		ctx := t.Context()
		insert := func(ctx context.Context, tx *store.Tx) error {
			if err := tx.Lock(ctx, "one"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO counter (name, n) VALUES ('a', 1) ON CONFLICT (name) DO UPDATE SET n = counter.n + 1`)
			return err
		}
		err := db.Write(ctx, func(tx *store.Tx) error {
			if err := insert(ctx, tx); err != nil {
				return err
			}
			impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			err := db.Write(impatient, func(tx *store.Tx) error { return insert(impatient, tx) })
			if !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("the one that gave up ended with %w", err)
			}
			return nil
		})
		if err != nil || count(t, db, "a") != 1 {
			t.Fatalf("n %d, error %v", count(t, db, "a"), err)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error { return insert(ctx, tx) }); err != nil || count(t, db, "a") != 2 {
			t.Errorf("afterwards: n %d, error %v", count(t, db, "a"), err)
		}
	})
}

// What runs after the commit may write: the connection is free again.
func TestAfterCommitMayWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		makeTable(t, db)
		ctx := t.Context()
		insert := func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO counter (name, n) VALUES ('a', 1)`)
			return err
		}
		var later error
		err := db.Write(ctx, func(tx *store.Tx) error {
			tx.AfterCommit(func() { later = db.Write(ctx, insert) })
			return nil
		})
		if err != nil || later != nil || count(t, db, "a") != 1 {
			t.Errorf("n %d, errors %v and %v", count(t, db, "a"), err, later)
		}
	})
}

func TestSelectReadsEveryRowOrSaysWhyNot(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			const three = `SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS s ORDER BY n`
			all, err := store.Select(t.Context(), tx, store.Value[int], three)
			if err != nil || !slices.Equal(all, []int{1, 2, 3}) {
				t.Errorf("%v, %v", all, err)
			}
			mine := errors.New("not this one")
			all, err = store.Select(t.Context(), tx, func(row store.Scanner) (int, error) {
				n, err := store.Value[int](row)
				if n == 2 {
					err = mine
				}
				return n, err
			}, three)
			if len(all) > 0 || !errors.Is(err, mine) {
				t.Errorf("a row that cannot be read: %v, %v", all, err)
			}
			// The rows of the one before are closed: PostgreSQL would refuse this.
			these, args := store.In([]string{"a", "c"}, "x")
			some, err := store.Select(t.Context(), tx, store.Value[string],
				`SELECT s.v FROM (SELECT 'a' AS v UNION ALL SELECT 'b' UNION ALL SELECT 'c') AS s WHERE $1 = 'x' AND s.v `+these+` ORDER BY s.v`, args...)
			if err != nil || !slices.Equal(some, []string{"a", "c"}) {
				t.Errorf("%v, %v", some, err)
			}
			these, args = store.In(nil)
			if none, err := store.Select(t.Context(), tx, store.Value[string], `SELECT s.v FROM (SELECT 'a' AS v) AS s WHERE s.v `+these, args...); err != nil || len(none) > 0 {
				t.Errorf("of nothing: %v, %v", none, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
