package securityinfo_test

import (
	"context"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// people is a directory in which everybody exists.
type people struct{ directory.Directory }

func (people) LookUp(_ context.Context, userID string) (directory.Entry, error) {
	return directory.Entry{Key: userID, UserID: userID, HasPassword: true, Source: directory.Managed}, nil
}

func (p people) Get(ctx context.Context, key string) (directory.Entry, error) {
	return p.LookUp(ctx, key)
}

// links are "this wasn't me" links that lead nowhere.
type links struct{}

func (links) DisputeLink(_ context.Context, _ *store.Tx, id, _, _, _ string) (string, error) {
	return "https://reset.contoso.test/reset/dispute/" + id, nil
}

// outbox keeps what was queued.
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

func (o *outbox) code() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range slices.Backward(o.sent) {
		if c, ok := m.Body.(notify.Code); ok {
			return c.Code
		}
	}
	return "00000000"
}

// notices gives "action kind to" of every notice since the last call.
func (o *outbox) notices() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for _, m := range o.sent {
		if n, ok := m.Body.(notify.MethodNotice); ok {
			line := n.Action + " " + n.Kind + " " + m.To
			switch {
			case !strings.HasPrefix(n.DisputeURL, "https://reset.contoso.test/"), n.UndoURL != "" && n.Action != notify.MethodDeleted:
				line += " with the wrong links"
			case n.UndoURL == "" && n.Action == notify.MethodDeleted:
				line += " for good"
			}
			all = append(all, line)
		}
	}
	o.sent = nil
	slices.Sort(all)
	return all
}

type world struct {
	t        *testing.T
	db       *store.DB
	clock    *storetest.Clock
	orgs     *org.Service
	org      *org.Organization
	audit    *audit.Service
	methods  *method.Service
	accounts *account.Service
	sessions *session.Service
	out      *outbox
	s        *securityinfo.Service
	change   []func(*org.Document)
}

func newWorld(t *testing.T, db *store.DB, clock *storetest.Clock, change ...func(*org.Document)) *world {
	t.Helper()
	keys := secrettest.NewTestKeyset(t)
	w := &world{t: t, db: db, clock: clock, audit: audittest.New(t, db), out: &outbox{}, change: change}
	w.org, w.orgs = orgtest.Contoso(t, db, w.audit, change...)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	w.methods, err = method.New(method.Deps{Keys: keys, HashMemory: 64})
	must(err)
	w.accounts, err = account.New(account.Deps{
		DB: db, Methods: w.methods, Audit: w.audit,
		Directories: func(*org.Organization) (directory.Directory, error) { return people{}, nil },
	})
	must(err)
	w.sessions, err = session.New(session.Deps{Keys: keys, Audit: w.audit})
	must(err)
	challenges, err := challenge.New(challenge.Deps{Keys: keys, Methods: w.methods, Audit: w.audit, Messages: w.out})
	must(err)
	w.s, err = securityinfo.New(securityinfo.Deps{
		DB: db, Keys: keys, Orgs: w.orgs, Accounts: w.accounts, Methods: w.methods, Challenges: challenges, Sessions: w.sessions,
		Audit: w.audit, Messages: w.out, Disputes: links{}, PublicURL: "https://reset.contoso.test/", FreshFor: 10 * time.Minute, FreshForPasskey: 5 * time.Minute,
	})
	must(err)
	return w
}

func (w *world) write(do func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), do); err != nil {
		w.t.Fatal(err)
	}
}

// policy changes the organization's policy.
func (w *world) policy(change func(*org.Document)) {
	w.t.Helper()
	w.org, _ = orgtest.Contoso(w.t, w.db, w.audit, append(w.change, change)...)
}

// who is somebody signed in now, with the password alone or with a factor too.
func (w *world) who(userID, factor string) securityinfo.Who {
	w.t.Helper()
	a, err := w.accounts.Find(w.t.Context(), w.org, userID)
	if err != nil {
		w.t.Fatal(err)
	}
	who := securityinfo.Who{Account: a}
	w.write(func(tx *store.Tx) error {
		b, _, err := w.sessions.Open(w.t.Context(), tx, "")
		if err != nil {
			return err
		}
		who.Session, err = w.sessions.Begin(w.t.Context(), tx, b.ID, session.Begin{OrgID: a.OrgID, AccountID: a.ID, UserID: userID, Level: session.Full})
		if err != nil || factor == "" {
			return err
		}
		_, err = w.sessions.Prove(w.t.Context(), tx, who.Session.ID, factor)
		return err
	})
	return who
}

// has registers a method directly, as proved by its person.
func (w *world) has(who securityinfo.Who, m method.Method) method.Method {
	w.t.Helper()
	m.OrgID, m.AccountID, m.Proved, m.ProvedBy = who.Account.OrgID, who.Account.ID, true, method.ByPerson
	if m.Value == "" && m.Secret == nil {
		m.Secret = []byte(store.NewToken())
	}
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(w.t.Context(), tx, m)
		return err
	})
	return m
}

func (w *world) email(who securityinfo.Who, address string) method.Method {
	return w.has(who, method.Method{Kind: method.Email, Value: address})
}

func (w *world) app(who securityinfo.Who) method.Method {
	return w.has(who, method.Method{Kind: method.AuthenticatorCode})
}

func (w *world) list(who securityinfo.Who) (all []method.Method) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		all, err = w.methods.List(w.t.Context(), tx, who.Account.OrgID, who.Account.ID)
		return err
	})
	return all
}

// counting gives the ids of the methods that count.
func (w *world) counting(who securityinfo.Who) []string {
	w.t.Helper()
	var ids []string
	for _, m := range w.list(who) {
		if m.Usable() {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func by(who securityinfo.Who) audit.Actor {
	return audit.Actor{Kind: audit.Person, Account: who.Account.ID, UserID: who.Account.Entry.UserID, IP: "192.0.2.1"}
}

func (w *world) begin(who securityinfo.Who, k method.Kind, form securityinfo.Form) (securityinfo.Reply, error) {
	return w.s.Begin(w.t.Context(), by(who), who, securityinfo.Begin{Kind: k, Form: form})
}

// begun is begin that has to work.
func (w *world) begun(who securityinfo.Who, k method.Kind, form securityinfo.Form) method.Method {
	w.t.Helper()
	r, err := w.begin(who, k, form)
	if err != nil || r.Refused != nil {
		w.t.Fatalf("begin %s: %+v, %v", k, r.Refused, err)
	}
	return r.Method
}

func (w *world) confirm(who securityinfo.Who, k method.Kind, answer string) (securityinfo.Reply, error) {
	return w.s.Confirm(w.t.Context(), by(who), who, securityinfo.Confirm{Kind: k, Answer: answer})
}

// confirmed is confirm that has to work.
func (w *world) confirmed(who securityinfo.Who, k method.Kind, answer string) securityinfo.Reply {
	w.t.Helper()
	r, err := w.confirm(who, k, answer)
	if err != nil || r.Refused != nil {
		w.t.Fatalf("confirm %s: %v, %v", k, r.Refused, err)
	}
	return r
}

func (w *world) totp(m method.Method) string {
	w.t.Helper()
	code, err := totp.GenerateCode(base32.StdEncoding.EncodeToString(m.Secret), w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

// events gives "kind reason" of everything recorded about methods and
// registration, the oldest first.
func (w *world) events() []string {
	w.t.Helper()
	var all []string
	for _, e := range audittest.Events(w.t, w.db, w.audit) {
		if strings.HasPrefix(string(e.Kind), "method.") || strings.HasPrefix(string(e.Kind), "registration.") {
			all = append(all, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.Reason)))
		}
	}
	return all
}

func wantCode(t *testing.T, what string, err error, code problem.Code) {
	t.Helper()
	if !problem.Has(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func wantRefused(t *testing.T, what string, r securityinfo.Reply, err error, code problem.Code) {
	t.Helper()
	if err != nil || r.Refused == nil || r.Refused.Code != code {
		t.Errorf("%s: %v, %v, want %s", what, r.Refused, err, code)
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}
