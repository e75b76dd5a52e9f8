package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/stream"
)

// nasty would end a field, a line or a message where it is not made harmless.
const nasty = `a"]\ b` + "\u00fc\U0001f511" + `="x" [evil@1 y="z"]`

type room struct {
	t     *testing.T
	db    *store.DB
	audit *audit.Service
	clock *storetest.Clock
	org   *org.Organization
	orgs  *org.Service
}

func each(t *testing.T, test func(r *room)) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		r := &room{t: t, db: db, audit: audittest.New(t, db), clock: clock}
		r.org, r.orgs = orgtest.Contoso(t, db, r.audit)
		r.sequence()
		test(r)
	})
}

func (r *room) service(targets ...stream.Target) *stream.Service {
	r.t.Helper()
	s, err := stream.New(stream.Deps{DB: r.db, Audit: r.audit, Orgs: r.orgs, Log: slog.New(slog.DiscardHandler), Targets: targets})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *room) run(s *stream.Service) {
	r.t.Helper()
	if err := s.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) sequence() {
	r.t.Helper()
	if err := r.audit.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// happen records so many events with everything an event may hold, and gives them their places.
func (r *room) happen(n int) {
	r.t.Helper()
	for i := range n {
		r.clock.Advance(time.Second)
		outcome := []audit.Outcome{audit.Success, audit.Failure, audit.Denied}[i%3]
		err := r.db.Write(r.t.Context(), func(tx *store.Tx) error {
			return r.audit.Record(r.t.Context(), tx, audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.7", UserAgent: nasty, Correlation: "abc"}, audit.Event{
				Kind: audit.ResetRefused, Org: r.org.ID, Target: "acc-alain", TargetUserID: "alain@contoso.com", Outcome: outcome,
				Reason: "not-verified", MethodKind: "email", Detail: map[string]string{"why": nasty, `odd ="]name`: "1"},
			})
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	r.sequence()
}

func (r *room) state(s *stream.Service) stream.State {
	r.t.Helper()
	var all []stream.State
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		all, err = s.States(r.t.Context(), tx)
		return err
	})
	if err != nil || len(all) != 1 {
		r.t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

// memory is a sink that keeps what it takes, and fails while it is told to.
type memory struct {
	mu     sync.Mutex
	fails  error
	leaves []int64
	tries  int
}

func (m *memory) Send(_ context.Context, events []stream.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.fails != nil {
		return m.fails
	}
	for _, e := range events {
		m.leaves = append(m.leaves, e.Leaf)
	}
	return nil
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.leaves)
}

func (m *memory) Check(context.Context) error { return m.fails }

// inOrder fails unless every place from first up to end came, the first time in order.
func inOrder(t *testing.T, leaves []int64, first, end int64) {
	t.Helper()
	next := first
	for _, leaf := range leaves {
		if leaf == next {
			next++
		} else if leaf > next {
			t.Fatalf("%d came before %d: %v", leaf, next, leaves)
		}
	}
	if next != end {
		t.Fatalf("events up to %d came, want up to %d: %v", next, end, leaves)
	}
}

func (r *room) size() (n int64) {
	r.t.Helper()
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		n, err = r.audit.Size(r.t.Context(), tx)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func TestEveryEventIsHandedOverInOrder(t *testing.T) {
	each(t, func(r *room) {
		before := r.size()
		late, whole := &memory{}, &memory{}
		s := r.service(stream.Target{Name: "late", Sink: late}, stream.Target{Name: "whole", Sink: whole, History: true})
		r.run(s) // the first run: from here on
		r.happen(450)
		r.run(s)
		r.run(s)
		inOrder(t, late.leaves, before, before+450)
		inOrder(t, whole.leaves, 0, before+450)
		if len(late.leaves) != 450 || len(whole.leaves) != int(before)+450 {
			t.Errorf("%d and %d events", len(late.leaves), len(whole.leaves))
		}
	})
}

// What fails is tried again later, with growing pauses, and nothing is lost; another
// stream does not notice.
func TestAFailingCollectorIsTriedAgain(t *testing.T) {
	each(t, func(r *room) {
		m, other := &memory{}, &memory{}
		s := r.service(stream.Target{Name: "m", Sink: m})
		beside := r.service(stream.Target{Name: "other", Sink: other})
		r.run(s)
		r.run(beside)
		first := r.size()
		r.happen(3)
		m.fails = &stream.Failure{Code: "status-503"}
		r.run(s)
		r.run(s)
		r.run(beside)
		if m.tries != 1 || len(other.leaves) != 3 {
			t.Fatalf("%d tries, %d events elsewhere", m.tries, len(other.leaves))
		}
		r.clock.Advance(time.Minute)
		if at := r.state(s); at.LastError != "status-503" || at.FailingSince.IsZero() || at.Behind != 3 || at.Age < time.Minute {
			t.Fatalf("%+v", at)
		}
		for range 30 { // days go by
			r.run(s)
			r.clock.Advance(time.Hour)
		}
		if m.tries != 31 {
			t.Fatalf("%d tries", m.tries)
		}
		m.fails = &stream.Failure{Code: "status-503", After: 30 * time.Minute}
		r.run(s)
		r.clock.Advance(20 * time.Minute) // longer than a pause, shorter than what was asked for
		r.run(s)
		if m.tries != 32 {
			t.Fatalf("it was not left alone: %d tries", m.tries)
		}
		m.fails = nil
		r.clock.Advance(time.Hour)
		r.run(s)
		inOrder(t, m.leaves, first, first+3)
		if at := r.state(s); at.LastError != "" || !at.FailingSince.IsZero() || at.Behind != 0 || at.SentAt.IsZero() {
			t.Errorf("%+v", at)
		}
		m.fails = &stream.Failure{Code: "rejected-2", Gone: true}
		r.happen(2)
		r.run(s)
		if at := r.state(s); at.LastError != "rejected-2" || at.Behind != 0 {
			t.Errorf("what is refused for good stops the rest: %+v", at)
		}
	})
}

// Many nodes that send at once skip nothing.
func TestParallelRunsSkipNothing(t *testing.T) {
	each(t, func(r *room) {
		m := &memory{}
		all := make([]*stream.Service, 4)
		for i := range all {
			all[i] = r.service(stream.Target{Name: "m", Sink: m, History: true})
		}
		r.happen(300)
		var together sync.WaitGroup
		for _, s := range all {
			together.Go(func() {
				if err := s.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		r.run(all[0])
		seen := make(map[int64]bool)
		for _, leaf := range m.leaves {
			seen[leaf] = true
		}
		if len(seen) != int(r.size()) {
			t.Errorf("%d of %d events arrived", len(seen), r.size())
		}
	})
}

// hanging never returns: a pipe that nobody reads.
type hanging struct{ entered chan struct{} }

func (h hanging) Send(context.Context, []stream.Event) error { h.entered <- struct{}{}; select {} }
func (h hanging) Check(context.Context) error                { return nil }

func TestACollectorThatHangsHoldsUpNobody(t *testing.T) {
	each(t, func(r *room) {
		h, m := hanging{make(chan struct{}, 10)}, &memory{}
		s := r.service(stream.Target{Name: "h", Sink: h, History: true}, stream.Target{Name: "m", Sink: m, History: true})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-h.entered; cancel() }()
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		for end := time.Now().Add(5 * time.Second); m.count() == 0 && time.Now().Before(end); {
			r.run(s) // returns although the first is still stuck
		}
		r.run(s)
		inOrder(t, m.leaves, 0, r.size())
	})
}

func TestJSONLines(t *testing.T) {
	each(t, func(r *room) {
		folder := t.TempDir()
		plain, named := filepath.Join(folder, "a.ndjson"), filepath.Join(folder, "b.ndjson")
		s := r.service(
			stream.Target{Name: "plain", Sink: stream.NewLines(plain)},
			stream.Target{Name: "named", Sink: stream.NewLines(named), People: true})
		r.run(s)
		r.happen(2)
		r.run(s)
		for path, want := range map[string]bool{plain: false, named: true} {
			text := read(t, path)
			for _, word := range []string{"alain@contoso.com", "192.0.2.7", `[evil@1`} {
				// The last one stands in a detail as well, which holds nobody.
				if strings.Contains(text, word) != want && word != "[evil@1" {
					t.Errorf("%s holds %s: %v", path, word, !want)
				}
			}
			if got := leavesOf(t, text); len(got) != 2 || !strings.Contains(text, `"organization_slug":"contoso"`) {
				t.Errorf("%v:\n%s", got, text)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		}
		// The file is rotated away, and half a line is left by a node that died.
		if err := os.Rename(plain, plain+".1"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(plain, []byte(`{"id":"hal`), 0o600); err != nil {
			t.Fatal(err)
		}
		r.happen(1)
		r.run(s)
		first, rest, _ := strings.Cut(read(t, plain), "\n")
		if first != `{"id":"hal` || len(leavesOf(t, rest)) != 1 {
			t.Errorf("%q, then %q", first, rest)
		}
		// A folder that is gone is a failure, not a loss.
		missing := r.service(stream.Target{Name: "missing", Sink: stream.NewLines(filepath.Join(folder, "gone", "c.ndjson")), History: true})
		r.run(missing)
		if at := r.state(missing); at.LastError != "open" || at.Behind == 0 {
			t.Errorf("%+v", at)
		}
		if missing.Check(t.Context())["missing"] == nil || s.Check(t.Context())["plain"] != nil {
			t.Error("Check takes what cannot be written for good, or the other way")
		}
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func leavesOf(t *testing.T, text string) (all []int64) {
	t.Helper()
	for line := range strings.Lines(text) {
		var e stream.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e.Leaf)
	}
	return all
}

func (r *room) record(detail map[string]string) {
	r.t.Helper()
	err := r.db.Write(r.t.Context(), func(tx *store.Tx) error {
		return r.audit.Record(r.t.Context(), tx, audit.Actor{Kind: audit.System}, audit.Event{
			Kind: audit.PolicyChanged, Org: r.org.ID, Outcome: audit.Success, Detail: detail,
		})
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.sequence()
}
