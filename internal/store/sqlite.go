package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
)

// readers bounds the reading connections of SQLite: enough for the cores of a
// small machine, few enough that their page caches stay small.
const readers = 4

func (db *DB) openSQLite(ctx context.Context, path string) error {
	if path == "" {
		return fmt.Errorf(`the database "sqlite:" names no file`)
	}
	// The file holds sealed values and hashes: nobody else on the machine reads it.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the database file cannot be opened: %w", err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	if db.writer, err = sql.Open("sqlite", dsn(path, "_txlock=immediate")); err != nil {
		return err
	}
	db.writer.SetMaxOpenConns(1) // SQLite has one writer; waiting in Go is cheaper than SQLITE_BUSY
	if err := db.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("the database %s does not open: %w", path, err)
	}
	if db.reader, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		return err
	}
	db.reader.SetMaxOpenConns(readers)
	db.reader.SetMaxIdleConns(readers)
	return nil
}

func dsn(path, extra string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=temp_store(2)&" + extra
}
