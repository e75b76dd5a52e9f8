package challenge_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/throttle"
)

// withPhones is a world where texts and calls go to Indonesia.
func withPhones(t *testing.T, db *store.DB, clock *storetest.Clock) *world {
	w := newWorld(t, db, clock)
	o := *w.org
	o.Channels, o.Policy.Phone.Countries = org.Channels{Text: true, Call: true}, []string{"ID"}
	w.org = &o
	return w
}

// somebody is another account with a phone of its own.
func (w *world) somebody(name string, k method.Kind, number string) (account.Account, method.Method) {
	w.t.Helper()
	a := account.Account{ID: store.NewID(), OrgID: w.org.ID, Entry: directory.Entry{UserID: name + "@contoso.com"}}
	var m method.Method
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(w.t.Context(), tx, method.Method{OrgID: w.org.ID, AccountID: a.ID, Kind: k, Value: number, Proved: true, ProvedBy: method.ByPerson})
		return err
	})
	return a, m
}

// send asks for a code; purposes other than a reset need no number typed.
func (w *world) send(in challenge.Start) (r challenge.SendResult, err error) {
	err = w.db.Write(w.t.Context(), func(tx *store.Tx) error {
		c, err := w.s.Begin(w.t.Context(), tx, by, in)
		if err != nil {
			return err
		}
		r, err = w.s.Send(w.t.Context(), tx, by, in, c)
		return err
	})
	return r, err
}

func (w *world) typed(in challenge.Start, number string) (r challenge.Result, err error) {
	err = w.db.Write(w.t.Context(), func(tx *store.Tx) error {
		c, err := w.s.Begin(w.t.Context(), tx, by, in)
		if err != nil {
			return err
		}
		r, err = w.s.Destination(w.t.Context(), tx, by, w.org, c, number)
		return err
	})
	return r, err
}

func TestNothingIsSentBeforeTheNumberIsTyped(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		a, m := w.somebody("alain", method.MobilePhone, "+6281234567842")
		w.account = a
		in := w.start(m, challenge.Reset, "flow-1")
		if _, err := w.send(in); !problem.Has(err, problem.Required) {
			t.Fatalf("sent without a number: %v", err)
		}
		if _, err := w.typed(in, "no number"); !problem.Has(err, problem.PhoneInvalid) {
			t.Errorf("no number at all: %v", err)
		}
		if r, err := w.typed(in, "0812 3456 7841"); err != nil || r.Outcome != challenge.OutcomeWrong || r.Code != problem.DestinationWrong || r.Left != 4 {
			t.Errorf("a wrong number: %+v, %v", r, err)
		}
		if _, err := w.send(in); !problem.Has(err, problem.Required) {
			t.Errorf("sent after a wrong number: %v", err)
		}
		r, err := w.typed(in, "0812 3456 7842")
		if err != nil || r.Outcome != challenge.OutcomeTyped || r.Challenge.State != challenge.Open {
			t.Fatalf("the number: %+v, %v", r, err)
		}
		if sent, err := w.send(in); err != nil || !sent.Sent || sent.Challenge.Channel != notify.ByText {
			t.Fatalf("sent: %+v, %v", sent, err)
		}
		if n := len(w.out.sent); n != 1 || w.out.sent[0].To != "+6281234567842" || w.out.sent[0].Channel != notify.ByText {
			t.Errorf("%+v", w.out.sent)
		}
		// Another flow starts without it.
		if _, err := w.send(w.start(m, challenge.Reset, "flow-2")); !problem.Has(err, problem.Required) {
			t.Errorf("another flow: %v", err)
		}
		// Whoever signs in has shown a password, and whoever registers has just typed it.
		if sent, err := w.send(w.start(m, challenge.SignIn, "session-1")); err != nil || !sent.Sent {
			t.Errorf("at sign-in: %+v, %v", sent, err)
		}
	})
}

// The right number gives its own try back and nothing else: knowing a number,
// which is no secret, must not clear what was guessed wrong.
func TestTheRightNumberClearsNoFailures(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		a, m := w.somebody("alain", method.MobilePhone, "+6281234567842")
		w.account = a
		in := w.start(m, challenge.Reset, "flow-1")
		for range 4 {
			if r, err := w.typed(in, "0812 3456 7841"); err != nil || r.Outcome != challenge.OutcomeWrong {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if r, err := w.typed(in, "0812 3456 7842"); err != nil || r.Outcome != challenge.OutcomeTyped {
			t.Fatalf("%+v, %v", r, err)
		}
		if r, err := w.typed(in, "0812 3456 7841"); err != nil || r.Outcome != challenge.OutcomeWrong || r.Left != 0 {
			t.Fatalf("the fifth: %+v, %v", r, err)
		}
		if r, err := w.typed(in, "0812 3456 7842"); err != nil || r.Outcome != challenge.OutcomeBlocked {
			t.Errorf("after five: %+v, %v", r, err)
		}
		w.write(func(tx *store.Tx) error {
			got, err := w.methods.Get(t.Context(), tx, w.org.ID, a.ID, m.ID)
			if got.ConsecutiveFailures != 5 {
				t.Errorf("%d failures in a row", got.ConsecutiveFailures)
			}
			return err
		})
	})
}

func TestParallelNumbersMakeFive(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		a, m := w.somebody("alain", method.MobilePhone, "+6281234567842")
		w.account = a
		in := w.start(m, challenge.Reset, "flow-1")
		var judged atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				r, err := w.typed(in, "0812 3456 7841")
				if err != nil {
					t.Error(err)
				}
				if r.Outcome == challenge.OutcomeWrong {
					judged.Add(1)
				}
			})
		}
		wg.Wait()
		if judged.Load() != 5 {
			t.Errorf("%d were judged", judged.Load())
		}
	})
}

func TestChannels(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		mobile, m := w.somebody("alain", method.MobilePhone, "+6281234567842")
		office, o := w.somebody("budi", method.OfficePhone, "+62215550100x12")
		both, text, call, none := org.Channels{Text: true, Call: true}, org.Channels{Text: true}, org.Channels{Call: true}, org.Channels{}
		for i, c := range []struct {
			has  org.Channels
			who  account.Account
			m    method.Method
			ask  notify.Channel
			want notify.Channel // empty: SendOff
		}{
			{both, mobile, m, "", notify.ByText}, {both, mobile, m, notify.ByCall, notify.ByCall}, {both, office, o, "", notify.ByCall},
			{both, office, o, notify.ByText, notify.ByCall},
			{text, mobile, m, "", notify.ByText}, {text, mobile, m, notify.ByCall, ""}, {text, office, o, "", ""},
			{call, mobile, m, "", notify.ByCall}, {call, mobile, m, notify.ByText, ""}, {call, office, o, "", notify.ByCall},
			{none, mobile, m, "", ""}, {none, office, o, "", ""},
		} {
			clock.Advance(25 * time.Hour)
			here := *w.org
			here.Channels = c.has
			in := challenge.Start{Org: &here, Account: c.who, Method: c.m, Purpose: challenge.SignIn, Owner: fmt.Sprint("session-", i), Channel: c.ask}
			r, err := w.send(in)
			if c.want == "" && !problem.Has(err, problem.SendOff) || c.want != "" && (err != nil || !r.Sent || r.Challenge.Channel != c.want) {
				t.Errorf("%d: %+v, %v", i, r.Challenge.Channel, err)
			}
		}
	})
}

// The countries are looked at when a code is sent, not only when a number is
// registered: a policy that became narrower holds at once.
func TestTheCountryIsJudgedAtSending(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		a, m := w.somebody("alain", method.MobilePhone, "+6581234567")
		w.account = a
		r, err := w.send(w.start(m, challenge.SignIn, "session-1"))
		if err != nil || r.Sent || r.Code != problem.PhoneCountry || len(w.out.sent) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// Every limit holds exactly, also under sends at once, and a refusal of one
// limit takes nothing from the others.
func TestSendLimitsOfPhones(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		sends := func(n int, in func(i int) challenge.Start) int64 {
			var sent atomic.Int64
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					r, err := w.send(in(i))
					if err != nil {
						t.Error(err)
					}
					if r.Sent {
						sent.Add(1)
					} else if r.Code != problem.SendLimit || r.RetryAfter <= 0 {
						t.Errorf("refused: %+v", r)
					}
				})
			}
			wg.Wait()
			return sent.Load()
		}
		w.org.Policy.Throttle.PhoneSends = throttle.Limit{Limit: 5, Per: time.Hour, Lock: time.Hour}
		w.org.Policy.Phone.PerDay = 7
		alain, m := w.somebody("alain", method.MobilePhone, "+6281234567842")
		_, second := w.somebody("alain", method.MobilePhone, "+6281234567899")
		same := func(m method.Method) func(int) challenge.Start {
			return func(int) challenge.Start {
				return challenge.Start{Org: w.org, Account: alain, Method: m, Purpose: challenge.SignIn, Owner: "session-1"}
			}
		}
		if n := sends(12, same(m)); n != 5 {
			t.Errorf("per method: %d sent", n)
		}
		// A second phone of the account has the two that the day has left.
		w.write(func(tx *store.Tx) (err error) {
			second, err = w.methods.Add(t.Context(), tx, method.Method{OrgID: w.org.ID, AccountID: alain.ID, Kind: method.MobilePhone, Value: "+6281234567898", Proved: true, ProvedBy: method.ByPerson})
			return err
		})
		if n := sends(12, same(second)); n != 2 {
			t.Errorf("per account and day: %d sent", n)
		}
		// One number of twenty accounts in two organizations is sent ten a day.
		clock.Advance(25 * time.Hour)
		elsewhere := *w.org
		elsewhere.ID = store.NewID()
		var all []challenge.Start
		for i := range 20 {
			here := w.org
			if i%2 == 1 {
				here = &elsewhere
			}
			a := account.Account{ID: store.NewID(), OrgID: here.ID, Entry: directory.Entry{UserID: fmt.Sprint("user", i, "@contoso.com")}}
			w.write(func(tx *store.Tx) error {
				m, err := w.methods.Add(t.Context(), tx, method.Method{OrgID: here.ID, AccountID: a.ID, Kind: method.MobilePhone, Value: "+6281234567877", Proved: true, ProvedBy: method.ByPerson})
				all = append(all, challenge.Start{Org: here, Account: a, Method: m, Purpose: challenge.SignIn, Owner: "session"})
				return err
			})
		}
		if n := sends(20, func(i int) challenge.Start { return all[i] }); n != 10 {
			t.Errorf("per number and day: %d sent", n)
		}
		if n := len(w.out.sent); n != 17 {
			t.Errorf("%d messages were queued", n)
		}
		// The number itself stands in no counter.
		w.write(func(tx *store.Tx) error {
			rows, err := tx.Query(t.Context(), `SELECT key FROM throttle`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var key string
				if err := rows.Scan(&key); err != nil {
					return err
				}
				if strings.Contains(key, "812345678") {
					t.Errorf("a key holds a number: %s", key)
				}
			}
			return rows.Err()
		})
	})
}

// pump sends n codes, each to an account and number of its own, and uses some.
func (w *world) pump(n, used, from int) (sent int) {
	w.t.Helper()
	for i := range n {
		a, m := w.somebody(fmt.Sprint("u", from+i), method.MobilePhone, fmt.Sprintf("+62812345%05d", from+i))
		in := challenge.Start{Org: w.org, Account: a, Method: m, Purpose: challenge.SignIn, Owner: fmt.Sprint("s", from+i)}
		r, err := w.send(in)
		if err != nil {
			w.t.Fatal(err)
		}
		if !r.Sent {
			continue
		}
		sent++
		if i < used {
			if got := w.answer(w.db, r.Challenge, m, w.out.code(w.t)); got.Outcome != challenge.OutcomePassed {
				w.t.Fatalf("%+v", got)
			}
		}
	}
	return sent
}

// When hardly any code is used, texts and calls pause, support is told once,
// and the pause ends by itself.
func TestTheBreaker(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		if n := w.pump(50, 9, 0); n != 50 {
			t.Fatalf("%d sent", n)
		}
		// Their minutes are not over: who could have used them?
		if n := w.pump(1, 1, 100); n != 1 {
			t.Fatal("codes that still live were held against the organization")
		}
		clock.Advance(16 * time.Minute)
		notices := func() (n int) {
			for _, m := range w.out.sent {
				if _, ok := m.Body.(notify.PhoneNotice); ok && m.To == "helpdesk@contoso.com" {
					n++
				}
			}
			return n
		}
		a, m := w.somebody("last", method.MobilePhone, "+6281234567842")
		in := challenge.Start{Org: w.org, Account: a, Method: m, Purpose: challenge.SignIn, Owner: "session"}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if r, err := w.send(in); err != nil || r.Sent || r.Code != problem.SendPaused || r.RetryAfter <= 0 || r.RetryAfter > time.Hour {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		wg.Wait()
		if n := notices(); n != 1 {
			t.Errorf("support was told %d times", n)
		}
		w.write(func(tx *store.Tx) error {
			all, err := w.audit.List(t.Context(), tx, audit.Query{Org: w.org.ID, Limit: 100})
			n := 0
			for _, e := range all {
				if e.Reason == "phone_completion" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d events", n)
			}
			return err
		})
		// Mail goes on.
		w.account = a
		if _, code := w.sent(w.start(w.email(), challenge.Reset, "flow-9")); code == "" {
			t.Error("no mail")
		}
		clock.Advance(time.Hour)
		if r, err := w.send(in); err != nil || !r.Sent {
			t.Errorf("after the pause: %+v, %v", r, err)
		}
	})
}

func TestTheBreakerLeavesUsedCodesAlone(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		w.pump(49, 0, 0) // too few to tell
		clock.Advance(16 * time.Minute)
		if n := w.pump(51, 20, 100); n != 51 { // one in five of a hundred
			t.Errorf("%d of 51 were sent", n)
		}
		clock.Advance(16 * time.Minute)
		if n := w.pump(1, 0, 200); n != 1 {
			t.Error("twenty in a hundred pause")
		}
		clock.Advance(7 * time.Hour)
		if n := w.pump(1, 0, 300); n != 1 {
			t.Error("what is long ago pauses")
		}
	})
}
