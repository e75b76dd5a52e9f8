package challenge_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var (
	hotp = method.OATH{Counter: true, Algorithm: method.SHA1, Digits: 6}
	slow = method.OATH{Algorithm: method.SHA256, Digits: 8, Period: 60}
	seed = []byte("12345678901234567890")
)

// token makes a token that the account uses already.
func (w *world) token(o method.OATH, last int64) (t method.Token, m method.Method) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		t, err = w.methods.AddToken(w.t.Context(), tx, method.Token{OrgID: w.org.ID, Serial: store.NewID(), OATH: o, Seed: []byte(store.NewToken()), LastStep: last})
		if err != nil {
			return err
		}
		if err = w.methods.AssignToken(w.t.Context(), tx, w.org.ID, t.ID, w.account.ID); err != nil {
			return err
		}
		t.AccountID = w.account.ID
		m = t.Method()
		m.Proved, m.ProvedBy = true, method.ByPerson
		m, err = w.methods.Add(w.t.Context(), tx, m)
		return err
	})
	return t, m
}

func (w *world) stored(t method.Token) (now method.Token) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		now, err = w.methods.Token(w.t.Context(), tx, t.OrgID, t.ID)
		return err
	})
	return now
}

type try struct {
	step int64
	want problem.Code
	last int64 // the highest accepted step afterwards
}

// tries answers with codes of steps, each for a purpose of its own turn, and
// forgets the limits in between: they have tests of their own.
func (w *world) tries(name string, t method.Token, m method.Method, all []try) {
	w.t.Helper()
	for i, c := range all {
		purpose := []challenge.Purpose{challenge.Reset, challenge.SignIn, challenge.StepUp}[i%3]
		r := w.answer(w.db, w.begin(m, purpose, "owner-"+string(rune('a'+i))), m, t.OATH.Code(t.Seed, c.step))
		if r.Code != c.want || (c.want == "") != (r.Outcome == challenge.OutcomePassed) {
			w.t.Errorf("%s: answer %d, step %d: %+v, want %q", name, i, c.step, r, c.want)
		}
		if got := w.stored(t); got.LastStep != c.last {
			w.t.Errorf("%s: answer %d, step %d: the highest step is %d, want %d", name, i, c.step, got.LastStep, c.last)
		}
		w.write(func(tx *store.Tx) error { return w.s.ClearLimits(w.t.Context(), tx, w.org.ID, w.account.ID) })
	}
}

func TestACounterToken(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		const wrong, used = problem.CodeWrong, problem.CodeUsed
		for name, c := range map[string]struct {
			last  int64
			tries []try
		}{
			"one after another":         {-1, []try{{0, "", 0}, {1, "", 1}, {2, "", 2}}},
			"once":                      {-1, []try{{0, "", 0}, {0, used, 0}, {1, "", 1}, {0, wrong, 1}}},
			"pressed in between":        {4, []try{{14, "", 14}, {13, wrong, 14}, {24, "", 24}}},
			"too often":                 {4, []try{{15, wrong, 4}, {17, wrong, 4}, {5, "", 5}}},
			"two that follow":           {4, []try{{500, wrong, 4}, {501, "", 501}, {500, wrong, 501}, {501, used, 501}, {502, "", 502}}},
			"the same twice":            {4, []try{{500, wrong, 4}, {500, wrong, 4}, {501, "", 501}}},
			"another in between":        {4, []try{{500, wrong, 4}, {300, wrong, 4}, {501, wrong, 4}, {502, "", 502}}},
			"in step in between":        {4, []try{{500, wrong, 4}, {6, "", 6}, {501, wrong, 6}}},
			"farther than it is looked": {4, []try{{1005, wrong, 4}, {1006, wrong, 4}}},
			"as far as it is looked":    {4, []try{{1004, wrong, 4}, {1005, "", 1005}}},
		} {
			w := newWorld(t, db, clock)
			w.account.ID = store.NewID()
			token, m := w.token(hotp, c.last)
			w.tries(name, token, m, c.tries)
		}
	})
}

func TestATimeToken(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		const wrong, used = problem.CodeWrong, problem.CodeUsed
		now := slow.Step(clock.Now())
		const none = -1 << 40
		at := func(off int64, want problem.Code, last int64) try {
			if last == none {
				return try{now + off, want, 0}
			}
			return try{now + off, want, now + last}
		}
		for name, tries := range map[string][]try{
			"once":                   {at(0, "", 0), at(0, used, 0)},
			"a period late":          {at(-1, "", -1), at(0, "", 0)},
			"a period early":         {at(1, "", 1), at(0, used, 1)},
			"too early, too late":    {at(2, wrong, none), at(-2, wrong, none)},
			"two that follow, ahead": {at(30, wrong, none), at(31, "", 31), at(31, used, 31), at(32, "", 32)},
			"two that follow, late":  {at(-30, wrong, none), at(-29, "", -29), at(-28, "", -28), at(0, wrong, -28)},
			"farther off":            {at(61, wrong, none), at(62, wrong, none)},
		} {
			w := newWorld(t, db, clock)
			w.account.ID = store.NewID()
			token, m := w.token(slow, 0)
			w.tries(name, token, m, tries)
		}
	})
}

// Ordinary use moves the window along with a slow or fast clock, but only so
// far: what is further off has to be brought back by two codes.
func TestAClockThatDrifts(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		token, m := w.token(method.AppOATH, 0)
		passes := func(off int64) bool {
			clock.Advance(30 * 30 * time.Second)
			r := w.answer(db, w.begin(m, challenge.SignIn, store.NewID()), m, token.OATH.Code(token.Seed, token.OATH.Step(clock.Now())+off))
			w.write(func(tx *store.Tx) error { return w.s.ClearLimits(t.Context(), tx, w.org.ID, w.account.ID) })
			return r.Outcome == challenge.OutcomePassed
		}
		for off := int64(1); off <= 11; off++ {
			if !passes(off) {
				t.Fatalf("%d steps ahead: refused", off)
			}
		}
		if drift := w.stored(token).Drift; drift != 10 {
			t.Errorf("the window moved by %d steps", drift)
		}
		if passes(12) {
			t.Error("the window moved without an end")
		}
	})
}

func TestATokenCodeUsedAtOnceWorksOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		for _, o := range []method.OATH{hotp, slow} {
			w := newWorld(t, db, clock)
			w.account.ID = store.NewID()
			token, _ := w.token(o, 0)
			step := o.Step(clock.Now()) + 1
			var used atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					err := db.Write(t.Context(), func(tx *store.Tx) error {
						first, err := w.methods.UseToken(t.Context(), tx, token, "method", step, 0)
						if first {
							used.Add(1)
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if used.Load() != 1 {
				t.Errorf("the step was used %d times", used.Load())
			}
		}
	})
}

// A token that was taken back proves nothing, and its next holder cannot be
// proved by codes that the one before has seen.
func TestATokenChangesHands(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		token, m := w.token(hotp, -1)
		w.tries("first holder", token, m, []try{{5, "", 5}})
		a, err := w.s.Prepare(t.Context(), m, token.OATH.Code(token.Seed, 6))
		if err != nil {
			t.Fatal(err)
		}
		c := w.begin(m, challenge.Reset, "flow")
		token = w.stored(token)
		w.write(func(tx *store.Tx) error { return w.methods.TakeToken(t.Context(), tx, token) })
		w.write(func(tx *store.Tx) error {
			r, err := w.s.Pass(t.Context(), tx, by, w.org, c, a)
			if r.Outcome != challenge.OutcomeExpired {
				t.Errorf("taken back: %+v", r)
			}
			return err
		})
		w.account.ID = store.NewID()
		w.write(func(tx *store.Tx) (err error) {
			if err = w.methods.AssignToken(t.Context(), tx, w.org.ID, token.ID, w.account.ID); err != nil {
				return err
			}
			token, err = w.methods.Token(t.Context(), tx, w.org.ID, token.ID)
			if err != nil {
				return err
			}
			m = token.Method()
			m.Proved, m.ProvedBy = true, method.ByPerson
			m, err = w.methods.Add(t.Context(), tx, m)
			return err
		})
		w.tries("next holder", token, m, []try{{3, problem.CodeWrong, 5}, {5, problem.CodeUsed, 5}, {6, "", 6}})
	})
}

// The row of an app says how its codes are made.
func TestAnAppWithOtherParameters(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		for _, o := range []method.OATH{
			{}, {Algorithm: method.SHA256, Digits: 6, Period: 30}, {Algorithm: method.SHA512, Digits: 8, Period: 60}, {Algorithm: method.SHA1, Digits: 8, Period: 30},
		} {
			w := newWorld(t, db, clock)
			w.account.ID = store.NewID()
			var m method.Method
			w.write(func(tx *store.Tx) (err error) {
				m, err = w.methods.Add(t.Context(), tx, method.Method{OrgID: w.org.ID, AccountID: w.account.ID,
					Kind: method.AuthenticatorCode, Secret: seed, OATH: o, Proved: true, ProvedBy: method.ByPerson})
				if err == nil {
					m, err = w.methods.Get(t.Context(), tx, w.org.ID, w.account.ID, m.ID)
				}
				return err
			})
			if o == (method.OATH{}) {
				o = method.AppOATH
			}
			if m.OATH != o {
				t.Errorf("stored %+v, read %+v", o, m.OATH)
			}
			code := o.Code(seed, o.Step(clock.Now()))
			if r := w.answer(db, w.begin(m, challenge.Reset, "flow"), m, code); r.Outcome != challenge.OutcomePassed {
				t.Errorf("%+v: %+v", o, r)
			}
			if _, err := w.s.Prepare(t.Context(), m, code+"0"); !problem.Has(err, problem.CodeFormat) {
				t.Errorf("%+v takes a longer code: %v", o, err)
			}
		}
	})
}
