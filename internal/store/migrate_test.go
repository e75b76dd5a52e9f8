package store_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

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
		names, err := store.Migrations(db.Kind())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Migrate(ctx); err == nil || !strings.Contains(err.Error(), names[0]) {
			t.Errorf("%s changed after it was applied; Migrate said %v", names[0], err)
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
	err := db.Read(t.Context(), func(tx *store.Tx) error {
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

// column is one column in words that mean the same on both engines.
type column struct {
	table, name, kind string
	optional          bool
}

var kinds = map[string]string{
	"TEXT": "text", "INTEGER": "whole number", "BLOB": "bytes",
	"text": "text", "bigint": "whole number", "boolean": "whole number", "bytea": "bytes",
}

var columnsOf = map[store.Kind]string{
	store.SQLite: `SELECT name, type, "notnull" = 0 AND pk = 0 FROM pragma_table_info($1) ORDER BY name`,
	store.PostgreSQL: `SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name = $1 ORDER BY column_name`,
}

func columns(t *testing.T, db *store.DB) []column {
	t.Helper()
	var all []column
	for _, table := range ownTables(t, db) {
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), columnsOf[db.Kind()], table)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				c := column{table: table}
				if err := rows.Scan(&c.name, &c.kind, &c.optional); err != nil {
					return err
				}
				if kinds[c.kind] == "" {
					t.Errorf("%s has %s.%s of the type %s, which is not one for both engines", db.Kind(), table, c.name, c.kind)
				}
				c.kind = kinds[c.kind]
				all = append(all, c)
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// ownTables leaves out the queue's, which differ by design.
func ownTables(t *testing.T, db *store.DB) []string {
	t.Helper()
	return slices.DeleteFunc(tables(t, db), func(name string) bool { return strings.HasPrefix(name, "river_") })
}

func TestBothEnginesHaveTheSameTablesAndColumns(t *testing.T) {
	found := make(map[store.Kind][]column)
	for _, kind := range storetest.Kinds {
		found[kind] = columns(t, storetest.Open(t, kind, store.Options{}))
	}
	for _, kind := range storetest.Kinds {
		for _, other := range storetest.Kinds {
			for _, c := range found[kind] {
				if !slices.Contains(found[other], c) {
					t.Errorf("%s has %+v, %s has not", kind, c, other)
				}
			}
		}
	}
}

// Without STRICT, SQLite would keep a text in a column of numbers.
func TestTablesOfSQLiteAreStrict(t *testing.T) {
	db := storetest.Open(t, store.SQLite, store.Options{})
	strict := texts(t, db, `SELECT name FROM pragma_table_list WHERE strict = 1`)
	for _, table := range ownTables(t, db) {
		if !slices.Contains(strict, table) {
			t.Errorf("the table %s is not STRICT", table)
		}
	}
}
