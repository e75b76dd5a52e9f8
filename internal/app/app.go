package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/api"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/token"
)

// Options are what a caller may replace or add.
type Options struct {
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Sender takes the messages; nil means the mail server of the configuration.
	Sender notify.Sender
	// Texts and Calls take the messages for phones; nil means the gateways of the configuration.
	Texts, Calls notify.PhoneSender
	// Listener is served instead of the configuration's address.
	Listener net.Listener
	// Pages answers /demo and everything below it; nil: there is no such page.
	Pages http.Handler
	// Ready is told the address once requests are answered; it may be nil.
	Ready func(address string)
}

// App is a node: its rooms, built and not yet serving.
type App struct {
	Config *config.Config
	Log    *slog.Logger

	DB           *store.DB
	Keys         *secret.Keyset
	Audit        *audit.Service
	Jobs         *jobs.Service
	Notify       *notify.Service
	Orgs         *org.Service
	Methods      *method.Service
	Accounts     *account.Service
	Sessions     *session.Service
	Challenges   *challenge.Service
	Helpdesk     *helpdesk.Service
	Tokens       *token.Service
	Reset        *reset.Service
	SignIn       *signin.Service
	Report       *report.Service
	Admin        *admin.Service
	API          *api.API
	Captcha      *captcha.Service
	SecurityInfo *securityinfo.Service

	// Handler answers every page of the product, without health and metrics.
	Handler http.Handler

	options Options
	sender  notify.Sender
	texts   notify.PhoneSender
	calls   notify.PhoneSender
	ldap    *ldap.Service
	ready   atomic.Bool // requests are answered
}

// New opens the keys and the database and builds every room. Nothing is
// served or worked yet. A database of another version is refused. Close the
// App when it is done with.
func New(ctx context.Context, c *config.Config, o Options) (*App, error) {
	if c == nil || o.Log == nil {
		return nil, errors.New("app: a configuration and a log are needed")
	}
	keys, err := secret.Open(c.Keyset)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, c.Database, store.Options{Now: o.Now})
	if err != nil {
		return nil, fmt.Errorf("the database cannot be opened: %w", err)
	}
	a := &App{Config: c, Log: o.Log, DB: db, Keys: keys, options: o}
	if err := a.upToDate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := a.wire(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := a.belong(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return a, nil
}

// upToDate refuses a database that lacks migrations: which of several nodes
// changes it, and when, is the operator's decision.
func (a *App) upToDate(ctx context.Context) error {
	pending, err := a.DB.Pending(ctx)
	if err != nil {
		return fmt.Errorf("the database cannot be read: %w", err)
	}
	if len(pending) > 0 {
		return fmt.Errorf("the database is older than this program (%d changes to make); run: kunci migrate%s",
			len(pending), configFlag(a.Config))
	}
	return nil
}

// configFlag is how a command that is named in a message finds this configuration.
func configFlag(c *config.Config) string {
	if c.File() == "" {
		return ""
	}
	return " --config " + c.File()
}

// Close closes the directories' connections and the database. Run has to be over.
func (a *App) Close() error {
	a.ldap.Close()
	return a.DB.Close()
}
