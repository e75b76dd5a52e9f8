package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"kunci.dev/kunci/internal/problem"
)

// Kind names a database engine.
type Kind string

// The engines.
const (
	SQLite     Kind = "sqlite"
	PostgreSQL Kind = "postgres"
)

// ErrMissing says that a SQLite file is not there.
var ErrMissing = errors.New("the database file is not there")

// ErrNoRows is what Row.Scan returns when nothing was found.
var ErrNoRows = sql.ErrNoRows

// Options are what a caller may choose about an open database.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Existing refuses a SQLite file that is not there instead of making one.
	Existing bool
	// Trace is told every statement before it runs; nil tells nobody. Arguments
	// are not told: they may be secret.
	Trace func(ctx context.Context, statement string)
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	kind   Kind
	now    func() time.Time
	trace  func(ctx context.Context, statement string)
	writer *sql.DB       // SQLite: one connection
	reader *sql.DB       // SQLite: query_only connections
	pool   *pgxpool.Pool // PostgreSQL
}

// Open opens "sqlite:PATH" or "postgres://user@host/name". A SQLite file is
// made with mode 0600 when it is not there yet. Nothing is migrated.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	db := &DB{now: now, trace: o.Trace}
	var err error
	switch {
	case strings.HasPrefix(url, "sqlite:"):
		db.kind = SQLite
		err = db.openSQLite(ctx, strings.TrimPrefix(url, "sqlite:"), o.Existing)
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		db.kind = PostgreSQL
		err = db.openPostgres(ctx, url)
	default:
		return nil, errors.New(`the database must be "sqlite:PATH" or "postgres://user@host/name"`)
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// Close waits for nothing: transactions still open fail.
func (db *DB) Close() error {
	if db.pool != nil {
		db.pool.Close()
		return nil
	}
	return errors.Join(db.reader.Close(), db.writer.Close())
}

// Kind tells which engine this is.
func (db *DB) Kind() Kind { return db.kind }

// Now is the clock's time in UTC, to the microsecond.
func (db *DB) Now() time.Time { return db.now().UTC().Truncate(time.Microsecond) }

// Ping fails when the database does not answer.
func (db *DB) Ping(ctx context.Context) error {
	if db.pool != nil {
		return db.pool.Ping(ctx)
	}
	return db.reader.PingContext(ctx)
}

// Scrub has deleted rows leave the disk as far as that can be asked for: SQLite
// overwrites them as they go, and its write-ahead log is emptied here. It waits for
// nobody: what readers still need goes with the next one. PostgreSQL keeps them
// until its vacuum.
func (db *DB) Scrub(ctx context.Context) error {
	if db.kind != SQLite {
		return nil
	}
	if _, err := db.writer.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		return fmt.Errorf("emptying the write-ahead log: %w", err)
	}
	return nil
}

// SQLDB is the writer's handle on SQLite, for the job queue alone.
func (db *DB) SQLDB() *sql.DB { return db.writer }

// PGXPool is the pool on PostgreSQL, for the job queue alone.
func (db *DB) PGXPool() *pgxpool.Pool { return db.pool }

// tries bounds how often a transaction that lost a conflict is run again.
const tries = 6

// Write runs fn in a transaction that may change things: committed when fn
// returns nil, rolled back otherwise. A transaction that lost against another
// (serialization, deadlock, busy) is run again a few times. A Write does not
// go inside another: on SQLite there is one writer.
func (db *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	for try := 1; ; try++ {
		err := db.write(ctx, fn)
		if err == nil || try == tries || !conflict(err) {
			return err
		}
		pause := jitter(10 << try)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (db *DB) write(ctx context.Context, fn func(tx *Tx) error) error {
	if db.kind == PostgreSQL {
		return committed(db.inPostgres(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, fn))
	}
	return committed(db.inSQLite(ctx, db.writer, nil, fn))
}

// Read runs fn in a transaction in which every change is refused, and which
// sees one state of the database from its first statement to its last.
func (db *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	if db.kind == PostgreSQL {
		return committed(db.inPostgres(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn))
	}
	return committed(db.inSQLite(ctx, db.reader, &sql.TxOptions{ReadOnly: true}, fn))
}

// committed runs what waits for the commit. The connection is free again by
// then, so that it may open a transaction of its own.
func committed(tx *Tx, err error) error {
	if err != nil {
		return err
	}
	for _, fn := range tx.after {
		fn()
	}
	return nil
}

func (db *DB) inSQLite(ctx context.Context, on *sql.DB, o *sql.TxOptions, fn func(tx *Tx) error) (*Tx, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := on.Conn(waiting)
	if err != nil {
		return nil, busy(ctx, err)
	}
	defer func() { _ = conn.Close() }() // gives it back; a broken one has failed the transaction already
	raw, err := conn.BeginTx(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	tx := &Tx{kind: SQLite, sqlite: raw, now: db.Now(), trace: db.trace}
	defer func() { _ = raw.Rollback() }() // after a commit this does nothing
	if err := fn(tx); err != nil {
		return nil, err
	}
	if err := raw.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return tx, nil
}

func (db *DB) inPostgres(ctx context.Context, o pgx.TxOptions, fn func(tx *Tx) error) (*Tx, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := db.pool.Acquire(waiting)
	if err != nil {
		return nil, busy(ctx, err)
	}
	defer conn.Release()
	raw, err := conn.BeginTx(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	tx := &Tx{kind: PostgreSQL, pg: raw, now: db.Now(), trace: db.trace}
	// A rollback must reach the server although the request was given up.
	defer func() { _ = raw.Rollback(context.WithoutCancel(ctx)) }()
	if err := fn(tx); err != nil {
		return nil, err
	}
	if err := raw.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return tx, nil
}

// patience bounds the wait for a free connection. It is longer than any step
// takes; who waits longer meets an overloaded node, or has opened a Write
// inside a Write, which would wait for itself for ever.
const patience = 15 * time.Second

// busy is what a transaction that got no connection in time ends with; a
// caller who gave up hears of that instead.
func busy(ctx context.Context, err error) error {
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no connection to the database: %w", err)
	}
	refusal := problem.New(problem.Busy).After(time.Second)
	refusal.Cause = fmt.Errorf("no connection to the database became free in %v: %w", patience, err)
	return refusal
}

// conflict tells whether running the transaction again can help.
func conflict(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization_failure, deadlock_detected
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	return false
}

// NewID makes an identifier for a row: a version 7 UUID, ordered by time. It
// tells when it was made, so it is never a secret.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// NewToken makes 130 bits of random text for anything that must not be guessed.
func NewToken() string { return rand.Text() }

// Micros is a time as it is kept: microseconds since 1970, UTC; the zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the opposite of Micros.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// jitter is between one millisecond and the given number of them, so that two
// transactions that collided do not collide again in step.
func jitter(most int64) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(most))
	if err != nil {
		return time.Millisecond
	}
	return time.Duration(1+n.Int64()) * time.Millisecond
}
