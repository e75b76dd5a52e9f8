package challenge_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var by = audit.Actor{Kind: audit.Anonymous}

// outbox keeps what was queued.
type outbox struct {
	mu   sync.Mutex
	sent []notify.Message
}

func (o *outbox) Queue(_ context.Context, _ *store.Tx, m notify.Message) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, m)
	return m.Key, nil
}

func (o *outbox) code(t *testing.T) string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.sent) - 1; i >= 0; i-- {
		if c, ok := o.sent[i].Body.(notify.Code); ok {
			return c.Code
		}
	}
	t.Fatal("no code was sent")
	return ""
}

type world struct {
	t       *testing.T
	db      *store.DB
	clock   *storetest.Clock
	org     *org.Organization
	audit   *audit.Service
	methods *method.Service
	s       *challenge.Service
	out     *outbox
	account account.Account
	keys    *secret.Keyset
}

func newWorld(t *testing.T, db *store.DB, clock *storetest.Clock) *world {
	t.Helper()
	keys := secrettest.NewTestKeyset(t)
	w := &world{t: t, db: db, clock: clock, audit: audittest.New(t, db), out: &outbox{}, keys: keys}
	w.org, _ = orgtest.Contoso(t, db, w.audit)
	var err error
	if w.methods, err = method.New(method.Deps{Keys: keys, HashMemory: 64, RelyingParty: "kunci.contoso.com"}); err != nil {
		t.Fatal(err)
	}
	if w.s, err = challenge.New(challenge.Deps{Keys: keys, Methods: w.methods, Audit: w.audit, Messages: w.out, PublicURL: "https://kunci.contoso.com"}); err != nil {
		t.Fatal(err)
	}
	w.account = account.Account{ID: store.NewID(), OrgID: w.org.ID, Entry: directory.Entry{UserID: "alain@contoso.com"}}
	return w
}

func (w *world) write(do func(tx *store.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), do); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) email() (m method.Method) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(w.t.Context(), tx, method.Method{
			OrgID: w.org.ID, AccountID: w.account.ID, Kind: method.Email, Value: "alain@example.org", Proved: true, ProvedBy: method.ByPerson,
		})
		return err
	})
	return m
}

func (w *world) start(m method.Method, p challenge.Purpose, owner string) challenge.Start {
	return challenge.Start{Org: w.org, Account: w.account, Method: m, Purpose: p, Owner: owner, Gate: 1}
}

func (w *world) sent(in challenge.Start) (c challenge.Challenge, code string) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		begun, err := w.s.Begin(w.t.Context(), tx, by, in)
		if err != nil {
			return err
		}
		r, err := w.s.Send(w.t.Context(), tx, by, in, begun)
		if err == nil && !r.Sent {
			err = errors.New("not sent")
		}
		c = r.Challenge
		return err
	})
	return c, w.out.code(w.t)
}

func (w *world) answer(db *store.DB, c challenge.Challenge, m method.Method, code string) challenge.Result {
	w.t.Helper()
	a, err := w.s.Prepare(w.t.Context(), m, code)
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

func wrong(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestACodePassesOnceAndOnlyInItsMinutes(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		c, code := w.sent(w.start(m, challenge.Reset, "flow-1"))
		if len(code) != 8 {
			t.Fatalf("code of %d digits", len(code))
		}
		if r := w.answer(db, c, m, wrong(code)); r.Outcome != challenge.OutcomeWrong || r.Left != 4 {
			t.Fatalf("wrong code: %+v", r)
		}
		if r := w.answer(db, c, m, code[:4]+" "+code[4:]); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("right code: %+v", r)
		}
		if r := w.answer(db, c, m, code); r.Outcome != challenge.OutcomeExpired {
			t.Fatalf("second use: %+v", r)
		}
		c, code = w.sent(w.start(m, challenge.Reset, "flow-2"))
		clock.Advance(10 * time.Minute)
		if r := w.answer(db, c, m, code); r.Outcome != challenge.OutcomeExpired {
			t.Fatalf("after its minutes: %+v", r)
		}
	})
}

func TestSendingAgainRepeatsTheLivingCode(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		first, code := w.sent(w.start(m, challenge.Reset, "flow-1"))
		clock.Advance(time.Minute)
		again, repeated := w.sent(w.start(m, challenge.Reset, "flow-1"))
		if again.ID != first.ID || repeated != code || !again.ExpiresAt.Equal(first.ExpiresAt) {
			t.Fatal("sending again made another code")
		}
		clock.Advance(9 * time.Minute)
		if _, fresh := w.sent(w.start(m, challenge.Reset, "flow-1")); fresh == code {
			t.Error("a code that is over was sent again")
		}
	})
}

func TestElevenSendsAreTenMails(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		in := w.start(w.email(), challenge.Reset, "flow-1")
		for range 10 {
			w.sent(in)
		}
		w.write(func(tx *store.Tx) error {
			c, err := w.s.Begin(t.Context(), tx, by, in)
			if err != nil {
				return err
			}
			r, err := w.s.Send(t.Context(), tx, by, in, c)
			if r.Sent || r.RetryAfter != 24*time.Hour {
				t.Errorf("the eleventh: %+v", r)
			}
			return err
		})
		if len(w.out.sent) != 10 {
			t.Errorf("%d mails", len(w.out.sent))
		}
	})
}

// Fifty guesses at once, through two flows' worth of handles: five are judged,
// and the right answer afterwards gets the same reply as a wrong one.
func TestFiftyParallelGuessesMakeFive(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		c, code := w.sent(w.start(m, challenge.Reset, "flow-1"))
		var mu sync.Mutex
		outcomes := map[challenge.Outcome]int{}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				r := w.answer(db, c, m, wrong(code))
				mu.Lock()
				outcomes[r.Outcome]++
				mu.Unlock()
			})
		}
		all.Wait()
		if outcomes[challenge.OutcomeWrong] != 5 || outcomes[challenge.OutcomeBlocked] != 45 {
			t.Fatalf("outcomes %v", outcomes)
		}
		right, bad := w.answer(db, c, m, code), w.answer(db, c, m, wrong(code))
		if right.Outcome != challenge.OutcomeBlocked || bad.Outcome != right.Outcome || bad.Code != right.Code {
			t.Fatalf("while blocked: right %+v, wrong %+v", right, bad)
		}
		// A new code and a new flow reset nothing.
		c, code = w.sent(w.start(m, challenge.Reset, "flow-2"))
		if r := w.answer(db, c, m, code); r.Outcome != challenge.OutcomeBlocked {
			t.Fatalf("another flow: %+v", r)
		}
	})
}

func TestParallelRightAnswersHaveOneWinner(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		c, code := w.sent(w.start(m, challenge.Reset, "flow-1"))
		var mu sync.Mutex
		won := 0
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				if r := w.answer(db, c, m, code); r.Outcome == challenge.OutcomePassed {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if won != 1 {
			t.Fatalf("%d winners", won)
		}
	})
}

func TestFailuresOfAResetDoNotLockTheSignIn(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		c, code := w.sent(w.start(m, challenge.Reset, "flow-1"))
		for range 6 {
			w.answer(db, c, m, wrong(code))
		}
		c, code = w.sent(w.start(m, challenge.StepUp, "session-1"))
		if r := w.answer(db, c, m, code); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("at the other door: %+v", r)
		}
	})
}

func TestFailuresAtSignInCountAgainstResets(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		c, code := w.sent(w.start(m, challenge.StepUp, "session-1"))
		for range 5 {
			w.answer(db, c, m, wrong(code))
		}
		c, code = w.sent(w.start(m, challenge.Reset, "flow-1"))
		if r := w.answer(db, c, m, code); r.Outcome != challenge.OutcomeBlocked {
			t.Fatalf("reset after five failures elsewhere: %+v", r)
		}
	})
}

func TestAHundredFailuresInARowDisableTheMethod(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		for i := 0; i < method.DisableAfter; i++ {
			if i%4 == 0 {
				clock.Advance(25 * time.Hour)
			}
			c, code := w.sent(w.start(m, challenge.Reset, "flow"))
			if r := w.answer(db, c, m, wrong(code)); r.Outcome != challenge.OutcomeWrong {
				t.Fatalf("try %d: %+v", i, r)
			}
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := w.s.Begin(t.Context(), tx, by, w.start(m, challenge.Reset, "flow"))
			return err
		})
		if !errors.Is(err, problem.New(problem.MethodNotAllowed)) {
			t.Fatalf("after %d failures: %v", method.DisableAfter, err)
		}
		if n, ok := w.out.sent[len(w.out.sent)-1].Body.(notify.MethodNotice); !ok || n.Action != notify.MethodDisabled {
			t.Fatal("nobody was told")
		}
	})
}

func TestARecoveryCodeBurns(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		codes, set, err := w.methods.NewRecoverySet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var m method.Method
		w.write(func(tx *store.Tx) (err error) {
			m, err = w.methods.Add(t.Context(), tx, method.Method{
				OrgID: w.org.ID, AccountID: w.account.ID, Kind: method.RecoveryCode, Secret: set, Proved: true, ProvedBy: method.ByPerson,
			})
			return err
		})
		for i, want := range []challenge.Outcome{challenge.OutcomePassed, challenge.OutcomeWrong} {
			var c challenge.Challenge
			w.write(func(tx *store.Tx) (err error) {
				c, err = w.s.Begin(t.Context(), tx, by, w.start(m, challenge.Reset, "flow-"+string(rune('a'+i))))
				return err
			})
			if r := w.answer(db, c, m, codes[3]); r.Outcome != want {
				t.Fatalf("use %d: %+v", i+1, r)
			}
		}
	})
}
