package kuncitest

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/domain/domaintest"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// Product is the whole product, running.
type Product struct {
	URL   string
	App   *app.App
	Clock *storetest.Clock
	Mail  *notifytest.Server
	// Phones takes texts and calls; nil where Options.Phones is.
	Phones *notifytest.Gateway
	// Push is where a browser's notifications go; nil where Options.Push is false.
	Push   *notifytest.PushService
	Logged *Log
	// Answered is every answer that Browser's browsers got, headers and bodies.
	Answered *Log

	t    testing.TB
	stop func()
}

// Stop ends the product as SIGTERM would; its database stays open.
func (p *Product) Stop() { p.stop() }

// Options say what is started.
type Options struct {
	// Kind is the database; empty means SQLite.
	Kind store.Kind
	// Organization and Accounts are files; empty ones are Contoso and its five people.
	Organization, Accounts string
	// Sender replaces the mail server, for measuring.
	Sender notify.Sender
	// WallClock leaves the clock alone: for browsers, which have their own.
	WallClock bool
	// Localhost makes the public address a name, which passkeys need.
	Localhost bool
	// Mail says how the mail server behaves.
	Mail notifytest.Options
	// Trace is told every statement; it may be nil.
	Trace func(ctx context.Context, statement string)
	// Hash are the costs of a password's hash. Zero are the least that there are:
	// what a hash costs is promised by package password, and shown where a test
	// or a bench asks for password.DefaultParams.
	Hash password.Params
	// Terse logs what a node logs, instead of each request: for measuring.
	Terse bool
	// Settings changes the node's configuration; it may be nil.
	Settings func(*config.Config)
	// Phones says how the gateway for texts and calls behaves; nil: there is none.
	Phones *notifytest.GatewayOptions
	// DNS is what the product asks; nil: the machine's own.
	DNS *domaintest.DNS
	// Push starts a push service, and lets the product reach it.
	Push bool
	// Twilio has texts and calls go through Twilio's API instead of plain requests.
	Twilio bool
}

// Contoso is an organization of its own, with the default policy.
const Contoso = `
organization: contoso
name: Contoso
domains: [contoso.com]
language: id
support: {email: helpdesk@contoso.example}
administrators: [{user_id: adele@contoso.com, role: owner}]
policy:
  reset: {exclude_groups: [contractors]}
`

// People are one for each situation.
const People = `user_id,display_name,password,groups,email,password_source
alain@contoso.com,Alain Dupont,teapot harbour violin,staff,alain@example.net,managed
citra@contoso.com,Citra Lestari,teapot harbour violin,staff,,managed
eko@contoso.com,Eko Prasetyo,teapot harbour violin,contractors,eko@example.net,managed
fitri@contoso.com,Fitri Handayani,,staff,fitri@example.net,external
hana@contoso.com,Hana Wijaya,,staff,hana@example.net,managed
adele@contoso.com,Adele Vance,teapot harbour violin,staff,adele@example.net,managed
`

// OldPassword is what the people of People have.
const OldPassword = "teapot harbour violin"

// Start runs the product on a free port until the test ends. The clock stands
// at a fixed time until the test moves it.
func Start(t testing.TB, o Options) *Product {
	t.Helper()
	if o.Kind == "" {
		o.Kind = store.SQLite
	}
	if o.Organization == "" {
		o.Organization, o.Accounts = Contoso, People
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Product{t: t, Clock: storetest.NewClock(), Mail: notifytest.Start(t, o.Mail), Logged: &Log{}, Answered: &Log{}, URL: "http://" + listener.Addr().String()}
	if o.Localhost {
		p.URL = strings.Replace(p.URL, "127.0.0.1", "localhost", 1)
	}
	now := p.Clock.Now
	if o.WallClock {
		now = time.Now
	}
	settings := p.settings(t, storetest.URL(t, o.Kind))
	if o.Settings != nil {
		o.Settings(settings)
	}
	if o.Phones != nil {
		p.Phones = notifytest.StartGateway(t, *o.Phones)
		settings.SMS, settings.Voice = phones(p.Phones.URL, o.Twilio)
	}
	var pushClient *http.Client
	if o.Push {
		p.Push = notifytest.StartPushService(t)
		pushClient = p.Push.Client
	}
	var resolver domain.Resolver
	if o.DNS != nil {
		resolver = o.DNS.Resolver()
	}
	if o.Hash == (password.Params{}) {
		o.Hash = password.Params{Memory: 64, Time: 1, Threads: 1}
	}
	level := slog.LevelDebug
	if o.Terse {
		level = slog.LevelInfo
	}
	ready := make(chan struct{})
	p.App, err = app.New(t.Context(), settings, app.Options{
		Ready:  func(string) { close(ready) },
		Sender: o.Sender, Hash: o.Hash, Trace: o.Trace, PushClient: pushClient, Resolver: resolver,
		Log: slog.New(slog.NewTextHandler(p.Logged, &slog.HandlerOptions{Level: level})), Now: now, Listener: listener,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.seed(o)
	p.run(ready)
	return p
}

func (p *Product) settings(t testing.TB, database string) *config.Config {
	t.Helper()
	c := config.Defaults()
	c.PublicURL, c.Database, c.Keyset = p.URL, database, filepath.Join(t.TempDir(), "kunci.keyset")
	mail := p.Mail.Config()
	c.SMTP = config.SMTP{Host: mail.Host, Port: mail.Port, TLS: mail.TLS, Username: mail.Username, Password: mail.Password, From: mail.From, CAFile: mail.CAFile}
	if err := secrettest.NewTestKeyset(t).Write(c.Keyset); err != nil {
		t.Fatal(err)
	}
	return &c
}

func (p *Product) seed(o Options) {
	p.t.Helper()
	p.Apply(o.Organization)
	p.Import("contoso", o.Accounts)
}

// Import reads an account file, CSV or NDJSON, into an organization.
func (p *Product) Import(slug, file string) {
	p.t.Helper()
	o, err := p.App.Organization(p.t.Context(), slug)
	if err != nil {
		p.t.Fatal(err)
	}
	format := account.CSV
	if strings.HasPrefix(strings.TrimSpace(file), "{") {
		format = account.NDJSON
	}
	report, err := p.App.Accounts.Import(p.t.Context(), o, audit.Actor{Kind: audit.System}, strings.NewReader(file), format, account.ImportOptions{})
	if err != nil || report.BadTotal > 0 {
		p.t.Fatalf("importing people: %+v, %v", report, err)
	}
}

// Apply makes the organization what a file says.
func (p *Product) Apply(file string) {
	p.t.Helper()
	documents, err := org.Parse(strings.NewReader(file), "")
	if err != nil {
		p.t.Fatal(err)
	}
	err = p.App.DB.Write(p.t.Context(), func(tx *store.Tx) error {
		for _, d := range documents {
			if _, err := p.App.Orgs.Apply(p.t.Context(), tx, audit.Actor{Kind: audit.System}, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// Organization is Contoso as it is stored now.
func (p *Product) Organization() *org.Organization {
	p.t.Helper()
	var o *org.Organization
	err := p.App.DB.Read(p.t.Context(), func(tx *store.Tx) (err error) {
		o, err = p.App.Orgs.BySlug(p.t.Context(), tx, "contoso")
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return o
}

func (p *Product) run(ready <-chan struct{}) {
	ctx, stop := context.WithCancel(context.WithoutCancel(p.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.App.Run(ctx) }()
	select {
	case <-ready:
	case err := <-ended:
		stop()
		p.t.Fatalf("the product does not start: %v", err)
	}
	p.stop = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			p.t.Errorf("the product did not stop cleanly: %v", err)
		}
	})
	p.t.Cleanup(func() {
		p.stop()
		if err := p.App.Close(); err != nil {
			p.t.Errorf("closing: %v", err)
		}
		for line := range strings.Lines(p.Logged.String()) {
			if strings.Contains(line, audit.Unlisted) {
				p.t.Errorf("audit.Reasons: %s", line)
			}
		}
	})
}

// Browser is a fresh browser without scripts, in Indonesian.
func (p *Product) Browser() *Browser {
	b := NewBrowser(p.t, p.URL)
	b.Header.Set("Accept-Language", "id")
	b.heard = p.Answered
	return b
}

// Events is everything recorded, the newest first.
func (p *Product) Events() []audit.Record {
	p.t.Helper()
	var all []audit.Record
	err := p.App.DB.Read(p.t.Context(), func(tx *store.Tx) (err error) {
		all, err = p.App.Audit.List(p.t.Context(), tx, audit.Query{Limit: 1000})
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// Has tells whether an event of a kind was recorded.
func (p *Product) Has(kind audit.Kind) bool {
	p.t.Helper()
	for _, e := range p.Events() {
		if e.Kind == kind {
			return true
		}
	}
	return false
}

var codeInMail = regexp.MustCompile(`\b\d{8}\b`)

// Code waits until n mails have arrived and gives the code of the last one.
func (p *Product) Code(n int) string {
	p.t.Helper()
	mails := p.Mail.Wait(p.t, n)
	code := codeInMail.FindString(mails[n-1].Parse(p.t).Text)
	if code == "" {
		p.t.Fatalf("mail %d holds no code:\n%s", n, mails[n-1].Raw)
	}
	return code
}

// Log keeps what the product logs. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends a line.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// String is everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
