package kuncitest

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"kunci.dev/kunci/internal/store"
)

// Holds tells whether the database holds a text anywhere, as it is or as bytes.
// SQLite's files are read as they lie on the disk, the write-ahead log and free
// pages among them; PostgreSQL gives every row of every table as text.
func (p *Product) Holds(secret string) bool {
	p.t.Helper()
	stored := p.stored()
	return strings.Contains(stored, secret) || strings.Contains(stored, hex.EncodeToString([]byte(secret)))
}

func (p *Product) stored() string {
	p.t.Helper()
	var all strings.Builder
	if path, ok := strings.CutPrefix(p.App.Config.Database, "sqlite:"); ok {
		for _, name := range []string{path, path + "-wal"} {
			data, err := os.ReadFile(name)
			if err != nil {
				p.t.Fatal(err)
			}
			all.Write(data)
		}
		return all.String()
	}
	err := p.App.DB.Read(p.t.Context(), func(tx *store.Tx) error {
		names, err := texts(p, tx, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)
		if err != nil {
			return err
		}
		for _, name := range names {
			rows, err := texts(p, tx, fmt.Sprintf(`SELECT CAST(t AS text) FROM %q AS t`, name))
			if err != nil {
				return err
			}
			all.WriteString(strings.Join(rows, "\n"))
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all.String()
}

func texts(p *Product, tx *store.Tx, statement string) ([]string, error) {
	rows, err := tx.Query(p.t.Context(), statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
