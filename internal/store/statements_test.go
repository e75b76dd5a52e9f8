package store_test

import (
	"fmt"
	"testing"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// Statements are kept prepared: the same text may be asked again while its rows
// are being read, after the table changed, after it failed, and after many others.
func TestTheSameStatementAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		makeTable(t, db)
		const insert, read, all = `INSERT INTO counter (name, n) VALUES ($1, $2)`, `SELECT n FROM counter WHERE name = $1`, `SELECT * FROM counter ORDER BY name`
		put := func(name string, n int) error {
			return db.Write(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, insert, name, n); return err })
		}
		for n := range 3 {
			if err := put(fmt.Sprint("n", n), n); err != nil {
				t.Fatal(err)
			}
		}
		if db.Kind() == store.SQLite { // PostgreSQL reads one answer at a time
			err := db.Read(ctx, func(tx *store.Tx) error {
				outer, err := tx.Query(ctx, all)
				if err != nil {
					return err
				}
				defer outer.Close()
				seen := 0
				for outer.Next() {
					inner, err := tx.Query(ctx, all)
					if err != nil {
						return err
					}
					for inner.Next() {
						seen++
					}
					inner.Close()
				}
				if seen != 9 {
					t.Errorf("nested, %d rows are seen, not 9", seen)
				}
				return outer.Err()
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		// A refused row leaves nothing behind, and the statement works afterwards.
		if put("n1", 9) == nil {
			t.Error("the same name went in twice")
		}
		if err := put("n3", 3); err != nil {
			t.Error(err)
		}
		// Rows left open end with their transaction and hold nothing after it.
		_ = db.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, all)
			if err == nil {
				rows.Next()
			}
			return err
		})
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `ALTER TABLE counter ADD COLUMN note TEXT NOT NULL DEFAULT 'none'`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			err := db.Read(ctx, func(tx *store.Tx) error {
				var name, note string
				var n int
				return tx.QueryRow(ctx, all+` LIMIT 1`).Scan(&name, &n, &note)
			})
			if err != nil {
				t.Error(err)
			}
		}
		for i := range 600 {
			err := db.Read(ctx, func(tx *store.Tx) error {
				var n int
				return tx.QueryRow(ctx, fmt.Sprintf("%s AND %d = %[2]d", read, i), "n2").Scan(&n)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := count(t, db, "n2"); got != 2 {
			t.Errorf("n2 is %d", got)
		}
	})
}
