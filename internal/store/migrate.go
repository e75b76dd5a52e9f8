package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed migrations
var migrations embed.FS

// migration is one file of migrations/<engine>, applied once, in the order of names.
type migration struct {
	name string // 0001_audit
	text string
	sum  string
}

// Migrations lists the names of an engine's migrations in the order they are applied.
func Migrations(kind Kind) ([]string, error) {
	all, err := readMigrations(kind)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, m := range all {
		names[i] = m.name
	}
	return names, nil
}

func readMigrations(kind Kind) ([]migration, error) {
	dir := path.Join("migrations", string(kind))
	entries, err := fs.ReadDir(migrations, dir)
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, entry := range entries {
		data, err := fs.ReadFile(migrations, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		all = append(all, migration{strings.TrimSuffix(entry.Name(), ".sql"), string(data), hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(all, func(a, b migration) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// schemaTable remembers which migrations a database has, and what they said.
var schemaTable = map[Kind]string{
	SQLite: `CREATE TABLE IF NOT EXISTS schema_migrations (
		name TEXT PRIMARY KEY, sum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`,
	PostgreSQL: `CREATE TABLE IF NOT EXISTS schema_migrations (
		name TEXT PRIMARY KEY, sum TEXT NOT NULL, applied_at BIGINT NOT NULL)`,
}

// Migrate brings the database to this version and tells what it applied. Two
// nodes may do it at once: one waits for the other. It is one transaction: a
// migration that fails leaves the database at its old version, whole. One that
// was applied and has changed since stops it, named.
func (db *DB) Migrate(ctx context.Context) ([]string, error) {
	all, err := readMigrations(db.kind)
	if err != nil {
		return nil, err
	}
	var applied []string
	err = db.Write(ctx, func(tx *Tx) error {
		applied = nil
		if err := tx.Lock(ctx, "store.migrate"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, schemaTable[db.kind]); err != nil {
			return err
		}
		done, err := appliedSums(ctx, tx)
		if err != nil {
			return err
		}
		for _, m := range all {
			if sum, ok := done[m.name]; ok {
				if sum != m.sum {
					return fmt.Errorf("the migration %s was applied and has changed since: this program does not belong to this database", m.name)
				}
				continue
			}
			if err := apply(ctx, tx, m); err != nil {
				return err
			}
			applied = append(applied, m.name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return applied, nil
}

// apply runs the file's statements one by one: the engines' drivers take one at a time in a transaction.
func apply(ctx context.Context, tx *Tx, m migration) error {
	for _, statement := range statements(m.text) {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO schema_migrations (name, sum, applied_at) VALUES ($1, $2, $3)`,
		m.name, m.sum, Micros(tx.Now()))
	return err
}

// statements splits a migration at semicolons that end a line. Migrations hold
// no triggers or functions, whose bodies would hold such lines too.
func statements(text string) []string {
	var all []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, "--")
		b.WriteString(code)
		if strings.HasSuffix(strings.TrimSpace(code), ";") {
			all = append(all, strings.TrimSpace(b.String()))
			b.Reset()
		}
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		all = append(all, rest)
	}
	return all
}

func appliedSums(ctx context.Context, tx *Tx) (map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT name, sum FROM schema_migrations`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	done := make(map[string]string)
	for rows.Next() {
		var name, sum string
		if err := rows.Scan(&name, &sum); err != nil {
			return nil, err
		}
		done[name] = sum
	}
	return done, rows.Err()
}

// Pending lists the migrations this version has and the database lacks.
func (db *DB) Pending(ctx context.Context) ([]string, error) {
	names, err := Migrations(db.kind)
	if err != nil {
		return nil, err
	}
	var done map[string]string
	err = db.Read(ctx, func(tx *Tx) error {
		there, err := tableExists(ctx, tx, "schema_migrations")
		if err != nil || !there {
			return err
		}
		done, err = appliedSums(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pending migrations: %w", err)
	}
	return slices.DeleteFunc(names, func(name string) bool { _, ok := done[name]; return ok }), nil
}

func tableExists(ctx context.Context, tx *Tx, name string) (bool, error) {
	query := `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1`
	if tx.kind == PostgreSQL {
		query = `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1`
	}
	var n int
	err := tx.QueryRow(ctx, query, name).Scan(&n)
	return n > 0, err
}

// MigrationsSum is a fingerprint of all migrations of an engine.
func MigrationsSum(kind Kind) (string, error) {
	all, err := readMigrations(kind)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, m := range all {
		fmt.Fprintln(sum, m.name, m.sum)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
