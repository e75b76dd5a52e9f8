package helpdesk_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var (
	contoso = &org.Organization{ID: "org-contoso", Slug: "contoso", Name: "Contoso", Language: "en", Support: org.Support{Email: "helpdesk@contoso.example"}}
	visitor = audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.7", UserAgent: "Firefox", Correlation: "K3Y-42"}
	agent   = audit.Actor{Kind: audit.Admin, Account: "acc-indah", UserID: "indah@contoso.com"}
)

// outbox keeps what would have been mailed.
type outbox struct {
	mu    sync.Mutex
	mails []notify.Mail
}

func (o *outbox) Send(_ context.Context, m notify.Mail) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mails = append(o.mails, m)
	return nil
}

type room struct {
	*helpdesk.Service
	t        *testing.T
	db       *store.DB
	audit    *audit.Service
	methods  *method.Service
	sessions *session.Service
	jobs     *jobs.Service
	out      *outbox
}

func each(t *testing.T, fn func(r *room, clock *storetest.Clock)) {
	t.Helper()
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		r := &room{t: t, db: db, audit: audittest.New(t, db), out: &outbox{}}
		must(jobs.Migrate(t.Context(), db))
		log := slog.New(slog.DiscardHandler)
		var err error
		r.jobs, err = jobs.New(jobs.Deps{DB: db, Log: log})
		must(err)
		keys := secrettest.NewTestKeyset(t)
		messages, err := notify.New(notify.Deps{DB: db, Jobs: r.jobs, Keys: keys, Sender: r.out, Log: log, PublicURL: "https://kunci.test"})
		must(err)
		r.methods, err = method.New(method.Deps{Keys: keys, HashMemory: 64})
		must(err)
		r.sessions, err = session.New(session.Deps{Keys: keys, Audit: r.audit})
		must(err)
		r.Service, err = helpdesk.New(helpdesk.Deps{DB: db, Keys: keys, Methods: r.methods, Audit: r.audit, Notify: messages, Sessions: r.sessions})
		must(err)
		fn(r, clock)
	})
}

func (r *room) send(in helpdesk.In) error {
	if in.Org == nil {
		in.Org = contoso
	}
	return r.db.Write(r.t.Context(), func(tx *store.Tx) error { return r.Open(r.t.Context(), tx, visitor, in) })
}

func (r *room) ok(in helpdesk.In) {
	r.t.Helper()
	if err := r.send(in); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) list(q helpdesk.Query) (all []helpdesk.Request) {
	r.t.Helper()
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		all, err = r.List(r.t.Context(), tx, q)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

func (r *room) resolve(orgID, id, note string) error {
	return r.db.Write(r.t.Context(), func(tx *store.Tx) error { return r.Resolve(r.t.Context(), tx, agent, orgID, id, note) })
}

func (r *room) queued() (n int) {
	r.t.Helper()
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(r.t.Context(), `SELECT COUNT(*) FROM notify_message`).Scan(&n)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func code(err error) problem.Code {
	if p, ok := problem.As(err); ok {
		return p.Code
	}
	return ""
}

var alain = helpdesk.In{AccountID: "acc-alain", UserID: "alain@contoso.com", Problem: problem.NotVerified, Message: "I lost\tmy phone\x1b[31m\u202e\r\nplease help"}

func TestARequestIsKeptSealedAndRecorded(t *testing.T) {
	each(t, func(r *room, clock *storetest.Clock) {
		r.ok(alain)
		all := r.list(helpdesk.Query{OrgID: contoso.ID, State: helpdesk.StateOpen})
		if len(all) != 1 {
			r.t.Fatalf("%d requests", len(all))
		}
		got := all[0]
		if got.UserID != alain.UserID || got.Message != "I lost my phone[31m\nplease help" || got.Problem != problem.NotVerified ||
			got.SupportCode != "K3Y-42" || !got.OpenedAt.Equal(clock.Now()) {
			r.t.Errorf("request %+v", got)
		}
		var sealed []byte
		_ = r.db.Read(r.t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(r.t.Context(), `SELECT sealed FROM helpdesk_request`).Scan(&sealed)
		})
		if len(sealed) == 0 || strings.Contains(string(sealed), "alain") || strings.Contains(string(sealed), "phone") {
			r.t.Errorf("kept in clear: %q", sealed)
		}
		events := audittest.Events(r.t, r.db, r.audit)
		if len(events) != 1 || events[0].Kind != audit.RequestOpened {
			r.t.Errorf("events %+v", events)
		}
		if r.queued() != 1 {
			r.t.Error("the support address is not told")
		}
	})
}

func TestOneRequestAPersonADay(t *testing.T) {
	each(t, func(r *room, clock *storetest.Clock) {
		for range 5 {
			r.ok(alain)
		}
		if n, mails := len(r.list(helpdesk.Query{OrgID: contoso.ID})), r.queued(); n != 1 || mails != 1 {
			r.t.Errorf("%d requests, %d mails", n, mails)
		}
		other := alain
		other.AccountID, other.UserID = "acc-budi", "budi@contoso.com"
		r.ok(other)
		dispute := alain
		dispute.Problem = helpdesk.ProblemDispute
		r.ok(dispute)
		if n := len(r.list(helpdesk.Query{OrgID: contoso.ID})); n != 3 {
			r.t.Errorf("%d requests: another person's or a dispute was swallowed", n)
		}
		clock.Advance(24*time.Hour + time.Second)
		r.ok(alain)
		if n := len(r.list(helpdesk.Query{OrgID: contoso.ID})); n != 4 {
			r.t.Errorf("%d requests: the next day's was swallowed", n)
		}
	})
}

func TestParallelRequestsMakeOne(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if err := r.send(alain); err != nil {
					r.t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(r.list(helpdesk.Query{OrgID: contoso.ID})); n != 1 || r.queued() != 1 {
			r.t.Errorf("%d requests, %d mails", n, r.queued())
		}
	})
}

func TestUnknownAccountsLeaveNothing(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		for _, user := range []string{"nobody@contoso.com", "nobody@contoso.com", "ghost@contoso.com\r\nBcc: x@evil.example", ""} {
			r.ok(helpdesk.In{UserID: user, Problem: problem.NotVerified, Message: "hello"})
		}
		if n := len(r.list(helpdesk.Query{OrgID: contoso.ID})); n != 0 || r.queued() != 0 {
			r.t.Errorf("%d requests, %d mails", n, r.queued())
		}
		if events := audittest.Events(r.t, r.db, r.audit); len(events) != 0 {
			r.t.Errorf("events %+v", events)
		}
	})
}

func TestRefusals(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		long := alain
		long.Message = strings.Repeat("é", helpdesk.MaxMessage+1)
		unknown := helpdesk.In{UserID: "nobody@contoso.com", Problem: problem.NotVerified, Message: long.Message}
		for _, in := range []helpdesk.In{long, unknown} {
			if got := code(r.send(in)); got != problem.TooLong {
				r.t.Errorf("a long message gave %q", got)
			}
		}
		long.Message = strings.Repeat("é", helpdesk.MaxMessage)
		r.ok(long)
		elsewhere := alain
		elsewhere.Problem = problem.NotManaged
		if got := code(r.send(elsewhere)); got != problem.Forbidden {
			r.t.Errorf("not-managed gave %q", got)
		}
	})
}

func TestNoSupportAddressKeepsTheRequest(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		quiet := *contoso
		quiet.Support.Email = ""
		in := alain
		in.Org = &quiet
		r.ok(in)
		if n := len(r.list(helpdesk.Query{OrgID: contoso.ID})); n != 1 || r.queued() != 0 {
			r.t.Errorf("%d requests, %d mails", n, r.queued())
		}
	})
}

func TestAFloodIsKeptButNotMailed(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		for i := range 103 {
			in := alain
			in.AccountID = "acc-" + strings.Repeat("x", i+1)
			r.ok(in)
		}
		if n, mails := len(r.list(helpdesk.Query{OrgID: contoso.ID, Limit: 200})), r.queued(); n != 103 || mails != 100 {
			r.t.Errorf("%d requests, %d mails", n, mails)
		}
	})
}

func TestResolve(t *testing.T) {
	each(t, func(r *room, clock *storetest.Clock) {
		r.ok(alain)
		id := r.list(helpdesk.Query{OrgID: contoso.ID})[0].ID
		if got := code(r.resolve("org-other", id, "")); got != problem.NotFound {
			r.t.Errorf("another organization's request gave %q", got)
		}
		clock.Advance(time.Hour)
		if err := r.resolve(contoso.ID, id, "Called back, registered a new phone"); err != nil {
			r.t.Fatal(err)
		}
		if got := code(r.resolve(contoso.ID, id, "again")); got != problem.Conflict {
			r.t.Errorf("resolving twice gave %q", got)
		}
		var got helpdesk.Request
		err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
			got, err = r.Get(r.t.Context(), tx, contoso.ID, id)
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
		if got.State != helpdesk.StateResolved || got.ResolvedBy != agent.UserID || !strings.HasPrefix(got.Note, "Called") || !got.ResolvedAt.Equal(clock.Now()) {
			r.t.Errorf("request %+v", got)
		}
		if n := len(r.list(helpdesk.Query{OrgID: contoso.ID, State: helpdesk.StateOpen})); n != 0 {
			r.t.Errorf("%d open", n)
		}
		kinds := audittest.Kinds(r.t, r.db, r.audit)
		if len(kinds) != 2 || kinds[1] != audit.RequestResolved && kinds[0] != audit.RequestResolved {
			r.t.Errorf("events %v", kinds)
		}
		_ = r.db.Read(r.t.Context(), func(tx *store.Tx) error {
			if _, err := r.Get(r.t.Context(), tx, "org-other", id); code(err) != problem.NotFound {
				r.t.Errorf("another organization reads it: %v", err)
			}
			return nil
		})
	})
}

func TestListPages(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		for _, who := range []string{"a", "b", "c"} {
			in := alain
			in.AccountID, in.UserID = who, who+"@contoso.com"
			r.ok(in)
		}
		first := r.list(helpdesk.Query{OrgID: contoso.ID, Limit: 2})
		if len(first) != 2 || first[0].AccountID != "c" || first[1].AccountID != "b" {
			r.t.Fatalf("first page %+v", first)
		}
		rest := r.list(helpdesk.Query{OrgID: contoso.ID, Limit: 2, Before: first[1].ID})
		if len(rest) != 1 || rest[0].AccountID != "a" {
			r.t.Errorf("second page %+v", rest)
		}
		if n := len(r.list(helpdesk.Query{OrgID: "org-other"})); n != 0 {
			r.t.Errorf("another organization lists %d", n)
		}
	})
}

func TestNewRefusesMissingParts(t *testing.T) {
	if _, err := helpdesk.New(helpdesk.Deps{}); err == nil {
		t.Error("made of nothing")
	}
}
