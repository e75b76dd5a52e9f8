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
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/feedback"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/idempotency"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/privacy"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/stream"
	"kunci.dev/kunci/internal/token"
	"kunci.dev/kunci/internal/webhook"
)

// Options are what a caller may replace or add.
type Options struct {
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Trace is told every statement before it runs; see store.Options.
	Trace func(ctx context.Context, statement string)
	// Sender takes the messages; nil means the mail server of the configuration.
	Sender notify.Sender
	// Hash are the costs of a password's hash, and of the slow hashes of codes;
	// zero means password.DefaultParams.
	Hash password.Params
	// Texts and Calls take the messages for phones; nil means the gateways of the configuration.
	Texts, Calls notify.PhoneSender
	// Resolver asks the DNS; nil is the machine's own.
	Resolver domain.Resolver
	// PushClient speaks to push services; nil is one that reaches public hosts alone.
	PushClient *http.Client
	// Listener is served instead of the configuration's address.
	Listener net.Listener
	// Pages answers /demo and everything below it; nil: there is no such page.
	Pages http.Handler
	// Ready is told the address once requests are answered; it may be nil.
	Ready func(address string)
}

// clock is Now, or time.Now where there is none.
func (o Options) clock() func() time.Time {
	if o.Now != nil {
		return o.Now
	}
	return time.Now
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
	Pushes       *notify.Pushes
	Orgs         *org.Service
	Domains      *domain.Service
	Methods      *method.Service
	Accounts     *account.Service
	Sessions     *session.Service
	Challenges   *challenge.Service
	Helpdesk     *helpdesk.Service
	Feedback     *feedback.Service
	Idempotency  *idempotency.Service
	Tokens       *token.Service
	Reset        *reset.Service
	Provider     *provider.Service
	SignIn       *signin.Service
	Report       *report.Service
	Roster       *roster.Service
	Webhooks     *webhook.Service
	Streams      *stream.Service
	Privacy      *privacy.Service
	Admin        *admin.Service
	API          *api.API
	Captcha      *captcha.Service
	SecurityInfo *securityinfo.Service
	// Breached is the filter of breached passwords; nil when there is none.
	Breached password.BreachFilter

	// Handler answers every page of the product, without health and metrics.
	Handler http.Handler

	options Options
	sender  notify.Sender
	texts   notify.PhoneSender
	calls   notify.PhoneSender
	ldap    *ldap.Service
	tidy    *tidy
	ready   atomic.Bool    // requests are answered
	closers []func() error // what was opened beside the database
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
	db, err := store.Open(ctx, c.Database, store.Options{Now: o.Now, Trace: o.Trace, Existing: true})
	if errors.Is(err, store.ErrMissing) {
		return nil, fmt.Errorf("%w; run: kunci migrate%s", err, configFlag(c))
	}
	if err != nil {
		return nil, fmt.Errorf("the database cannot be opened: %w", err)
	}
	a := &App{Config: c, Log: o.Log, DB: db, Keys: keys, options: o, tidy: newTidy()}
	if err := a.upToDate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := a.wire(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if err := a.belong(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// upToDate refuses a database that lacks migrations: which of several nodes
// changes it, and when, is the operator's decision.
func (a *App) upToDate(ctx context.Context) error {
	pending, err := pendingOf(ctx, a.DB)
	if err != nil {
		return fmt.Errorf("the database cannot be read: %w", err)
	}
	if pending > 0 {
		return fmt.Errorf("the database is older than this program (%d changes to make); run: kunci migrate%s",
			pending, configFlag(a.Config))
	}
	return nil
}

// pendingOf counts the changes that a database lacks, the queue's own included:
// a new version may bring nothing but a newer queue.
func pendingOf(ctx context.Context, db *store.DB) (int, error) {
	ours, err := db.Pending(ctx)
	if err != nil {
		return 0, err
	}
	queue, err := jobs.Pending(ctx, db)
	return len(ours) + queue, err
}

// configFlag is how a command that is named in a message finds this configuration.
func configFlag(c *config.Config) string {
	if c.File() == "" {
		return ""
	}
	return " --config " + c.File()
}

// Close closes the directories' connections, the database and what else was
// opened. Run has to be over.
func (a *App) Close() error {
	if a.Roster != nil {
		a.Roster.Close()
	}
	if a.ldap != nil {
		a.ldap.Close()
	}
	all := []error{a.DB.Close()}
	for _, closing := range a.closers {
		all = append(all, closing())
	}
	return errors.Join(all...)
}
