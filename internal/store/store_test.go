package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

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

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "sqlite:", "postgres://127.0.0.1:1/none", "sqlite:/no/such/folder/x.db"} {
		if db, err := store.Open(t.Context(), url, store.Options{}); err == nil {
			_ = db.Close()
			t.Errorf("%q opened", url)
		}
	}
}

func TestMigrationsHaveTheSameNames(t *testing.T) {
	lite, err := store.Migrations(store.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := store.Migrations(store.PostgreSQL)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(lite, postgres) || len(lite) == 0 {
		t.Errorf("SQLite has %v, PostgreSQL %v", lite, postgres)
	}
}

func TestMigrateTwiceAtOnce(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			db := storetest.Open(t, kind, store.Options{})
			if pending, err := db.Pending(ctx); err != nil || len(pending) != 0 {
				t.Fatalf("pending %v, error %v", pending, err)
			}
			dropAll(t, db)
			all, err := store.Migrations(kind)
			if err != nil {
				t.Fatal(err)
			}
			if pending, err := db.Pending(ctx); err != nil || !slices.Equal(pending, all) {
				t.Fatalf("pending %v, error %v", pending, err)
			}
			var mu sync.Mutex
			var applied []string
			parallel(t, 4, func() error {
				names, err := db.Migrate(ctx)
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, names...)
				return err
			})
			if !slices.Equal(applied, all) {
				t.Errorf("applied %v, want each of %v once", applied, all)
			}
		})
	}
}

func TestAChangedMigrationIsRefusedByName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE schema_migrations SET sum = 'other' WHERE name = (SELECT MIN(name) FROM schema_migrations)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Migrate(ctx); err == nil {
			t.Error("a migration that changed after it was applied was not noticed")
		}
	})
}

// dropAll empties the database, as before its first migration.
func dropAll(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	for _, table := range tables(t, db) {
		err := db.Write(ctx, func(tx *store.Tx) error {
			cascade := ""
			if db.Kind() == store.PostgreSQL {
				cascade = " CASCADE"
			}
			_, err := tx.Exec(ctx, `DROP TABLE IF EXISTS `+table+cascade)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func tables(t *testing.T, db *store.DB) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('sqlite_sequence', 'sqlite_stat1') ORDER BY name`
	if db.Kind() == store.PostgreSQL {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name`
	}
	return texts(t, db, query)
}

func texts(t *testing.T, db *store.DB, query string, args ...any) []string {
	t.Helper()
	var all []string
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			all = append(all, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestBothEnginesHaveTheSameTablesAndColumns(t *testing.T) {
	columns := make(map[store.Kind][]string)
	for _, kind := range storetest.Kinds {
		db := storetest.Open(t, kind, store.Options{})
		for _, table := range tables(t, db) {
			if strings.HasPrefix(table, "river_") {
				continue // the queue's own, different by design
			}
			query := `SELECT name FROM pragma_table_info($1) ORDER BY name`
			if kind == store.PostgreSQL {
				query = `SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY column_name`
			}
			for _, column := range texts(t, db, query, table) {
				columns[kind] = append(columns[kind], table+"."+column)
			}
		}
		slices.Sort(columns[kind])
	}
	lite, postgres := columns[store.SQLite], columns[store.PostgreSQL]
	for _, c := range lite {
		if !slices.Contains(postgres, c) {
			t.Errorf("only SQLite has %s", c)
		}
	}
	for _, c := range postgres {
		if !slices.Contains(lite, c) {
			t.Errorf("only PostgreSQL has %s", c)
		}
	}
}
