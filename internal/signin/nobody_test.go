package signin_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func said(err error) string {
	p, ok := problem.As(err)
	if !ok {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%s on %q after %v", p.Code, p.Field, p.RetryAfter)
}

// Whatever is typed, and whenever, an account, a user ID of nobody, one of no
// organization and an account without a password answer the same.
func TestNobodyAnswersAsAnAccountDoes(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		random := rand.New(rand.NewPCG(7, 7))
		for step := range 150 {
			pw := fmt.Sprintf("wrong %d", random.IntN(8))
			want := ""
			for _, userID := range []string{alain, nobodyID, "alain@fabrikam.com", hana} {
				from := by
				from.IP = fmt.Sprintf("192.0.2.%d", step) // the address's own limit is another test
				before := w.keys.hashes.Load()
				_, err := w.password(from, "", userID, pw)
				got := fmt.Sprintf("%s, %d hashes", said(err), w.keys.hashes.Load()-before)
				if userID == alain {
					want = got
				}
				if got != want {
					t.Fatalf("step %d, %s: %s, want %s", step, userID, got, want)
				}
			}
			clock.Advance([]time.Duration{0, time.Second, 61 * time.Second, 20 * time.Minute, 2 * time.Hour}[random.IntN(5)])
		}
		if w.count(audit.SignInLocked, "password") == 0 {
			t.Error("nothing was locked")
		}
	})
}

func TestTheHashIsTheSameForEverybody(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		yes := true
		w.put(embedded.Record{UserID: "off@contoso.com", Disabled: &yes}, right)
		for _, userID := range []string{alain, hana, "off@contoso.com", nobodyID, "alain@fabrikam.com"} {
			before := w.keys.hashes.Load()
			if _, err := w.password(by, "", userID, "wrong"); !problem.Has(err, problem.SignInWrong) {
				t.Errorf("%s: %v", userID, err)
			}
			if n := w.keys.hashes.Load() - before; n != 1 {
				t.Errorf("%s: %d hashes", userID, n)
			}
		}
	})
}

func TestOneAddressTriesSoManyPasswords(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		for range 20 {
			w.in(alain, right) // right ones are given back
		}
		var group sync.WaitGroup
		var mu sync.Mutex
		answers := map[problem.Code]int{}
		for n := range 230 {
			group.Go(func() {
				_, err := w.password(by, "", fmt.Sprintf("somebody%d@contoso.com", n), "Password1")
				p, _ := problem.As(err)
				mu.Lock()
				defer mu.Unlock()
				if p != nil {
					answers[p.Code]++
				}
			})
		}
		group.Wait()
		if answers[problem.SignInWrong] != 200 || answers[problem.Blocked] != 30 || w.count(audit.SignInLocked, "address") != 1 {
			t.Fatalf("%v, %d locks recorded", answers, w.count(audit.SignInLocked, "address"))
		}
		if _, err := w.password(by, "", alain, right); !problem.Has(err, problem.Blocked) {
			t.Errorf("the right one from there: %v", err)
		} else if p, _ := problem.As(err); p.RetryAfter <= 0 || p.RetryAfter > 10*time.Minute {
			t.Errorf("to wait: %v", p.RetryAfter)
		}
		elsewhere := by
		elsewhere.IP = "192.0.2.2"
		if _, err := w.password(elsewhere, "", alain, right); err != nil {
			t.Errorf("the right one from elsewhere: %v", err)
		}
		clock.Advance(10*time.Minute + time.Second)
		w.in(alain, right)
	})
}

// What no directory answered is no try.
func TestATryThatWasNotJudgedIsGivenBack(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		for fault, want := range map[error]problem.Code{
			directory.ErrUnavailable: problem.DirectoryUnavailable, directory.ErrRights: problem.DirectoryRefused,
			problem.New(problem.Busy).After(time.Second): problem.Busy,
		} {
			w.people.fault = fault
			for range 201 {
				for _, userID := range []string{alain, nobodyID} {
					if _, err := w.password(by, "", userID, right); !problem.Has(err, want) {
						t.Fatalf("%v: %v, want %s", fault, err, want)
					}
				}
			}
		}
		w.people.fault = nil
		w.in(alain, right)
		if n := w.count(audit.SignInFailed, ""); n != 0 {
			t.Errorf("%d failures recorded", n)
		}
	})
}

// Of what was typed for nobody too little is kept to find it out, and not for ever.
func TestWhatIsKeptOfNobody(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		for n := range 5 {
			_, _ = w.password(by, "", nobodyID, fmt.Sprintf("wrong %d", n))
		}
		var rows, size int
		kept := func() {
			must(t, db.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT COUNT(*), COALESCE(MAX(LENGTH(wrong)), 0) FROM signin_nobody`).Scan(&rows, &size)
			}))
		}
		if kept(); rows != 1 || size != 3*2 {
			t.Errorf("%d rows, %d bytes of wrong passwords", rows, size)
		}
		in := w.in(alain, right)
		must(t, w.s.Skip(t.Context(), by, in.Token, in.Signed))
		clock.Advance(session.Overall + time.Second)
		must(t, db.Write(t.Context(), func(tx *store.Tx) error { return w.s.Purge(t.Context(), tx) }))
		if kept(); rows != 1 {
			t.Error("forgotten after a day")
		}
		var answered int
		must(t, db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM signin_interrupt`).Scan(&answered)
		}))
		if answered != 0 {
			t.Error("the answers of sessions that are over are kept")
		}
		clock.Advance(day(30))
		must(t, db.Write(t.Context(), func(tx *store.Tx) error { return w.s.Purge(t.Context(), tx) }))
		if kept(); rows != 0 {
			t.Error("kept for ever")
		}
	})
}
