package signin_test

import (
	"context"
	"encoding/base32"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const (
	alain    = "alain@contoso.com"
	hana     = "hana@contoso.com" // has no password
	right    = "teapot harbour violin"
	another  = "sembilan gajah menari pelan"
	nobodyID = "nobody@contoso.com"
)

var by = audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.1", Correlation: "code"}

// counted is a keyset that counts the slow hashes made with it.
type counted struct {
	*secret.Keyset
	hashes atomic.Int64
}

func (c *counted) Derive(purpose string, data ...[]byte) []byte {
	if purpose == "password.hash" || purpose == "password.none" {
		c.hashes.Add(1)
	}
	return c.Keyset.Derive(purpose, data...)
}

// people is the embedded directory, with something happening on the way.
type people struct {
	directory.Directory
	mu      sync.Mutex
	fault   error                   // instead of any answer about a password
	between func()                  // after a password was judged, before the answer is given
	can     *directory.Capabilities // nil: what the embedded directory can
	change  func(*directory.Entry)
}

func (p *people) CheckPassword(ctx context.Context, key, pw string) (directory.CheckResult, error) {
	p.mu.Lock()
	fault, between := p.fault, p.between
	p.mu.Unlock()
	if fault != nil {
		return "", fault
	}
	result, err := p.Directory.CheckPassword(ctx, key, pw)
	if between != nil {
		between()
	}
	return result, err
}

func (p *people) ChangePassword(ctx context.Context, key, old, pw string, o directory.ChangeOptions) error {
	if p.fault != nil {
		return p.fault
	}
	err := p.Directory.ChangePassword(ctx, key, old, pw, o)
	if p.between != nil {
		p.between()
	}
	return err
}

func (p *people) seen(e directory.Entry, err error) (directory.Entry, error) {
	if p.change != nil {
		p.change(&e)
	}
	return e, err
}

func (p *people) Get(ctx context.Context, key string) (directory.Entry, error) {
	return p.seen(p.Directory.Get(ctx, key))
}

func (p *people) LookUp(ctx context.Context, userID string) (directory.Entry, error) {
	return p.seen(p.Directory.LookUp(ctx, userID))
}

func (p *people) Capabilities() directory.Capabilities {
	if p.can != nil {
		return *p.can
	}
	return p.Directory.Capabilities()
}

type outbox struct {
	mu   sync.Mutex
	sent []notify.Message
}

func (o *outbox) Queue(_ context.Context, _ *store.Tx, m notify.Message) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, m)
	return m.Key, nil
}

type disputes struct{}

func (disputes) DisputeLink(_ context.Context, _ *store.Tx, id, orgID, accountID, _ string) (string, error) {
	return "https://kunci.test/" + id + orgID + accountID, nil
}

type world struct {
	t        testing.TB
	db       *store.DB
	clock    *storetest.Clock
	keys     *counted
	orgs     *org.Service
	org      *org.Organization
	audit    *audit.Service
	methods  *method.Service
	accounts *account.Service
	sessions *session.Service
	people   *people
	out      *outbox
	s        *signin.Service
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, db *store.DB, clock *storetest.Clock, change ...func(*org.Document)) *world {
	t.Helper()
	w := &world{t: t, db: db, clock: clock, keys: &counted{Keyset: secrettest.NewTestKeyset(t)}, audit: audittest.New(t, db), out: &outbox{}, people: &people{}}
	w.org, w.orgs = orgtest.Contoso(t, db, w.audit, change...)
	hasher, err := password.New(password.HasherDeps{Keys: w.keys, MaxWaiting: 1000, Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	must(t, err)
	directories, err := embedded.New(embedded.Deps{DB: db, Hasher: hasher})
	must(t, err)
	w.methods, err = method.New(method.Deps{Keys: w.keys.Keyset, HashMemory: 64})
	must(t, err)
	w.accounts, err = account.New(account.Deps{DB: db, Methods: w.methods, Audit: w.audit, Directories: func(*org.Organization) (directory.Directory, error) {
		return w.people, nil
	}})
	must(t, err)
	w.people.Directory, err = directories.Open(w.org)
	must(t, err)
	challenges, err := challenge.New(challenge.Deps{Keys: w.keys.Keyset, Methods: w.methods, Audit: w.audit, Messages: w.out})
	must(t, err)
	w.sessions, err = session.New(session.Deps{Keys: w.keys.Keyset, Audit: w.audit})
	must(t, err)
	at, err := provider.New(provider.Deps{DB: db, Keys: w.keys.Keyset, PublicURL: "http://localhost:8080"})
	must(t, err)
	w.s, err = signin.New(signin.Deps{
		DB: db, Keys: w.keys.Keyset, Orgs: w.orgs, Accounts: w.accounts, Methods: w.methods, Challenges: challenges, Sessions: w.sessions,
		Provider: at, Audit: w.audit, Messages: w.out, Disputes: disputes{}, Nobody: hasher.VerifyDummy,
	})
	must(t, err)
	w.put(embedded.Record{UserID: alain}, right)
	w.put(embedded.Record{UserID: hana}, "")
	return w
}

// put makes or changes an account as a file would.
func (w *world) put(r embedded.Record, pw string) {
	w.t.Helper()
	d := w.people.Directory.(*embedded.Directory)
	if pw != "" {
		var err error
		r.Password, err = d.PreparePassword(w.t.Context(), r.UserID, pw)
		must(w.t, err)
	}
	must(w.t, w.db.Write(w.t.Context(), func(tx *store.Tx) error { _, err := d.Put(w.t.Context(), tx, r); return err }))
}

func (w *world) account(userID string) account.Account {
	w.t.Helper()
	a, err := w.accounts.Find(w.t.Context(), w.org, userID)
	must(w.t, err)
	return a
}

func (w *world) add(userID string, m method.Method) method.Method {
	w.t.Helper()
	m.OrgID, m.AccountID, m.Proved, m.ProvedBy = w.org.ID, w.account(userID).ID, true, method.ByPerson
	must(w.t, w.db.Write(w.t.Context(), func(tx *store.Tx) (err error) { m, err = w.methods.Add(w.t.Context(), tx, m); return err }))
	return m
}

func (w *world) app(userID string) method.Method {
	seed, err := method.NewSeed()
	must(w.t, err)
	return w.add(userID, method.Method{Kind: method.AuthenticatorCode, Secret: seed})
}

func (w *world) shows(m method.Method) string {
	code, err := totp.GenerateCode(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(m.Secret), w.clock.Now())
	must(w.t, err)
	return code
}

// password starts a sign-in and types a password.
func (w *world) password(by audit.Actor, token, userID, pw string) (signin.In, error) {
	w.t.Helper()
	kept, err := w.s.Start(userID, "")
	must(w.t, err)
	pending, err := w.s.Pending(w.t.Context(), kept)
	must(w.t, err)
	return w.s.Password(w.t.Context(), by, token, pending, pw)
}

// in is password where it has to work.
func (w *world) in(userID, pw string) signin.In {
	w.t.Helper()
	in, err := w.password(by, "", userID, pw)
	must(w.t, err)
	return in
}

func (w *world) signed(token string) signin.Signed {
	w.t.Helper()
	s, err := w.s.Current(w.t.Context(), token)
	must(w.t, err)
	return s
}

func (w *world) count(kind audit.Kind, reason string) (n int) {
	w.t.Helper()
	for _, e := range audittest.Events(w.t, w.db, w.audit) {
		if e.Kind == kind && (reason == "" || e.Reason == reason) {
			n++
		}
	}
	return n
}

func day(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
