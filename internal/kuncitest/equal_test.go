package kuncitest_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	passwords "kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
)

// statements are those that requests ran; what the node does by itself is left out.
type statements struct {
	mu  sync.Mutex
	all []string
}

func (s *statements) trace(ctx context.Context, statement string) {
	if ctx.Value(http.ServerContextKey) == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, strings.Join(strings.Fields(statement), " "))
}

func (s *statements) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// strangers and those whom a stranger asks about: whoever starts a reset learns
// from the page what it says, and from the work behind it nothing.
var equals = []struct{ who, userID string }{
	{"registered", "alain@contoso.com"},
	{"registered, with several methods", "tiga@contoso.com"},
	{"unregistered", "citra@contoso.com"},
	{"unknown", "nobody@contoso.com"},
	{"of no organization", "nobody@nowhere.example"},
	{"an administrator", "adele@contoso.com"},
}

const several = kuncitest.People + "tiga@contoso.com,Tiga,,staff,tiga@example.net,managed\n"

// moreMethods gives somebody an app and a second mailbox.
func moreMethods(t testing.TB, p *kuncitest.Product, userID string) {
	t.Helper()
	a, err := p.App.Accounts.Find(t.Context(), p.Organization(), userID)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := method.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []method.Method{{Kind: method.AuthenticatorCode, Secret: seed}, {Kind: method.Email, Value: "second-" + userID + ".example.org"}} {
		m.OrgID, m.AccountID, m.Proved, m.ProvedBy = a.OrgID, a.ID, true, method.ByPerson
		err := p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := p.App.Methods.Add(t.Context(), tx, m)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// begin sends the first form and gives the answer itself, not where it leads.
func begin(t testing.TB, b *kuncitest.Browser, userID string) *kuncitest.Page {
	t.Helper()
	page := b.Post("/reset", "user_id", userID, "reason", "forgot")
	if page.Status != http.StatusSeeOther {
		t.Fatalf("%s: %d %s", userID, page.Status, page.Alert())
	}
	return page
}

func TestStartingAResetDoesTheSameWorkForEverybody(t *testing.T) {
	seen := map[store.Kind]*statements{store.SQLite: {}, store.PostgreSQL: {}}
	for kind, s := range seen {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := kuncitest.Start(t, kuncitest.Options{Kind: kind, Trace: s.trace, Organization: kuncitest.Contoso, Accounts: several})
			moreMethods(t, p, "tiga@contoso.com")
			var first []string
			for _, c := range equals {
				p.Clock.Advance(time.Hour) // no throttle of the last one counts
				b := p.Browser().StayingPut()
				b.Get("/reset")
				begin(t, b, c.userID) // the first time makes rows that stay
				s.take()
				begin(t, b, c.userID)
				all := s.take()
				if first == nil {
					first = all
				}
				if !slices.Equal(all, first) {
					t.Errorf("%s runs %d statements, a registered account %d:\n%s\n--\n%s", c.who, len(all), len(first), strings.Join(all, "\n"), strings.Join(first, "\n"))
				}
			}
			if len(first) == 0 {
				t.Error("no statement was seen: it shows nothing")
			}
		})
	}
}

// median of times, which a pause of the machine does not move.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// A difference that a stranger could use is a slow hash or a mail that is sent:
// ten times and more. Twice is allowed, so that a busy machine fails nothing.
func TestStartingAResetTakesTheSameTimeForEverybody(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Hash: passwords.DefaultParams, Organization: kuncitest.Contoso, Accounts: several})
	moreMethods(t, p, "tiga@contoso.com")
	b := p.Browser().StayingPut()
	b.Get("/reset")
	times := make([][]time.Duration, len(equals))
	for range 40 {
		for i, c := range equals {
			p.Clock.Advance(time.Hour)
			began := time.Now()
			begin(t, b, c.userID)
			times[i] = append(times[i], time.Since(began))
		}
	}
	first := median(times[0])
	for i, c := range equals {
		m := median(times[i])
		t.Logf("%-33s %v", c.who, m)
		if m > 2*first || first > 2*m {
			t.Errorf("%s: %v, a registered account %v", c.who, m, first)
		}
	}
}
