package challenge_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// told keeps which devices were told that something waits.
type told struct{ all []method.Method }

func (p *told) Push(_ context.Context, _ *store.Tx, m method.Method, _ string, _ time.Time) error {
	p.all = append(p.all, m)
	return nil
}

// device gives somebody a proved device and the token its browser keeps.
func (w *world) device(a account.Account, subscribed bool) (method.Method, string) {
	w.t.Helper()
	m, token := w.methods.NewDevice(a.OrgID, a.ID)
	m.Proved, m.ProvedBy = true, method.ByPerson
	if subscribed {
		m.Subscription.Endpoint = "https://push.example/" + a.ID
	}
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(w.t.Context(), tx, m)
		return err
	})
	return m, token
}

func (w *world) number(c challenge.Challenge) string { return w.s.Number(c, w.clock.Now()) }

// typedOn judges a number as if it was typed in a browser with these tokens.
func (w *world) typedOn(db *store.DB, c challenge.Challenge, m method.Method, tokens, number string) challenge.Result {
	w.t.Helper()
	a, err := w.s.PrepareDevice(m, tokens, number)
	if err != nil {
		w.t.Error(err)
		return challenge.Result{}
	}
	var r challenge.Result
	if err := db.Write(w.t.Context(), func(tx *store.Tx) (err error) {
		r, err = w.s.Pass(w.t.Context(), tx, by, w.org, c, a)
		return err
	}); err != nil {
		w.t.Error(err)
	}
	return r
}

func (w *world) requests(tokens string) (all []challenge.Request) {
	w.t.Helper()
	if err := w.db.Read(w.t.Context(), func(tx *store.Tx) (err error) {
		all, err = w.s.Waiting(w.t.Context(), tx, tokens)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func notNumber(n string) string {
	if n == "42" {
		return "43"
	}
	return "42"
}

// asking opens a request that waits.
func (w *world) asking(in challenge.Start) challenge.Challenge {
	w.t.Helper()
	r, err := w.send(in)
	if err != nil || !r.Sent {
		w.t.Fatalf("the request was not sent: %+v, %v", r, err)
	}
	return r.Challenge
}

func TestARequestIsAnsweredOnItsDeviceAlone(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, token := w.device(w.account, false)
		stranger := account.Account{ID: store.NewID(), OrgID: w.org.ID, Entry: directory.Entry{UserID: "citra@contoso.com"}}
		_, theirs := w.device(stranger, false)
		second, other := w.device(w.account, false)

		in := w.start(m, challenge.Reset, "flow-1")
		if len(w.requests(token)) != 0 {
			t.Error("something waits before anything was asked")
		}
		c := w.asking(in)
		n := w.number(c)
		if v, err := strconv.Atoi(n); err != nil || v < 10 || v > 99 {
			t.Fatalf("the number %q", n)
		}
		if all := w.requests(theirs + "." + token); len(all) != 1 || all[0].ID != c.ID || all[0].UserID != "alain@contoso.com" {
			t.Fatalf("waiting: %+v", all)
		}
		if len(w.requests(theirs)) != 0 || len(w.requests(other)) != 0 || len(w.requests("")) != 0 {
			t.Error("it waits on another device")
		}
		if _, err := w.s.Prepare(t.Context(), m, n); !problem.Has(err, problem.MethodNotAllowed) {
			t.Errorf("typed where the number is shown: %v", err)
		}
		for _, typed := range []string{"", "4", "421", "ab", "4 2 1"} {
			if _, err := w.s.PrepareDevice(m, token, typed); !problem.Has(err, problem.CodeFormat) {
				t.Errorf("%q: %v", typed, err)
			}
		}
		if _, err := w.s.PrepareDevice(w.email(), token, "42"); !problem.Has(err, problem.MethodNotAllowed) {
			t.Errorf("a mailbox: %v", err)
		}
		// The right number from another account's device, from another device of
		// the same account, and from a browser that is none.
		if r := w.typedOn(db, c, m, theirs, n); r.Outcome != challenge.OutcomeWrong || r.Left != 2 {
			t.Errorf("another account's device: %+v", r)
		}
		if r := w.typedOn(db, c, m, other, n); r.Outcome != challenge.OutcomeWrong || r.Left != 1 {
			t.Errorf("another device: %+v", r)
		}
		if r := w.typedOn(db, c, m, token, n[:1]+" "+n[1:]); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("the right answer: %+v", r)
		}
		if r := w.typedOn(db, c, m, token, n); r.Outcome != challenge.OutcomeExpired {
			t.Errorf("the same answer again: %+v", r)
		}
		if len(w.requests(token)) != 0 {
			t.Error("it waits although it was answered")
		}

		// A request on the second device ends the one on the first.
		clock.Advance(pause)
		c = w.asking(w.start(m, challenge.Reset, "flow-2"))
		n = w.number(c)
		clock.Advance(pause)
		next := w.asking(w.start(second, challenge.Reset, "flow-3"))
		if r := w.typedOn(db, c, m, token, n); r.Outcome != challenge.OutcomeExpired || len(w.requests(token)) != 0 || len(w.requests(other)) != 1 {
			t.Errorf("two requests wait: %+v", r)
		}
		// Two minutes, and not one more.
		n = w.number(next)
		clock.Advance(challenge.PushLife)
		if r := w.typedOn(db, next, second, other, n); r.Outcome != challenge.OutcomeExpired || w.number(next) != "" || len(w.requests(other)) != 0 {
			t.Errorf("after two minutes: %+v", r)
		}
	})
}

// Resets can be begun by anybody: they take no request away from somebody who
// signs in, on no device, and from another reset only after the pause.
func TestAResetTakesNoRequestAway(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, token := w.device(w.account, false)
		second, other := w.device(w.account, false)
		in := w.asking(w.start(m, challenge.SignIn, "session-1"))
		clock.Advance(pause)
		for _, on := range []method.Method{m, second} {
			r, err := w.send(w.start(on, challenge.Reset, "flow-1"))
			if refusal, ok := problem.As(err); ok {
				err, r.Code, r.RetryAfter = nil, refusal.Code, refusal.RetryAfter
			}
			if err != nil || r.Sent || r.Code != problem.SendLimit || r.RetryAfter <= 0 || r.RetryAfter > challenge.PushLife {
				t.Errorf("a reset while somebody signs in: %+v, %v", r, err)
			}
		}
		if all := w.requests(token + "." + other); len(all) != 1 || all[0].ID != in.ID {
			t.Fatalf("waiting: %+v", all)
		}
		// Signing in ends what a stranger began.
		clock.Advance(challenge.PushLife)
		w.asking(w.start(second, challenge.Reset, "flow-1"))
		in = w.asking(w.start(m, challenge.SignIn, "session-1"))
		if all := w.requests(token + "." + other); len(all) != 1 || all[0].ID != in.ID {
			t.Errorf("waiting: %+v", all)
		}
	})
}

const pause = time.Minute + time.Second

func TestThreeWrongNumbersEndARequest(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, token := w.device(w.account, false)
		c := w.asking(w.start(m, challenge.Reset, "flow-1"))
		n := w.number(c)
		for left := 2; left >= 0; left-- {
			if r := w.typedOn(db, c, m, token, notNumber(n)); r.Outcome != challenge.OutcomeWrong || r.Left != left {
				t.Errorf("wrong, with %d left: %+v", left, r)
			}
		}
		if r := w.typedOn(db, c, m, token, n); r.Outcome != challenge.OutcomeExpired {
			t.Errorf("right after three wrong ones: %+v", r)
		}
		// They count like every wrong answer: two more, and the gate is locked.
		clock.Advance(pause)
		c = w.asking(w.start(m, challenge.Reset, "flow-1"))
		n = w.number(c)
		w.typedOn(db, c, m, token, notNumber(n))
		w.typedOn(db, c, m, token, notNumber(n))
		if r := w.typedOn(db, c, m, token, n); r.Outcome != challenge.OutcomeBlocked {
			t.Errorf("the sixth: %+v", r)
		}
	})
}

func TestRequestsAreCounted(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, _ := w.device(w.account, false)
		first := w.asking(w.start(m, challenge.Reset, "flow-0"))
		n := w.number(first)
		if r, err := w.send(w.start(m, challenge.Reset, "flow-0")); err != nil || r.Sent || r.Code != problem.SendLimit || r.RetryAfter <= 0 || r.RetryAfter > time.Minute {
			t.Fatalf("at once again: %+v, %v", r, err)
		}
		clock.Advance(pause)
		again := w.asking(w.start(m, challenge.Reset, "flow-0"))
		if w.number(again) != n || !again.ExpiresAt.Equal(first.ExpiresAt) {
			t.Error("asking again while it waits makes another number, or a longer wait")
		}
		sent := 2
		for ; sent < 20; sent++ {
			clock.Advance(pause)
			if r, err := w.send(w.start(m, challenge.Reset, "flow-"+strconv.Itoa(sent))); err != nil {
				t.Fatal(err)
			} else if !r.Sent {
				break
			}
		}
		if sent != 10 {
			t.Errorf("%d requests within an hour, want 10", sent)
		}
		if r, err := w.send(w.start(m, challenge.SignIn, "session-1")); err != nil || !r.Sent {
			t.Errorf("resets keep the person from signing in: %+v, %v", r, err)
		}
		clock.Advance(time.Hour)
		w.asking(w.start(m, challenge.Reset, "flow-late"))
	})
}

func TestOnlySubscribedDevicesAreTold(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		pushes := &told{}
		var err error
		w.s, err = challenge.New(challenge.Deps{Keys: w.keys, Methods: w.methods, Audit: w.audit, Messages: w.out, Pushes: pushes, PublicURL: "https://kunci.contoso.com"})
		if err != nil {
			t.Fatal(err)
		}
		silent, _ := w.device(w.account, false)
		loud, _ := w.device(w.account, true)
		w.asking(w.start(silent, challenge.Reset, "flow-1"))
		if len(pushes.all) != 0 {
			t.Error("a device without a subscription is told")
		}
		clock.Advance(pause)
		w.asking(w.start(loud, challenge.Reset, "flow-2"))
		if len(pushes.all) != 1 || pushes.all[0].ID != loud.ID {
			t.Errorf("told: %+v", pushes.all)
		}
	})
}

// An answer raises a session once, where it was asked for, and only for a short time.
func TestAnAnswerIsRedeemedOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, token := w.device(w.account, false)
		redeem := func(owner string, p challenge.Purpose) error {
			return db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := w.s.Redeem(t.Context(), tx, owner, m.ID, p)
				return err
			})
		}
		c := w.asking(w.start(m, challenge.SignIn, "session-1"))
		if err := redeem("session-1", challenge.SignIn); !problem.Has(err, problem.NotFound) {
			t.Errorf("not answered: %v", err)
		}
		w.typedOn(db, c, m, token, w.number(c))
		for name, err := range map[string]error{"another session": redeem("session-2", challenge.SignIn), "another purpose": redeem("session-1", challenge.StepUp)} {
			if !problem.Has(err, problem.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var all sync.WaitGroup
		won := make(chan bool, 8)
		for range 8 {
			all.Go(func() { won <- redeem("session-1", challenge.SignIn) == nil })
		}
		all.Wait()
		close(won)
		n := 0
		for ok := range won {
			if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("redeemed %d times", n)
		}
		clock.Advance(pause)
		c = w.asking(w.start(m, challenge.SignIn, "session-1"))
		w.typedOn(db, c, m, token, w.number(c))
		clock.Advance(2 * time.Minute)
		if err := redeem("session-1", challenge.SignIn); !problem.Has(err, problem.NotFound) {
			t.Errorf("an old answer: %v", err)
		}
	})
}

func TestParallelAnswersOnADeviceHaveOneWinner(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, token := w.device(w.account, false)
		c := w.asking(w.start(m, challenge.Reset, "flow-1"))
		n := w.number(c)
		var all sync.WaitGroup
		results := make(chan challenge.Result, 16)
		for range 16 {
			all.Go(func() { results <- w.typedOn(db, c, m, token, n) })
		}
		all.Wait()
		close(results)
		passed := 0
		for r := range results {
			if r.Outcome == challenge.OutcomePassed {
				passed++
			}
		}
		if passed != 1 {
			t.Errorf("%d passed, want 1", passed)
		}
	})
}

// Registering a device asks nothing of the devices that are there.
func TestRegisteringADeviceLeavesTheOthersAlone(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, token := w.device(w.account, false)
		w.asking(w.start(m, challenge.Reset, "flow-1"))
		fresh, own := w.methods.NewDevice(w.org.ID, w.account.ID)
		w.write(func(tx *store.Tx) (err error) {
			fresh, err = w.methods.Add(t.Context(), tx, fresh)
			return err
		})
		c := w.asking(w.start(fresh, challenge.Register, "session-1"))
		if len(w.requests(token)) != 1 || len(w.requests(own)) != 0 {
			t.Error("a registration ends a request, or waits as one")
		}
		if r := w.typedOn(db, c, fresh, token, w.number(c)); r.Outcome != challenge.OutcomeWrong {
			t.Errorf("proved by another device: %+v", r)
		}
		if r := w.typedOn(db, c, fresh, own, w.number(c)); r.Outcome != challenge.OutcomePassed {
			t.Errorf("proved by itself: %+v", r)
		}
	})
}
