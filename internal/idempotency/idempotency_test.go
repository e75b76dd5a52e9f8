package idempotency_test

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"kunci.dev/kunci/internal/idempotency"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func each(t *testing.T, do func(t *testing.T, db *store.DB, clock *storetest.Clock, s *idempotency.Service)) {
	t.Helper()
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s, err := idempotency.New(db, secrettest.NewTestKeyset(t))
		if err != nil {
			t.Fatal(err)
		}
		do(t, db, clock, s)
	})
}

func begin(t *testing.T, s *idempotency.Service, owner, key, request string) *idempotency.Claim {
	t.Helper()
	c, answer, err := s.Begin(t.Context(), owner, key, []byte(request))
	if err != nil || c == nil || answer != nil {
		t.Fatalf("%s %s %s: %v, answer %q", owner, key, request, err, answer)
	}
	return c
}

func refused(t *testing.T, s *idempotency.Service, key, request string, code problem.Code) {
	t.Helper()
	if c, answer, err := s.Begin(t.Context(), "a", key, []byte(request)); !problem.Has(err, code) || c != nil || answer != nil {
		t.Errorf("%s %s: %v, want %s", key, request, err, code)
	}
}

func TestAKeyStandsForOneRequest(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, clock *storetest.Clock, s *idempotency.Service) {
		c := begin(t, s, "a", "k", "request")
		refused(t, s, "k", "request", problem.IdempotencyRunning)
		refused(t, s, "k", "other", problem.IdempotencyMismatch)
		begin(t, s, "b", "k", "request") // another owner's key
		if err := s.Finish(t.Context(), c, []byte("the answer")); err != nil {
			t.Fatal(err)
		}
		_, answer, err := s.Begin(t.Context(), "a", "k", []byte("request"))
		if err != nil || string(answer) != "the answer" {
			t.Errorf("again: %q %v", answer, err)
		}
		refused(t, s, "k", "other", problem.IdempotencyMismatch)
		// Neither the key, the request nor the answer can be read where it is kept.
		var id string
		var fingerprint, sealed []byte
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT id, fingerprint, sealed FROM idempotency WHERE done = 1`).Scan(&id, &fingerprint, &sealed)
		})
		if err != nil || id == "k" || bytes.Contains(fingerprint, []byte("request")) || bytes.Contains(sealed, []byte("answer")) {
			t.Errorf("kept: %q %q %q %v", id, fingerprint, sealed, err)
		}
		// An answer that is told once.
		c = begin(t, s, "a", "once", "request")
		if err := s.Finish(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		refused(t, s, "once", "request", problem.IdempotencyOnce)
		// What did nothing may be sent again.
		c = begin(t, s, "a", "busy", "request")
		if err := s.Release(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		begin(t, s, "a", "busy", "other")
		// After a day everything is forgotten.
		clock.Advance(idempotency.Kept)
		begin(t, s, "a", "k", "other")
		if err := db.Write(t.Context(), func(tx *store.Tx) error { return s.Purge(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		left := 0
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM idempotency`).Scan(&left)
		})
		if err != nil || left != 1 {
			t.Errorf("%d rows are left, want the new one: %v", left, err)
		}
	})
}

// A process that died in its act leaves a claim that nobody gets.
func TestAClaimOfADeadProcess(t *testing.T) {
	each(t, func(t *testing.T, _ *store.DB, clock *storetest.Clock, s *idempotency.Service) {
		c := begin(t, s, "a", "k", "request")
		clock.Advance(idempotency.Longest + 1000)
		refused(t, s, "k", "request", problem.IdempotencyLost)
		refused(t, s, "k", "request", problem.IdempotencyLost)
		// It was alive after all.
		if err := s.Finish(t.Context(), c, []byte("late")); err != nil {
			t.Fatal(err)
		}
		if _, answer, err := s.Begin(t.Context(), "a", "k", []byte("request")); err != nil || string(answer) != "late" {
			t.Errorf("%q %v", answer, err)
		}
		// One that ends after its key went to another request changes nothing of that one's.
		clock.Advance(idempotency.Kept)
		begin(t, s, "a", "k", "other")
		if err := s.Finish(t.Context(), c, []byte("much too late")); err != nil {
			t.Fatal(err)
		}
		refused(t, s, "k", "other", problem.IdempotencyRunning)
	})
}

func TestOfFiftyAtOnceOneActs(t *testing.T) {
	each(t, func(t *testing.T, _ *store.DB, _ *storetest.Clock, s *idempotency.Service) {
		var acts, others atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				c, _, err := s.Begin(context.WithoutCancel(t.Context()), "a", "k", []byte("request"))
				switch {
				case err == nil && c != nil:
					acts.Add(1)
				case problem.Has(err, problem.IdempotencyRunning):
					others.Add(1)
				default:
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		if acts.Load() != 1 || others.Load() != 49 {
			t.Errorf("%d act, %d wait", acts.Load(), others.Load())
		}
	})
}
