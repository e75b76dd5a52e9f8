package throttle_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/throttle"
)

var five = throttle.Limit{Limit: 5, Per: time.Hour, Lock: 24 * time.Hour}

func take(t testing.TB, db *store.DB, key string, l throttle.Limit) throttle.Verdict {
	t.Helper()
	var v throttle.Verdict
	err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
		peeked, err := throttle.Peek(t.Context(), tx, key, l)
		if err != nil {
			return err
		}
		if prefix, rest, ok := strings.Cut(key, ":"); ok {
			all, err := throttle.PeekPrefix(t.Context(), tx, prefix+":", l)
			if err != nil {
				return err
			}
			if one, tried := all[rest]; tried && one != peeked || !tried && peeked.Count > 0 {
				t.Errorf("PeekPrefix said %v where Peek said %v", one, peeked)
			}
		}
		if v, err = throttle.Take(t.Context(), tx, key, l); err == nil && peeked.Allowed != v.Allowed {
			t.Errorf("Peek said %v where Take said %v", peeked, v)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func write(t testing.TB, db *store.DB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := db.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestTheSixthTryLocks(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		for n := 1; n <= 5; n++ {
			if v := take(t, db, "gate:a", five); !v.Allowed || v.Count != n || v.Left != 5-n {
				t.Fatalf("try %d: %+v", n, v)
			}
			clock.Advance(time.Minute)
		}
		if v := take(t, db, "gate:a", five); v.Allowed || !v.JustLocked || v.RetryAfter != 24*time.Hour {
			t.Fatalf("try 6: %+v", v)
		}
		clock.Advance(23 * time.Hour)
		if v := take(t, db, "gate:a", five); v.Allowed || v.JustLocked || v.RetryAfter != time.Hour {
			t.Fatalf("a refused try prolonged the lock or locked twice: %+v", v)
		}
		if v := take(t, db, "gate:b", five); !v.Allowed {
			t.Fatalf("another key is locked too: %+v", v)
		}
		clock.Advance(time.Hour)
		if v := take(t, db, "gate:a", five); !v.Allowed || v.Count != 1 {
			t.Fatalf("after the lock: %+v", v)
		}
	})
}

func TestPeekPrefixSeesItsOwnAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, key := range []string{"gate:a:1", "gate:a:2", "gate:ab:1", "gate:a", "gate:b:1"} {
			take(t, db, key, five)
		}
		write(t, db, func(tx *store.Tx) error {
			all, err := throttle.PeekPrefix(t.Context(), tx, "gate:a:", five)
			if err == nil && (len(all) != 2 || all["1"].Left != 4 || all["2"].Left != 4) {
				t.Errorf("found %v", all)
			}
			return err
		})
		write(t, db, func(tx *store.Tx) error {
			if _, err := throttle.PeekPrefix(t.Context(), tx, "gate:a", five); err == nil {
				t.Error("a prefix that ends inside a name was taken")
			}
			return nil
		})
	})
}

// Whatever is asked together is judged as it is asked alone.
func TestPeekAllJudgesEachByItsOwnLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		two := throttle.Limit{Limit: 2, Per: time.Hour}
		for _, key := range []string{"resets:a", "resets:a", "resets:ab", "gate:a:1", "gate:a:1", "gate:ab:1"} {
			take(t, db, key, five)
		}
		write(t, db, func(tx *store.Tx) error {
			got, err := throttle.PeekAll(t.Context(), tx, throttle.Looks{
				Keys: map[string]throttle.Limit{"resets:a": two, "failures:a": five}, Prefix: "gate:a:", Limit: five,
			})
			if err != nil {
				return err
			}
			if v := got.Keys["resets:a"]; v.Allowed || v.Count != 2 || v.RetryAfter <= 0 {
				t.Errorf("two of two: %+v", v)
			}
			if v := got.Keys["failures:a"]; !v.Allowed || v.Left != 5 || len(got.Keys) != 2 {
				t.Errorf("never tried: %+v of %v", v, got.Keys)
			}
			if v := got.Prefix["1"]; v.Left != 3 || len(got.Prefix) != 1 {
				t.Errorf("the prefix: %v", got.Prefix)
			}
			_, err = throttle.PeekAll(t.Context(), tx, throttle.Looks{Prefix: "gate:a"})
			if err == nil {
				t.Error("a prefix that ends inside a name was taken")
			}
			return nil
		})
		write(t, db, func(tx *store.Tx) error { return throttle.ClearPrefix(t.Context(), tx, "gate:a:", "resets:") })
		write(t, db, func(tx *store.Tx) error {
			got, err := throttle.PeekAll(t.Context(), tx, throttle.Looks{Keys: map[string]throttle.Limit{"resets:a": two}, Prefix: "gate:ab:", Limit: five})
			if err == nil && (!got.Keys["resets:a"].Allowed || got.Prefix["1"].Count != 1) {
				t.Errorf("after clearing: %+v", got)
			}
			return err
		})
	})
}

func TestTheWindowBeginsWithTheFirstTry(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		for range 4 {
			take(t, db, "k", five)
			clock.Advance(14 * time.Minute)
		}
		clock.Advance(4 * time.Minute) // exactly an hour after the first
		if v := take(t, db, "k", five); !v.Allowed || v.Count != 1 {
			t.Errorf("in a new window: %+v", v)
		}
	})
}

func TestALimitWithoutLockWaitsForTheWindow(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		l := throttle.Limit{Limit: 1, Per: time.Hour}
		take(t, db, "k", l)
		clock.Advance(20 * time.Minute)
		if v := take(t, db, "k", l); v.Allowed || v.RetryAfter != 40*time.Minute {
			t.Errorf("%+v", v)
		}
		clock.Advance(40 * time.Minute)
		if v := take(t, db, "k", l); !v.Allowed {
			t.Errorf("after the window: %+v", v)
		}
	})
}

func TestALimitOfZeroRefusesAtOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		l := throttle.Limit{Limit: 0, Per: time.Hour, Lock: time.Hour}
		for n := range 3 {
			if v := take(t, db, "k", l); v.Allowed || v.RetryAfter != time.Hour || v.JustLocked == (n == 1) {
				t.Errorf("try %d: %+v", n, v)
			}
			if n == 1 {
				clock.Advance(time.Hour)
			}
		}
	})
}

func TestReturnGivesATryBackAndLiftsNoLock(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, _ *storetest.Clock) {
		ctx := t.Context()
		giveBack := func() {
			t.Helper()
			write(t, db, func(tx *store.Tx) error { return throttle.Return(ctx, tx, "k") })
		}
		giveBack() // of nothing
		for range 12 {
			if v := take(t, db, "k", five); !v.Allowed || v.Count != 1 {
				t.Fatalf("%+v", v)
			}
			giveBack()
			giveBack() // never below zero
		}
		for range 6 {
			take(t, db, "k", five)
		}
		giveBack()
		if v := take(t, db, "k", five); v.Allowed {
			t.Errorf("a lock was lifted: %+v", v)
		}
	})
}

func TestClearAndPurge(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		ctx := t.Context()
		keys := []string{"gate:o:a:1", "gate:o:a:2", "gate:o:ab:1", "gate:o:a;", "sends:o:a:1"}
		lock := func() {
			for _, key := range keys {
				for range 6 {
					take(t, db, key, five)
				}
			}
		}
		locked := func() (got []bool) {
			for _, key := range keys {
				write(t, db, func(tx *store.Tx) error {
					v, err := throttle.Peek(ctx, tx, key, five)
					got = append(got, !v.Allowed)
					return err
				})
			}
			return got
		}
		lock()
		write(t, db, func(tx *store.Tx) error { return throttle.Clear(ctx, tx, "sends:o:a:1", "not there") })
		write(t, db, func(tx *store.Tx) error { return throttle.ClearPrefix(ctx, tx, "gate:o:a:") })
		if got := fmt.Sprint(locked()); got != "[false false true true false]" {
			t.Errorf("locked after clearing: %s", got)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error { return throttle.ClearPrefix(ctx, tx, "gate:o:a") }); err == nil {
			t.Error("a prefix without its colon was taken")
		}
		purge := func() (n int64) {
			write(t, db, func(tx *store.Tx) (err error) { n, err = throttle.Purge(ctx, tx); return err })
			return n
		}
		clock.Advance(2 * time.Hour)
		if n := purge(); n != 0 {
			t.Errorf("%d locked rows purged", n)
		}
		clock.Advance(22 * time.Hour)
		if n := purge(); n != 2 {
			t.Errorf("%d rows purged, want 2", n)
		}
	})
}

// A node that stops and starts again, or another one, finds the same counters.
func TestCountersOutliveTheirNode(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			url, clock := storetest.URL(t, kind), storetest.NewClock()
			for n := range 7 {
				db, err := store.Open(t.Context(), url, store.Options{Now: clock.Now})
				if err != nil {
					t.Fatal(err)
				}
				if v := take(t, db, "k", five); v.Allowed != (n < 5) || v.JustLocked != (n == 5) {
					t.Errorf("try %d: %+v", n+1, v)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A policy that is made stricter counts what was tried before.
func TestALowerLimitHoldsAtOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, _ *storetest.Clock) {
		for range 4 {
			take(t, db, "k", five)
		}
		stricter := five
		stricter.Limit = 3
		if v := take(t, db, "k", stricter); v.Allowed || !v.JustLocked {
			t.Errorf("%+v", v)
		}
	})
}

// Two nodes on one database, the tries spread over both.
func TestFiftyAtOnceAreJudgedFiveTimes(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			url := storetest.URL(t, kind)
			var nodes []*store.DB
			for range 2 {
				db, err := store.Open(t.Context(), url, store.Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = db.Close() })
				nodes = append(nodes, db)
			}
			var allowed, locked atomic.Int32
			var group sync.WaitGroup
			for n := range 50 {
				group.Go(func() {
					err := nodes[n%2].Write(t.Context(), func(tx *store.Tx) error {
						v, err := throttle.Take(t.Context(), tx, "k", five)
						if v.Allowed {
							allowed.Add(1)
						}
						if v.JustLocked {
							locked.Add(1)
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if allowed.Load() != 5 || locked.Load() != 1 {
				t.Errorf("%d allowed, locked %d times; want 5 and 1", allowed.Load(), locked.Load())
			}
		})
	}
}
