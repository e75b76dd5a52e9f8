package storetest

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/store"
)

// Plan tells how the engine would read a statement, in its own words. PostgreSQL
// looks at its statistics first.
func Plan(t testing.TB, db *store.DB, table, statement string, args ...any) string {
	t.Helper()
	ctx, explain := t.Context(), "EXPLAIN QUERY PLAN "
	if db.Kind() == store.PostgreSQL {
		explain = "EXPLAIN "
	}
	var lines []string
	err := db.Write(ctx, func(tx *store.Tx) error {
		if db.Kind() == store.PostgreSQL {
			if _, err := tx.Exec(ctx, "ANALYZE "+table); err != nil {
				return err
			}
		}
		rows, err := tx.Query(ctx, explain+statement, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			into := []any{&line}
			if db.Kind() == store.SQLite {
				into = []any{new(int), new(int), new(int), &line}
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
