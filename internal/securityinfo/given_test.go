package securityinfo_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// given enters a method for somebody, as an import does.
func (w *world) given(who securityinfo.Who, k method.Kind, value string) method.Method {
	w.t.Helper()
	m := method.Method{OrgID: who.Account.OrgID, AccountID: who.Account.ID, Kind: k, Value: value, Proved: true, ProvedBy: method.ByAdministrator}
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(w.t.Context(), tx, m)
		return err
	})
	return m
}

func (w *world) claim(who securityinfo.Who, id string) (securityinfo.Reply, bool, error) {
	return w.s.Claim(w.t.Context(), by(who), who, id, "id", nil)
}

func (w *world) claimed(who securityinfo.Who, id, code string) (securityinfo.Reply, error) {
	return w.s.Claimed(w.t.Context(), by(who), who, id, code)
}

func (w *world) one(who securityinfo.Who, id string) method.Method {
	w.t.Helper()
	for _, m := range w.list(who) {
		if m.ID == id {
			return m
		}
	}
	w.t.Fatalf("%s is gone", id)
	return method.Method{}
}

// What the organization entered counts, is marked, and becomes the person's by a
// code that was sent to it, and by nothing else.
func TestWhatTheOrganizationEnteredIsConfirmed(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock, func(d *org.Document) { d.Policy.NewMethodWaitingHours = 24 })
		me := w.who("alain@contoso.com", "")
		entered := w.given(me, method.Email, "alain@example.net")
		own := w.has(me, method.Method{Kind: method.Email, Value: "b@example.net", Owner: me.Session.ID})
		clock.Advance(25 * time.Hour)
		me = w.who("alain@contoso.com", "")
		view, err := w.s.View(t.Context(), me)
		if err != nil || !view.Reset.Enough {
			t.Fatalf("it does not count before it is confirmed: %+v, %v", view.Reset, err)
		}
		for _, row := range view.Methods {
			if row.Given != (row.ID == entered.ID) || row.CanConfirm != row.Given {
				t.Errorf("%s: given %v, can be confirmed %v", row.ID, row.Given, row.CanConfirm)
			}
		}
		_, _, err = w.claim(me, own.ID)
		wantCode(t, "the person's own", err, problem.NotFound)
		r, mine, err := w.claim(me, entered.ID)
		if err != nil || r.Refused != nil || mine {
			t.Fatalf("%+v, %v, %v", r.Refused, mine, err)
		}
		if n := len(w.out.sent); n != 1 || w.out.sent[0].To != "alain@example.net" {
			t.Fatalf("the code went to %+v", w.out.sent)
		}
		code := w.out.code()
		r, err = w.claimed(me, entered.ID, wrong(code))
		wantRefused(t, "a wrong code", r, err, problem.CodeWrong)
		if w.one(me, entered.ID).ProvedBy != method.ByAdministrator {
			t.Fatal("a wrong code confirmed it")
		}
		w.out.notices()
		if r, err = w.claimed(me, entered.ID, code); err != nil || r.Refused != nil {
			t.Fatalf("the code: %v, %v", r.Refused, err)
		}
		after := w.one(me, entered.ID)
		if after.ProvedBy != method.ByPerson || !after.ProvedAt.Equal(entered.ProvedAt) {
			t.Errorf("stored as proved by %q since %v; it counted since %v", after.ProvedBy, after.ProvedAt, entered.ProvedAt)
		}
		same(t, "told", w.out.notices(), []string{"confirmed email b@example.net"})
		same(t, "events", w.events(), []string{"method.changed confirmed", "registration.completed"})
		if view, _ := w.s.View(t.Context(), me); !view.Reset.Enough {
			t.Error("confirming made it wait")
		}
		// The button pressed twice is no error, and nothing happens twice.
		if r, err := w.claimed(me, entered.ID, code); err != nil || r.Refused != nil {
			t.Errorf("again: %v, %v", r.Refused, err)
		}
		_, err = w.claimed(me, own.ID, code)
		wantCode(t, "the person's own", err, problem.NotFound)
		same(t, "told again", w.out.notices(), nil)
		_, _, err = w.claim(me, entered.ID)
		wantCode(t, "what is confirmed", err, problem.NotFound)
	})
}

// The rules of every other step hold: a fresh proof, the session's own challenge,
// the person's own methods, five wrong codes.
func TestConfirmingHasTheUsualRules(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		entered := w.given(me, method.Email, "alain@example.net")
		other, foreign := w.who("citra@contoso.com", ""), orgtestFabrikam(t, w)
		for name, who := range map[string]securityinfo.Who{"a colleague": other, "another organization": foreign} {
			_, _, err := w.claim(who, entered.ID)
			wantCode(t, name+" claims", err, problem.NotFound)
			_, err = w.claimed(who, entered.ID, "12345678")
			wantCode(t, name+" answers", err, problem.NotFound)
			_, err = w.s.Given(t.Context(), who, entered.ID)
			wantCode(t, name+" looks", err, problem.NotFound)
		}
		if len(w.out.sent) != 0 {
			t.Fatalf("%d messages for strangers", len(w.out.sent))
		}
		r, err := w.claimed(me, entered.ID, "12345678")
		wantRefused(t, "a code nobody asked for", r, err, problem.CodeExpired)
		if _, _, err := w.claim(me, entered.ID); err != nil {
			t.Fatal(err)
		}
		code := w.out.code()
		second := w.who("alain@contoso.com", "")
		r, err = w.claimed(second, entered.ID, code)
		wantRefused(t, "the code in another session", r, err, problem.CodeExpired)
		for range w.org.Policy.Throttle.Gate.Limit {
			r, err = w.claimed(me, entered.ID, wrong(code))
			wantRefused(t, "a wrong code", r, err, problem.CodeWrong)
		}
		r, err = w.claimed(me, entered.ID, code)
		wantRefused(t, "the right code, too late", r, err, problem.Blocked)
		app := w.app(me)
		_, _, err = w.claim(me, entered.ID)
		wantCode(t, "without the second factor", err, problem.StepUp)
		proved := w.who("alain@contoso.com", app.ID)
		clock.Advance(10*time.Minute + time.Second)
		_, _, err = w.claim(proved, entered.ID)
		wantCode(t, "with an old proof", err, problem.StepUp)
		if w.one(me, entered.ID).ProvedBy != method.ByAdministrator {
			t.Error("one of them confirmed it")
		}
	})
}

// Of many right answers at once one confirms, and it is told once.
func TestConfirmingAtOnceHappensOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		entered := w.given(me, method.Email, "alain@example.net")
		w.email(me, "b@example.net")
		if _, _, err := w.claim(me, entered.ID); err != nil {
			t.Fatal(err)
		}
		code := w.out.code()
		w.out.notices()
		var wg sync.WaitGroup
		var well atomic.Int64
		for range 10 {
			wg.Go(func() {
				if r, err := w.claimed(me, entered.ID, code); err == nil && r.Refused == nil {
					well.Add(1)
				}
			})
		}
		wg.Wait()
		if well.Load() == 0 {
			t.Error("nobody confirmed")
		}
		same(t, "told", w.out.notices(), []string{"confirmed email b@example.net"})
	})
}

// Whoever has just signed in with the phone has proved it: no second code.
func TestWhatTheSessionProvedNeedsNoSecondCode(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock, func(d *org.Document) {
			d.Policy.Phone.Countries = []string{"ID"}
		})
		first := w.who("alain@contoso.com", "")
		phone, mail := w.given(first, method.MobilePhone, "+6281234567842"), w.given(first, method.Email, "alain@example.net")
		me := w.who("alain@contoso.com", phone.ID)
		if _, mine, err := w.claim(me, mail.ID); err != nil || mine {
			t.Errorf("another method than the one that was proved: %v, %v", mine, err)
		}
		if _, mine, err := w.claim(me, phone.ID); err != nil || !mine || w.one(me, phone.ID).ProvedBy != method.ByPerson {
			t.Errorf("the phone: %v, %v", mine, err)
		}
	})
}

// "This is not mine" is a deletion with all its rules, and the event says what it was.
func TestWhatIsNotMine(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		entered, own := w.given(me, method.Email, "stranger@example.net"), w.email(me, "b@example.net")
		w.write(func(tx *store.Tx) error {
			return w.accounts.MarkReset(t.Context(), tx, audit.Actor{Kind: audit.Anonymous}, me.Account.OrgID, me.Account.ID, []string{own.ID})
		})
		_, err := w.s.Delete(t.Context(), by(me), me, entered.ID)
		wantCode(t, "in the hours after a reset", err, problem.AfterReset)
		clock.Advance(25 * time.Hour)
		me = w.who("alain@contoso.com", "")
		if _, err := w.s.Delete(t.Context(), by(me), me, entered.ID); err != nil {
			t.Fatal(err)
		}
		same(t, "told", w.out.notices(), []string{"deleted email b@example.net", "deleted email stranger@example.net"})
		same(t, "events", w.events(), []string{"method.deleted declined"})
		back, err := w.s.Undo(t.Context(), by(me), me, entered.ID)
		if err != nil || !back.Given() {
			t.Errorf("brought back as %+v, %v", back, err)
		}
	})
}
