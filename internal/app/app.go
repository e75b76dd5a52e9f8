package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// Options are what a caller may replace.
type Options struct {
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Sender replaces SMTP, for the demo.
	Sender notify.Sender
	// Listener replaces listening on the configured address.
	Listener net.Listener
	// Extra adds handlers by pattern, for the demo.
	Extra map[string]http.Handler
}

// App is the product, built. Its rooms are open to the command line.
type App struct {
	Config     *config.Config
	DB         *store.DB
	Keys       *secret.Keyset
	Jobs       *jobs.Service
	Audit      *audit.Service
	Orgs       *org.Service
	Sessions   *session.Service
	Methods    *method.Service
	Accounts   *account.Service
	Messages   *notify.Service
	Challenges *challenge.Service
	Reset      *reset.Service

	log     *slog.Logger
	options Options
	server  http.Handler
	metrics *metrics
}

// Open opens the database and the keys and builds every room; nothing runs and
// nothing is migrated yet. Close it, or Run it.
func Open(ctx context.Context, c *config.Config, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	keys, err := secret.Open(c.Keyset)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, c.Database, store.Options{Now: o.Now})
	if err != nil {
		return nil, err
	}
	a := &App{Config: c, DB: db, Keys: keys, log: o.Log, options: o}
	if err := a.wire(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return a, nil
}

// Close lets go of the database.
func (a *App) Close() error { return a.DB.Close() }

// Migrate brings the database to this version and tells what it applied.
func Migrate(ctx context.Context, db *store.DB) ([]string, error) {
	applied, err := db.Migrate(ctx)
	if err != nil {
		return nil, err
	}
	return applied, jobs.Migrate(ctx, db)
}

// Current refuses a database that is not at this version.
func (a *App) Current(ctx context.Context) error {
	pending, err := a.DB.Pending(ctx)
	if err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("the database lacks %s; run: kunci migrate", strings.Join(pending, ", "))
	}
	return nil
}
