package challenge_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// pass issues a pass that begins and ends at these distances from now.
func (w *world) pass(from, until time.Duration, reusable bool) (m method.Method, code string) {
	w.t.Helper()
	code, hash, err := w.methods.NewPass(w.t.Context(), 12)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(w.t.Context(), tx, method.Method{
			OrgID: w.org.ID, AccountID: w.account.ID, Kind: method.TemporaryAccessPass, Secret: hash, Proved: true, ProvedBy: method.ByAdministrator,
			ValidFrom: tx.Now().Add(from), ValidUntil: tx.Now().Add(until), Reusable: reusable,
		})
		return err
	})
	return m, code
}

func (w *world) begin(m method.Method, p challenge.Purpose, owner string) (c challenge.Challenge) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		c, err = w.s.Begin(w.t.Context(), tx, by, w.start(m, p, owner))
		return err
	})
	return c
}

// What is not a valid pass at this time is answered like a wrong one, in every respect.
func TestAPassCountsInItsTimeAndOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		for _, c := range []struct {
			name        string
			from, until time.Duration
			reusable    bool
			wait        time.Duration
			first, then challenge.Outcome
		}{
			{"now", 0, time.Hour, false, 0, challenge.OutcomePassed, challenge.OutcomeWrong},
			{"at its last moment", 0, time.Hour, false, time.Hour - time.Microsecond, challenge.OutcomePassed, challenge.OutcomeWrong},
			{"over", 0, time.Hour, false, time.Hour, challenge.OutcomeWrong, challenge.OutcomeWrong},
			{"not begun", time.Hour, 2 * time.Hour, false, time.Hour - time.Second, challenge.OutcomeWrong, challenge.OutcomeWrong},
			{"begun later", time.Hour, 2 * time.Hour, false, time.Hour, challenge.OutcomePassed, challenge.OutcomeWrong},
			{"more than once", 0, time.Hour, true, 0, challenge.OutcomePassed, challenge.OutcomePassed},
			{"more than once, over", 0, time.Hour, true, 2 * time.Hour, challenge.OutcomeWrong, challenge.OutcomeWrong},
		} {
			w := newWorld(t, db, clock)
			w.account.ID = store.NewID()
			m, code := w.pass(c.from, c.until, c.reusable)
			clock.Advance(c.wait)
			for i, want := range []challenge.Outcome{c.first, c.then} {
				purpose := []challenge.Purpose{challenge.Reset, challenge.SignIn}[i]
				r := w.answer(db, w.begin(m, purpose, "owner"), m, strings.ToUpper(code))
				if r.Outcome != want || want == challenge.OutcomeWrong && r.Code != problem.CodeWrong {
					t.Errorf("%s, use %d: %+v", c.name, i+1, r)
				}
			}
		}
	})
}

func TestAPassUsedAtOnceWorksOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, code := w.pass(0, time.Hour, false)
		a, err := w.s.Prepare(t.Context(), m, code)
		if err != nil {
			t.Fatal(err)
		}
		c := w.begin(m, challenge.Reset, "flow")
		var passed atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				err := db.Write(t.Context(), func(tx *store.Tx) error {
					used, err := w.methods.UsePass(t.Context(), tx, m)
					if used {
						passed.Add(1)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 {
			t.Errorf("the pass was used %d times", passed.Load())
		}
		w.write(func(tx *store.Tx) error {
			r, err := w.s.Pass(t.Context(), tx, by, w.org, c, a)
			if r.Outcome != challenge.OutcomeWrong {
				t.Errorf("a burnt pass: %+v", r)
			}
			return err
		})
	})
}

// A new pass takes the place of the old one, and of what was proved with it.
func TestThereIsOnePass(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		old, code := w.pass(0, time.Hour, false)
		c := w.begin(old, challenge.Reset, "flow")
		m, _ := w.pass(0, time.Hour, false)
		if r := w.answer(db, c, old, code); r.Outcome != challenge.OutcomeExpired {
			t.Errorf("the old pass: %+v", r)
		}
		var have []method.Method
		w.write(func(tx *store.Tx) (err error) {
			have, err = w.methods.List(t.Context(), tx, w.org.ID, w.account.ID)
			return err
		})
		if len(have) != 1 || have[0].ID != m.ID || !have[0].Usable() || have[0].Reusable {
			t.Errorf("methods %+v", have)
		}
		clock.Advance(time.Hour)
		w.write(func(tx *store.Tx) (err error) {
			have, err = w.methods.List(t.Context(), tx, w.org.ID, w.account.ID)
			return err
		})
		if len(have) != 1 || have[0].Usable() {
			t.Errorf("a pass that is over can be used: %+v", have)
		}
		clock.Advance(25 * time.Hour)
		w.write(func(tx *store.Tx) error {
			if n, err := w.methods.Purge(t.Context(), tx); err != nil || n != 1 {
				t.Errorf("purged %d, %v", n, err)
			}
			return nil
		})
	})
}

func TestUsingAPassIsRecorded(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, code := w.pass(0, time.Hour, false)
		if r := w.answer(db, w.begin(m, challenge.StepUp, "session"), m, code); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("%+v", r)
		}
		var events []audit.Record
		w.write(func(tx *store.Tx) (err error) {
			events, err = w.audit.List(t.Context(), tx, audit.Query{Limit: 10})
			return err
		})
		for _, e := range events {
			if e.Kind == audit.TapUsed && e.Reason == "stepup" && e.MethodID == m.ID {
				return
			}
		}
		t.Errorf("no event tells of it: %+v", events)
	})
}

func TestNobodyRegistersAPassByProvingIt(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, _ := w.pass(0, time.Hour, false)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := w.s.Begin(t.Context(), tx, by, w.start(m, challenge.Register, "session"))
			return err
		})
		if !problem.Has(err, problem.MethodNotAllowed) {
			t.Errorf("begin: %v", err)
		}
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := w.methods.Add(t.Context(), tx, method.Method{
				OrgID: w.org.ID, AccountID: w.account.ID, Kind: method.TemporaryAccessPass, Secret: m.Secret, Proved: true, ProvedBy: method.ByPerson,
				ValidFrom: m.ValidFrom, ValidUntil: m.ValidUntil,
			})
			return err
		})
		if err == nil {
			t.Error("a person gave themselves a pass")
		}
	})
}
