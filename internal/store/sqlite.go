package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
)

// readers bounds the reading connections of SQLite: enough for the cores of a
// small machine, few enough that their page caches stay small.
const readers = 4

func (db *DB) openSQLite(ctx context.Context, path string, existing bool) error {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return fmt.Errorf(`the database "sqlite:%s" names no file`, path)
	}
	if _, err := os.Stat(path); existing && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err := private(path); err != nil {
		return fmt.Errorf("the database file cannot be made: %w", err)
	}
	var err error
	if db.writer, err = openStatements(dsn(path, "_txlock=immediate")); err != nil {
		return err
	}
	db.writer.SetMaxOpenConns(1) // SQLite has one writer; waiting in Go is cheaper than SQLITE_BUSY
	if err := db.writer.PingContext(ctx); err != nil {
		return errors.Join(fmt.Errorf("the database %s does not open: %w", path, err), db.writer.Close())
	}
	if db.reader, err = openStatements(dsn(path, "_pragma=query_only(1)")); err != nil {
		return errors.Join(err, db.writer.Close())
	}
	db.reader.SetMaxOpenConns(readers)
	db.reader.SetMaxIdleConns(readers)
	return nil
}

// private makes the file for its owner alone where there is none yet: it holds
// sealed values and hashes. SQLite gives its -wal and -shm the same mode. A
// file that is there is not opened here, because closing it would drop the
// locks that this process may hold on it (POSIX fcntl locks).
func private(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

func dsn(path, extra string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=temp_store(2)&_pragma=secure_delete(1)&" + extra
}
