package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"modernc.org/sqlite"
)

// keptStatements is how many prepared statements one SQLite connection keeps. A
// walk through the whole product has about as many, and each holds a few kilobytes.
// longestKept leaves out texts that are written for one call.
const (
	keptStatements = 192
	longestKept    = 4096
)

// openStatements opens a handle whose connections keep their prepared statements:
// preparing was an eighth of the work of a reset. The cache belongs to the driver's
// connection, so that everyone who shares the handle, the job queue too, has it.
// (PostgreSQL's driver does the same by itself.)
func openStatements(dsn string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(keeping{c}), nil
}

type keeping struct{ driver.Connector }

// Connect opens a connection with an empty cache.
func (k keeping) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(sqliteConn)
	if !ok {
		return nil, errors.Join(errors.New("the SQLite driver has changed: its connection lacks a part"), raw.Close())
	}
	return &keepingConn{sqliteConn: conn, kept: make(map[string]*statement)}, nil
}

// sqliteConn is what database/sql uses of the driver's connection.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type sqliteStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// statement is a prepared one. It is busy while its rows are being read: who asks
// the same then is given a statement of their own.
type statement struct {
	sqliteStatement
	busy bool
	used uint64
}

// keepingConn keeps prepared statements by their text. database/sql lets one
// goroutine at a time use a connection.
type keepingConn struct {
	sqliteConn
	kept  map[string]*statement
	clock uint64
}

// ExecContext runs a statement that gives no rows.
func (c *keepingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, text, args)
	}
	result, err := s.ExecContext(ctx, args)
	if err != nil {
		c.drop(text)
	}
	return result, err
}

// QueryContext runs a statement that gives rows.
func (c *keepingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, text, args)
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		c.drop(text)
		return nil, err
	}
	s.busy = true
	return &keptRows{Rows: rows, of: s}, nil
}

// Close closes the statements, then the connection.
func (c *keepingConn) Close() error {
	for text := range c.kept {
		c.drop(text)
	}
	return c.sqliteConn.Close()
}

// prepared gives the statement of a text, or nil where it is not to be kept or is
// being read from.
func (c *keepingConn) prepared(ctx context.Context, text string) (*statement, error) {
	c.clock++
	if s, ok := c.kept[text]; ok {
		if s.busy {
			return nil, nil
		}
		s.used = c.clock
		return s, nil
	}
	if !worthKeeping(text) || len(c.kept) >= keptStatements && !c.makeRoom() {
		return nil, nil
	}
	raw, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	stmt, ok := raw.(sqliteStatement)
	if !ok {
		return nil, errors.Join(errors.New("the SQLite driver has changed: its statement lacks a part"), raw.Close())
	}
	s := &statement{sqliteStatement: stmt, used: c.clock}
	c.kept[text] = s
	return s, nil
}

// makeRoom closes the statement that was not used for longest and is not busy.
func (c *keepingConn) makeRoom() bool {
	oldest := ""
	for text, s := range c.kept {
		if !s.busy && (oldest == "" || s.used < c.kept[oldest].used) {
			oldest = text
		}
	}
	if oldest == "" {
		return false
	}
	c.drop(oldest)
	return true
}

// drop forgets a statement; one that failed is not trusted again.
func (c *keepingConn) drop(text string) {
	if s, ok := c.kept[text]; ok {
		delete(c.kept, text)
		_ = s.Close() // repeats the error of its last run, which was told
	}
}

// worthKeeping tells statements on rows from those that change the schema or a
// setting, which run once.
func worthKeeping(text string) bool {
	if len(text) > longestKept {
		return false
	}
	for {
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, "--") {
			break
		}
		_, text, _ = strings.Cut(text, "\n")
	}
	for _, verb := range []string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"} {
		if len(text) > len(verb) && strings.EqualFold(text[:len(verb)], verb) {
			return true
		}
	}
	return false
}

// keptRows give their statement back when they are closed.
type keptRows struct {
	driver.Rows
	of *statement
}

// Close resets the statement, so that it holds no lock.
func (r *keptRows) Close() error {
	err := r.Rows.Close()
	r.of.busy = false
	return err
}
