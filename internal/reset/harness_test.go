package reset_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"

	"log/slog"
)

var (
	by   = audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.1"}
	good = "sembilan gajah menari pelan"
)

// people is a directory in memory that can fail.
type people struct {
	mu      sync.Mutex
	entries map[string]directory.Entry
	pw      map[string]string
	writes  int
	fault   error
	after   bool // the fault comes after the write was done
	unlocks int
	// asked is called before a password is written; it may be nil.
	asked func(ctx context.Context, key string)
	begun time.Time // of the attempt before, as the last write was told
}

// deedKey is where a test keeps, in the context, what is being done.
type deedKey struct{}

func (p *people) LookUp(_ context.Context, userID string) (directory.Entry, error) {
	return p.Get(context.Background(), "key-"+userID)
}

func (p *people) Get(_ context.Context, key string) (directory.Entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.entries[key]
	if !ok {
		return directory.Entry{}, directory.ErrNotFound
	}
	return e, nil
}

func (p *people) CheckPassword(context.Context, string, string) (directory.CheckResult, error) {
	return directory.Wrong, nil
}

func (p *people) SetPassword(ctx context.Context, key, pw string, o directory.SetOptions) error {
	if p.asked != nil {
		p.asked(ctx, key)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = o.Begun
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.fault != nil && !p.after {
		return p.fault
	}
	p.pw[key] = pw
	p.writes++
	return p.fault
}

func (p *people) ChangePassword(context.Context, string, string, string, directory.ChangeOptions) error {
	return directory.ErrRights
}

func (p *people) Unlock(context.Context, string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unlocks++
	return p.fault
}

func (p *people) Capabilities() directory.Capabilities {
	return directory.Capabilities{SetPassword: true, Change: true, Unlock: true}
}

func (p *people) add(userID string, change func(*directory.Entry)) {
	e := directory.Entry{Key: "key-" + userID, UserID: userID, DisplayName: userID, HasPassword: true, Source: directory.Managed}
	if change != nil {
		change(&e)
	}
	p.entries[e.Key] = e
}

type outbox struct {
	mu   sync.Mutex
	sent []notify.Message
	by   []any // what was being done when the message was queued
}

func (o *outbox) Queue(ctx context.Context, _ *store.Tx, m notify.Message) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent, o.by = append(o.sent, m), append(o.by, ctx.Value(deedKey{}))
	return m.Key, nil
}

func (o *outbox) lastCode() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.sent) - 1; i >= 0; i-- {
		if c, ok := o.sent[i].Body.(notify.Code); ok {
			return c.Code
		}
	}
	return ""
}

func (o *outbox) disputeLink() string {
	for _, m := range o.sent {
		if n, ok := m.Body.(notify.PasswordNotice); ok {
			return n.DisputeURL
		}
	}
	return ""
}

// sessions counts how often all sessions of an account were ended.
type sessions struct{ ended int }

func (s *sessions) EndAll(context.Context, *store.Tx, audit.Actor, string, string) error {
	s.ended++
	return nil
}

type noMail struct{}

func (noMail) Send(context.Context, notify.Mail) error { return nil }

type world struct {
	db       *store.DB
	clock    *storetest.Clock
	orgs     *org.Service
	org      *org.Organization
	audit    *audit.Service
	methods  *method.Service
	accounts *account.Service
	s        *reset.Service
	people   *people
	out      *outbox
	sessions *sessions
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, db *store.DB, clock *storetest.Clock, change ...func(*org.Document)) *world {
	t.Helper()
	keys := secrettest.NewTestKeyset(t)
	w := &world{
		db: db, clock: clock, audit: audittest.New(t, db), out: &outbox{}, sessions: &sessions{},
		people: &people{entries: map[string]directory.Entry{}, pw: map[string]string{}},
	}
	w.org, w.orgs = orgtest.Contoso(t, db, w.audit, change...)
	var err error
	w.methods, err = method.New(method.Deps{Keys: keys, HashMemory: 64})
	must(t, err)
	w.accounts, err = account.New(account.Deps{DB: db, Methods: w.methods, Audit: w.audit,
		Directories: func(*org.Organization) (directory.Directory, error) { return w.people, nil }})
	must(t, err)
	challenges, err := challenge.New(challenge.Deps{Keys: keys, Methods: w.methods, Audit: w.audit, Messages: w.out})
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	queue, err := jobs.New(jobs.Deps{DB: db, Log: log, Workers: 1})
	must(t, err)
	must(t, jobs.Migrate(t.Context(), db))
	letters, err := notify.New(notify.Deps{DB: db, Jobs: queue, Keys: keys, Sender: noMail{}, Log: log, PublicURL: "https://kunci.test"})
	must(t, err)
	signedIn, err := session.New(session.Deps{Keys: keys, Audit: w.audit})
	must(t, err)
	desk, err := helpdesk.New(helpdesk.Deps{DB: db, Keys: keys, Methods: w.methods, Audit: w.audit, Notify: letters, Sessions: signedIn})
	must(t, err)
	w.s, err = reset.New(reset.Deps{DB: db, Keys: keys, Orgs: w.orgs, Accounts: w.accounts, Methods: w.methods, Challenges: challenges,
		Helpdesk: desk, Audit: w.audit, Messages: w.out, Sessions: w.sessions, PublicURL: "https://kunci.test"})
	must(t, err)
	w.people.add("alain@contoso.com", nil)
	return w
}

func (w *world) account(t testing.TB, userID string) account.Account {
	t.Helper()
	a, err := w.accounts.Find(t.Context(), w.org, userID)
	must(t, err)
	return a
}

func (w *world) add(t testing.TB, userID string, m method.Method) method.Method {
	t.Helper()
	m.OrgID, m.AccountID, m.Proved, m.ProvedBy = w.org.ID, w.account(t, userID).ID, true, method.ByPerson
	must(t, w.db.Write(t.Context(), func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(t.Context(), tx, m)
		return err
	}))
	return m
}

func (w *world) email(t testing.TB, userID string) method.Method {
	return w.add(t, userID, method.Method{Kind: method.Email, Value: strings.Split(userID, "@")[0] + "@example.org"})
}

func (w *world) app(t testing.TB, userID string) method.Method {
	seed, err := method.NewSeed()
	must(t, err)
	return w.add(t, userID, method.Method{Kind: method.AuthenticatorCode, Secret: seed})
}

func (w *world) start(t testing.TB, userID string, r reset.Reason) reset.Flow {
	t.Helper()
	f, token, err := w.s.Start(t.Context(), by, reset.StartInput{UserID: userID, Reason: r, Lang: "en"})
	must(t, err)
	opened, err := w.s.Open(t.Context(), token)
	must(t, err)
	if opened.ID != f.ID || opened.UserID != f.UserID || opened.State != f.State {
		t.Fatalf("started %+v, opened %+v", f, opened)
	}
	return opened
}

func (w *world) policy(t testing.TB, change func(*org.Policy)) {
	t.Helper()
	must(t, w.db.Write(t.Context(), func(tx *store.Tx) error {
		o, err := w.orgs.Get(t.Context(), tx, w.org.ID)
		if err != nil {
			return err
		}
		policy := o.Policy // the organization itself is in the hands of others
		change(&policy)
		return w.orgs.SetPolicy(t.Context(), tx, audit.Actor{Kind: audit.System}, o.ID, policy, o.Version)
	}))
}

// proveEmail chooses the mailbox, asks for a code and answers it.
func (w *world) proveEmail(t testing.TB, f reset.Flow, m method.Method) reset.Reply {
	t.Helper()
	r, err := w.s.Choose(t.Context(), by, f, m.ID)
	must(t, err)
	r, err = w.s.Send(t.Context(), by, r.Flow)
	must(t, err)
	r, err = w.s.Answer(t.Context(), by, r.Flow, m.ID, w.out.lastCode())
	must(t, err)
	return r
}

func wrongCode(code string) string {
	if code == "" {
		return "12345678"
	}
	return fmt.Sprintf("%d%s", (int(code[0]-'0')+1)%10, code[1:])
}
