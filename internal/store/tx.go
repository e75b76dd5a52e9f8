package store

import (
	"context"
	"database/sql"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Tx is one open transaction. It belongs to one goroutine. After a failed
// statement return the error: PostgreSQL refuses everything that follows.
type Tx struct {
	kind   Kind
	sqlite *sql.Tx
	pg     pgx.Tx
	now    time.Time
	after  []func()
	trace  func(ctx context.Context, statement string)
}

func (tx *Tx) traced(ctx context.Context, statement string) {
	if tx.trace != nil {
		tx.trace(ctx, statement)
	}
}

// Now is the instant of the transaction: the same at every call.
func (tx *Tx) Now() time.Time { return tx.now }

// Kind tells which engine this is.
func (tx *Tx) Kind() Kind { return tx.kind }

// AfterCommit runs fn once the transaction is committed and its connection is
// free; never when it is not. Several run in order.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// SQLTx is the transaction underneath on SQLite, nil elsewhere. For the job queue alone.
func (tx *Tx) SQLTx() *sql.Tx { return tx.sqlite }

// PGXTx is the transaction underneath on PostgreSQL, nil elsewhere. For the job queue alone.
func (tx *Tx) PGXTx() pgx.Tx { return tx.pg }

// Exec runs a statement and tells how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	tx.traced(ctx, statement)
	if tx.pg != nil {
		tag, err := tx.pg.Exec(ctx, statement, args...)
		return tag.RowsAffected(), err
	}
	result, err := tx.sqlite.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query runs a statement that gives rows. Close them, or read them to the end.
func (tx *Tx) Query(ctx context.Context, statement string, args ...any) (*Rows, error) {
	tx.traced(ctx, statement)
	if tx.pg != nil {
		rows, err := tx.pg.Query(ctx, statement, args...)
		if err != nil {
			return nil, err
		}
		return &Rows{pg: rows}, nil
	}
	rows, err := tx.sqlite.QueryContext(ctx, statement, args...) //nolint:rowserrcheck // the caller asks Rows.Err
	if err != nil {
		return nil, err
	}
	return &Rows{sqlite: rows}, nil
}

// QueryRow runs a statement that gives at most one row.
func (tx *Tx) QueryRow(ctx context.Context, statement string, args ...any) *Row {
	tx.traced(ctx, statement)
	if tx.pg != nil {
		return &Row{pg: tx.pg.QueryRow(ctx, statement, args...)}
	}
	return &Row{sqlite: tx.sqlite.QueryRowContext(ctx, statement, args...)}
}

// Lock waits until no other transaction holds the key, and holds it to the end
// of this one. On SQLite a writing transaction is alone already.
func (tx *Tx) Lock(ctx context.Context, key string) error {
	if tx.pg == nil {
		return nil
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(key)) // a hash never fails
	_, err := tx.pg.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(sum.Sum64()))
	return err
}

// Scanner is a row whose columns can be read: a Row, or Rows at one of theirs.
type Scanner interface{ Scan(targets ...any) error }

// Select asks for rows and reads all of them, each by scan, in the order in which they
// come; none is no error. What may be more than memory should hold is read by Query.
func Select[T any](ctx context.Context, tx *Tx, scan func(Scanner) (T, error), statement string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Value reads a row of one column.
func Value[T any](row Scanner) (value T, err error) {
	err = row.Scan(&value)
	return value, err
}

// In is "IN ($2, $3, …)" over values whose marks come after those of args, and all
// arguments together. Without values it holds for nothing.
func In(values []string, args ...any) (string, []any) {
	marks := make([]string, len(values))
	for i, value := range values {
		args = append(args, value)
		marks[i] = "$" + strconv.Itoa(len(args))
	}
	if len(marks) == 0 {
		return "IN (NULL)", args
	}
	return "IN (" + strings.Join(marks, ", ") + ")", args
}

// Row is the answer of QueryRow.
type Row struct {
	sqlite *sql.Row
	pg     pgx.Row
}

// Scan reads the row's columns; ErrNoRows when there is none.
func (r *Row) Scan(targets ...any) error {
	if r.pg == nil {
		return r.sqlite.Scan(targets...)
	}
	err := r.pg.Scan(targets...)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoRows
	}
	return err
}

// Rows is the answer of Query.
type Rows struct {
	sqlite *sql.Rows
	pg     pgx.Rows
}

// Next goes to the next row and tells whether there is one.
func (r *Rows) Next() bool {
	if r.pg != nil {
		return r.pg.Next()
	}
	return r.sqlite.Next()
}

// Scan reads the columns of the row.
func (r *Rows) Scan(targets ...any) error {
	if r.pg != nil {
		return r.pg.Scan(targets...)
	}
	return r.sqlite.Scan(targets...)
}

// Err is what ended the rows early, nil when nothing did.
func (r *Rows) Err() error {
	if r.pg != nil {
		return r.pg.Err()
	}
	return r.sqlite.Err()
}

// Close gives the connection free for the next statement.
func (r *Rows) Close() {
	if r.pg != nil {
		r.pg.Close()
		return
	}
	_ = r.sqlite.Close() // what it would say, Err has said
}
