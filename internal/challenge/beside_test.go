package challenge_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// Whoever begins on the same method ends nobody's challenge, whatever they do with
// theirs. All that live have one code, and the first right answer uses it up for all.
func TestFlowsLiveBesideEachOther(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		stranger, code := w.sent(w.start(m, challenge.Reset, "stranger"))
		clock.Advance(4*time.Minute + time.Second)
		mine, same := w.sent(w.start(m, challenge.Reset, "me"))
		if same != code || mine.ID == stranger.ID || !mine.ExpiresAt.Equal(stranger.ExpiresAt) {
			t.Fatalf("two flows have %s until %v and %s until %v", code, stranger.ExpiresAt, same, mine.ExpiresAt)
		}
		if said := w.out.sent[1].Body.(notify.Code).Minutes; said != 6 {
			t.Errorf("the second message says %d minutes", said)
		}
		signIn, other := w.sent(w.start(m, challenge.StepUp, "session"))
		if other == code {
			t.Error("a code of another purpose is the same")
		}
		if r := w.answer(db, signIn, m, code); r.Outcome != challenge.OutcomeWrong {
			t.Errorf("the code of a reset in a session: %+v", r)
		}
		// A stranger goes back and forth, sends again and begins others.
		for i := range 3 {
			w.sent(w.start(m, challenge.Reset, fmt.Sprint("stranger", i)))
		}
		if r := w.answer(db, mine, m, code); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("the person's own flow: %+v", r)
		}
		for range 6 { // not judged, so not counted either
			if r := w.answer(db, stranger, m, code); r.Outcome != challenge.OutcomeExpired {
				t.Fatalf("the used code in another flow: %+v", r)
			}
		}
		again, fresh := w.sent(w.start(m, challenge.Reset, "stranger"))
		if fresh == code || again.ID == stranger.ID {
			t.Error("a used code was sent again")
		}
		if r := w.answer(db, signIn, m, other); r.Outcome != challenge.OutcomePassed {
			t.Errorf("the session's own: %+v", r)
		}
	})
}

// Guesses in many flows are counted on the method: five are judged in all.
func TestFiftyGuessesInFiftyFlowsMakeFive(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		c, code := w.sent(w.start(m, challenge.Reset, "flow-0"))
		flows := []challenge.Challenge{c}
		for i := range 9 {
			c, again := w.sent(w.start(m, challenge.Reset, fmt.Sprint("flow-", i+1)))
			if flows = append(flows, c); again != code {
				t.Fatal("another code")
			}
		}
		var mu sync.Mutex
		outcomes := map[challenge.Outcome]int{}
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				r := w.answer(db, flows[i%len(flows)], m, wrong(code))
				mu.Lock()
				outcomes[r.Outcome]++
				mu.Unlock()
			})
		}
		all.Wait()
		if outcomes[challenge.OutcomeWrong] != 5 || outcomes[challenge.OutcomeBlocked] != 45 {
			t.Errorf("outcomes %v", outcomes)
		}
	})
}

// Of right answers in many flows at once one wins: a code is used once.
func TestRightAnswersInManyFlowsHaveOneWinner(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email()
		var flows []challenge.Challenge
		var code string
		for i := range 10 {
			var c challenge.Challenge
			c, code = w.sent(w.start(m, challenge.Reset, fmt.Sprint("flow-", i)))
			flows = append(flows, c)
		}
		var mu sync.Mutex
		outcomes := map[challenge.Outcome]int{}
		var all sync.WaitGroup
		for _, c := range flows {
			all.Go(func() {
				r := w.answer(db, c, m, code)
				mu.Lock()
				outcomes[r.Outcome]++
				mu.Unlock()
			})
		}
		all.Wait()
		if outcomes[challenge.OutcomePassed] != 1 || outcomes[challenge.OutcomeExpired] != 9 {
			t.Errorf("outcomes %v", outcomes)
		}
	})
}

// One code in several flows is one code sent to a phone: the pause of texts counts
// it once, and once as used.
func TestASharedCodeIsCountedOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		a, m := w.somebody("alain", method.MobilePhone, "+6281234567842")
		w.account = a
		var last challenge.Challenge
		for i := range 3 {
			in := w.start(m, challenge.Reset, fmt.Sprint("flow-", i))
			if r, err := w.typed(in, "081234567842"); err != nil || r.Outcome != challenge.OutcomeTyped {
				t.Fatalf("%+v, %v", r, err)
			}
			r, err := w.send(in)
			if err != nil || !r.Sent {
				t.Fatalf("%+v, %v", r, err)
			}
			last = r.Challenge
		}
		if r := w.answer(db, last, m, w.out.code(t)); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("%+v", r)
		}
		w.write(func(tx *store.Tx) error {
			var sent, passed int
			err := tx.QueryRow(t.Context(), `SELECT SUM(sent), SUM(passed) FROM challenge_phone WHERE org_id = $1`, w.org.ID).Scan(&sent, &passed)
			if sent != 1 || passed != 1 {
				t.Errorf("%d sent, %d used", sent, passed)
			}
			return err
		})
	})
}
