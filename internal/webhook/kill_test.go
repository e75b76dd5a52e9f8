package webhook_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/webhook"
)

// The child sends and never hears an answer; the test kills it.
const keysetEnv = "KUNCI_WEBHOOK_TEST_KEYSET"

func TestMain(m *testing.M) { storetest.Main(m, child) }

func child(url string) {
	ctx := context.Background()
	db, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		panic(err)
	}
	keys, err := secret.Open(os.Getenv(keysetEnv))
	if err != nil {
		panic(err)
	}
	log, err := audit.New(audit.Deps{DB: db, Keys: keys, Origin: "kunci.test/audit", Log: slog.Default()})
	if err != nil {
		panic(err)
	}
	orgs, err := org.New(org.Deps{Audit: log})
	if err != nil {
		panic(err)
	}
	s, err := webhook.New(webhook.Deps{DB: db, Keys: keys, Audit: log, Orgs: orgs, Messages: &mailbox{}, Log: slog.Default()})
	if err != nil {
		panic(err)
	}
	panic(s.Run(ctx))
}

// A node that is killed after it sent and before it noted so makes duplicates, and
// no holes: neither in the order of the log nor among what was set aside.
func TestAKilledNodeLosesNothing(t *testing.T) {
	for _, kind := range storetest.Kinds {
		for _, aside := range []bool{false, true} {
			name := string(kind) + " in order"
			if aside {
				name = string(kind) + " set aside"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				killed(t, kind, aside)
			})
		}
	}
}

func killed(t *testing.T, kind store.Kind, aside bool) {
	url, keyset := storetest.URL(t, kind), filepath.Join(t.TempDir(), "kunci.keyset")
	clock := storetest.NewClock()
	db, err := store.Open(t.Context(), url, store.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys := secrettest.NewTestKeyset(t)
	if err := keys.Write(keyset); err != nil {
		t.Fatal(err)
	}
	r := &room{t: t, db: db, audit: audittest.New(t, db), clock: clock, mail: &mailbox{}, to: &receiver{}}
	var orgs *org.Service
	r.org, orgs = orgtest.Contoso(t, db, r.audit)
	r.happen(r.org)
	r.Service, err = webhook.New(webhook.Deps{DB: db, Keys: keys, Audit: r.audit, Orgs: orgs, Messages: r.mail, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	sent, over := make(chan string), make(chan struct{})
	r.to.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.to.mu.Lock()
		r.to.calls = append(r.to.calls, call{q.Header, string(body)})
		r.to.mu.Unlock()
		select {
		case sent <- q.Header.Get("webhook-id"): // to the child, which waits for an answer
			<-over
		case <-over:
		}
	}))
	t.Cleanup(r.to.Close)
	h, _ := r.add(webhook.Order{})
	r.happen(r.org, audit.ResetStarted, audit.ResetCompleted)
	want := 3
	if aside {
		want = 1
		for _, statement := range []string{
			`INSERT INTO webhook_aside (webhook_id, leaf, event_id, kind, tries, last_error, set_aside_at, tried_at, next_at)
 SELECT w.id, e.leaf, e.id, e.kind, 8, 'status-500', 1, 1, 1 FROM audit_event e, webhook w WHERE e.reason = 'webhook-added'`,
			`UPDATE webhook SET next_leaf = (SELECT max(leaf) + 1 FROM audit_event)`,
		} {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), statement)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	node := storetest.Child(t, url, keysetEnv+"="+keyset)
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	first := <-sent
	storetest.Kill(t, node)
	close(over)
	r.run()
	arrived := make(map[string]int)
	for _, c := range r.to.seen() {
		arrived[c.header.Get("webhook-id")]++
	}
	if len(arrived) != want || arrived[first] != 2 || len(r.aside(h.ID)) != 0 {
		t.Errorf("arrived: %v, the first is %s; set aside: %+v", arrived, first, r.aside(h.ID))
	}
}
