package jobs

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"kunci.dev/kunci/internal/store"
)

func newEngine(db *store.DB, config *river.Config) (engine, error) {
	if db.Kind() == store.PostgreSQL {
		client, err := river.NewClient(riverpgxv5.New(db.PGXPool()), config)
		if err != nil {
			return nil, err
		}
		return &queue[pgx.Tx]{client, (*store.Tx).PGXTx}, nil
	}
	client, err := river.NewClient(riversqlite.New(db.SQLDB()), config)
	if err != nil {
		return nil, err
	}
	return &queue[*sql.Tx]{client, (*store.Tx).SQLTx}, nil
}

// queue is River's client together with the way to its transaction in ours.
type queue[T any] struct {
	client *river.Client[T]
	raw    func(*store.Tx) T
}

func (c *queue[T]) insert(ctx context.Context, tx *store.Tx, args river.JobArgs, o *river.InsertOpts) error {
	_, err := c.client.InsertTx(ctx, c.raw(tx), args, o)
	return err
}

func (c *queue[T]) start(ctx context.Context) error { return c.client.Start(ctx) }

func (c *queue[T]) stop(ctx context.Context) error { return c.client.Stop(ctx) }

// Migrate brings the queue's own tables to this version. It may run beside
// another node's.
func Migrate(ctx context.Context, db *store.DB) error {
	up := func() error { return migrateUp(ctx, riversqlite.New(db.SQLDB())) }
	if db.Kind() == store.PostgreSQL {
		up = func() error { return migrateUp(ctx, riverpgxv5.New(db.PGXPool())) }
	}
	if err := locked(ctx, db, up); err != nil {
		return fmt.Errorf("migrating the job queue: %w", err)
	}
	return nil
}

func migrateUp[T any](ctx context.Context, driver riverdriver.Driver[T]) error {
	m, err := rivermigrate.New(driver, nil)
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// locked holds the lock of migrations around River's own, which has none. On
// SQLite there is one node, and River needs the only writing connection.
func locked(ctx context.Context, db *store.DB, up func() error) error {
	if db.Kind() == store.SQLite {
		return up()
	}
	return db.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "jobs.migrate"); err != nil {
			return err
		}
		return up()
	})
}

// Pending counts the migrations of the queue's own tables that a database lacks.
func Pending(ctx context.Context, db *store.DB) (int, error) {
	var n int
	var err error
	if db.Kind() == store.PostgreSQL {
		n, err = pending(ctx, riverpgxv5.New(db.PGXPool()))
	} else {
		n, err = pending(ctx, riversqlite.New(db.SQLDB()))
	}
	if err != nil {
		return 0, fmt.Errorf("the job queue's tables cannot be read: %w", err)
	}
	return n, nil
}

func pending[T any](ctx context.Context, driver riverdriver.Driver[T]) (int, error) {
	m, err := rivermigrate.New(driver, nil)
	if err != nil {
		return 0, err
	}
	there, err := m.ExistingVersions(ctx)
	return len(m.AllVersions()) - len(there), err
}

// SchemaVersion is the number of the newest migration of the queue's tables.
func SchemaVersion() int {
	m, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return 0
	}
	all := m.AllVersions()
	return all[len(all)-1].Version
}
