package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/webhook"
)

var (
	fabrikam = &org.Organization{ID: "org-fabrikam", Slug: "fabrikam"}
	operator = audit.Actor{Kind: audit.CLI}
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
)

// receiver keeps what it was sent.
type receiver struct {
	*httptest.Server
	status  atomic.Int64
	refuses atomic.Pointer[string] // a kind of event that it answers with 422
	while   atomic.Pointer[func()] // what happens before it answers
	mu      sync.Mutex
	calls   []call
}

// mailbox keeps what was to be mailed.
type mailbox struct {
	mu   sync.Mutex
	all  []notify.Message
	none string // is no mailbox
}

func (m *mailbox) Queue(_ context.Context, _ *store.Tx, one notify.Message) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one.To == m.none {
		return "", problem.New(problem.EmailInvalid).On("email")
	}
	m.all = append(m.all, one)
	return "", nil
}

// told are the notices of pauses, and to whom they went.
func (m *mailbox) told() (to []string, notices []notify.WebhookNotice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.all {
		to = append(to, one.To+" "+one.Lang)
		notices = append(notices, one.Body.(notify.WebhookNotice))
	}
	return to, notices
}

type call struct {
	header http.Header
	body   string
}

func (r *receiver) seen() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

type room struct {
	*webhook.Service
	t     *testing.T
	db    *store.DB
	audit *audit.Service
	clock *storetest.Clock
	org   *org.Organization
	mail  *mailbox
	to    *receiver
}

func each(t *testing.T, test func(r *room)) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		r := &room{t: t, db: db, audit: audittest.New(t, db), clock: clock, mail: &mailbox{}, to: &receiver{}}
		var orgs *org.Service
		r.org, orgs = orgtest.Contoso(t, db, r.audit)
		if err := r.audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var err error
		r.Service, err = webhook.New(webhook.Deps{
			DB: db, Keys: secrettest.NewTestKeyset(t), Audit: r.audit, Orgs: orgs, Messages: r.mail, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		r.to.status.Store(http.StatusNoContent)
		r.to.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			body, _ := io.ReadAll(q.Body)
			r.to.mu.Lock()
			r.to.calls = append(r.to.calls, call{q.Header, string(body)})
			r.to.mu.Unlock()
			if while := r.to.while.Swap(nil); while != nil {
				(*while)()
			}
			status := int(r.to.status.Load())
			switch kind := r.to.refuses.Load(); {
			case kind != nil && strings.HasPrefix(string(body), `{"type":"`+*kind+`"`):
				status = http.StatusUnprocessableEntity
			case status == http.StatusFound:
				w.Header().Set("Location", "/elsewhere")
			case status == http.StatusTooManyRequests:
				w.Header().Set("Retry-After", "1800")
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(r.to.Close)
		test(r)
	})
}

func (r *room) add(o webhook.Order) (webhook.Hook, string) {
	r.t.Helper()
	o.URL, o.Allowed = r.to.URL+"/in?token=t0p", loopback
	h, secret, err := r.Add(r.t.Context(), operator, r.org, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return h, secret
}

// happen records what happens and gives it its place.
func (r *room) happen(o *org.Organization, kinds ...audit.Kind) {
	r.t.Helper()
	for _, k := range kinds {
		r.clock.Advance(time.Second)
		err := r.db.Write(r.t.Context(), func(tx *store.Tx) error {
			return r.audit.Record(r.t.Context(), tx, audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.7"}, audit.Event{
				Kind: k, Org: o.ID, Target: "acc-alain", TargetUserID: "alain@contoso.com", Outcome: audit.Success,
			})
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.audit.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) run() {
	r.t.Helper()
	if err := r.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) hook() webhook.Hook {
	r.t.Helper()
	var all []webhook.Hook
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		all, err = r.List(r.t.Context(), tx, r.org.ID)
		return err
	})
	if err != nil || len(all) != 1 {
		r.t.Fatalf("%d webhooks, %v", len(all), err)
	}
	return all[0]
}

// types are the kinds of what was sent, in order.
func (r *room) types() string {
	var all []string
	for _, c := range r.to.seen() {
		var m struct{ Type string }
		if err := json.Unmarshal([]byte(c.body), &m); err != nil {
			r.t.Error(c.body)
		}
		all = append(all, m.Type)
	}
	return strings.Join(all, " ")
}

func TestEventsAreSentInOrderSignedAndOnce(t *testing.T) {
	each(t, func(r *room) {
		r.happen(r.org, audit.ResetAbandoned) // before there was a receiver
		_, secret := r.add(webhook.Order{})
		r.happen(r.org, audit.ResetStarted)
		r.happen(fabrikam, audit.ResetRefused)
		r.happen(r.org, audit.ResetGatePassed, audit.ResetCompleted)
		r.run()
		r.run()
		if got := r.types(); got != "administrator.changed reset.started reset.gate_passed reset.completed" {
			t.Fatalf("sent: %s", got)
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) != 32 || !strings.HasPrefix(secret, "whsec_") {
			t.Fatalf("the secret: %v", err)
		}
		ids := make(map[string]bool)
		for _, c := range r.to.seen() {
			mac := hmac.New(sha256.New, key)
			id := c.header.Get("webhook-id")
			mac.Write([]byte(id + "." + c.header.Get("webhook-timestamp") + "." + c.body))
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); c.header.Get("webhook-signature") != want {
				t.Errorf("signed %s, want %s", c.header.Get("webhook-signature"), want)
			}
			if strings.Contains(c.body, "alain@") || strings.Contains(c.body, "192.0.2.7") {
				t.Errorf("it names somebody: %s", c.body)
			}
			ids[id] = true
		}
		if len(ids) != 4 || r.hook().DeliveredAt.IsZero() {
			t.Errorf("%d identifiers; %+v", len(ids), r.hook())
		}
	})
}

// promised are the events that programs were promised.
const promised = `reset.started reset.gate_passed reset.gate_failed reset.completed reset.refused reset.blocked reset.abandoned
 account.unlocked password.changed method.added method.changed method.deleted method.default_changed registration.completed
 registration.skipped registration.reconfirmed signin.succeeded signin.failed signin.locked session.revoked request.opened
 request.resolved tap.issued tap.used policy.changed directory.changed administrator.changed throttle.cleared export.created`

func TestEveryKindOfEventIsSent(t *testing.T) {
	each(t, func(r *room) {
		r.add(webhook.Order{})
		r.happen(r.org, audit.Kinds...)
		r.run()
		sent := strings.Fields(r.types())
		for _, kind := range strings.Fields(promised) {
			if !slices.Contains(sent, kind) {
				t.Errorf("%s is not sent", kind)
			}
		}
		if len(sent) != len(audit.Kinds)+1 { // that it was added is the first
			t.Errorf("%d sent of %d kinds", len(sent), len(audit.Kinds))
		}
	})
}

func TestPeopleAreNamedWhereThatWasAskedFor(t *testing.T) {
	each(t, func(r *room) {
		r.add(webhook.Order{People: true})
		r.happen(r.org, audit.ResetStarted)
		r.run()
		if calls := r.to.seen(); len(calls) != 2 || !strings.Contains(calls[1].body, "alain@contoso.com") {
			t.Errorf("%v", calls)
		}
	})
}

// A receiver that fails is asked again later, with growing pauses, for the same
// event first.
func TestAFailingReceiverIsRetried(t *testing.T) {
	each(t, func(r *room) {
		r.add(webhook.Order{})
		r.happen(r.org, audit.ResetStarted)
		r.to.status.Store(http.StatusInternalServerError)
		r.run()
		r.run()
		if n := len(r.to.seen()); n != 1 || r.hook().LastError != "status-500" || r.hook().FailingSince.IsZero() {
			t.Fatalf("%d calls, %+v", n, r.hook())
		}
		r.clock.Advance(6 * time.Second)
		r.run()
		r.clock.Advance(6 * time.Second) // the pause is ten now
		r.run()
		if n := len(r.to.seen()); n != 2 {
			t.Fatalf("%d calls", n)
		}
		r.to.status.Store(http.StatusOK)
		r.clock.Advance(6 * time.Second)
		r.run()
		if got := r.types(); got != "administrator.changed administrator.changed administrator.changed reset.started" || r.hook().State() != webhook.Live {
			t.Fatalf("%s, %+v", got, r.hook())
		}
		// Who says how long to be left alone is left alone.
		r.to.status.Store(http.StatusTooManyRequests)
		r.happen(r.org, audit.ResetCompleted)
		r.run()
		n := len(r.to.seen())
		r.clock.Advance(29 * time.Minute)
		r.run()
		if len(r.to.seen()) != n {
			t.Error("it is asked before the time it named")
		}
		r.clock.Advance(2 * time.Minute)
		r.run()
		if len(r.to.seen()) != n+1 {
			t.Error("it is not asked after the time it named")
		}
	})
}

// Many nodes that send at once skip nothing.
func TestParallelRunsSkipNothing(t *testing.T) {
	each(t, func(r *room) {
		r.add(webhook.Order{})
		for range 5 {
			r.happen(r.org, audit.ResetStarted, audit.ResetCompleted)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := r.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		r.run()
		ids := make(map[string]bool)
		for _, c := range r.to.seen() {
			ids[c.header.Get("webhook-id")] = true
		}
		if len(ids) != 11 {
			t.Errorf("%d of 11 events arrived", len(ids))
		}
	})
}

// What is not public is not reached, whatever name leads to it.
func TestPrivateAddressesAreRefused(t *testing.T) {
	each(t, func(r *room) {
		_, port, _ := strings.Cut(strings.TrimPrefix(r.to.URL, "http://"), ":")
		for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "[fd00::1]"} {
			h, _, err := r.Add(t.Context(), operator, r.org, webhook.Order{URL: "https://" + host + ":" + port})
			if err != nil {
				t.Fatal(err)
			}
			if failure, err := r.Test(t.Context(), operator, r.org, h.ID); failure != "not-public" || err != nil {
				t.Errorf("%s: %q, %v", host, failure, err)
			}
		}
		if n := len(r.to.seen()); n != 0 {
			t.Errorf("%d calls arrived", n)
		}
	})
}

// A redirect is a failure and is not followed, wherever it leads.
func TestARedirectIsNotFollowed(t *testing.T) {
	each(t, func(r *room) {
		for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			from := httptest.NewServer(http.RedirectHandler(r.to.URL, status))
			t.Cleanup(from.Close)
			h, _, err := r.Add(t.Context(), operator, r.org, webhook.Order{URL: from.URL, Allowed: loopback})
			if err != nil {
				t.Fatal(err)
			}
			if failure, err := r.Test(t.Context(), operator, r.org, h.ID); failure != "status-"+strconv.Itoa(status) || err != nil {
				t.Errorf("%d: %q, %v", status, failure, err)
			}
		}
		if n := len(r.to.seen()); n != 0 {
			t.Errorf("%d calls arrived where redirects lead", n)
		}
	})
}

func TestWhatIsNoReceiver(t *testing.T) {
	each(t, func(r *room) {
		for _, text := range []string{"", "contoso.com", "ftp://contoso.com", "http://contoso.com", "https://", "https://a:b@contoso.com", "https://contoso.com/#x", "https://contoso.com:x"} {
			if _, _, err := r.Add(t.Context(), operator, r.org, webhook.Order{URL: text}); !problem.Has(err, problem.WebhookAddress) {
				t.Errorf("%q: %v", text, err)
			}
		}
		h, _ := r.add(webhook.Order{})
		if err := r.Remove(t.Context(), operator, fabrikam, h.ID); !problem.Has(err, problem.NotFound) {
			t.Errorf("another organization removes it: %v", err)
		}
		if _, err := r.Test(t.Context(), operator, fabrikam, h.ID); !problem.Has(err, problem.NotFound) {
			t.Errorf("another organization tests it: %v", err)
		}
		var sealed []byte
		err := r.db.Read(t.Context(), func(tx *store.Tx) error { return tx.QueryRow(t.Context(), `SELECT sealed FROM webhook`).Scan(&sealed) })
		if err != nil || strings.Contains(string(sealed), "t0p") {
			t.Errorf("the address is kept in clear: %v", err)
		}
		if err := r.Remove(t.Context(), operator, r.org, h.ID); err != nil {
			t.Error(err)
		}
		r.happen(r.org, audit.ResetStarted)
		r.run()
		if n := len(r.to.seen()); n != 0 {
			t.Errorf("%d calls after it was removed", n)
		}
	})
}
