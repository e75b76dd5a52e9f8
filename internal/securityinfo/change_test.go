package securityinfo_test

import (
	"slices"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func fabrikam(t *testing.T, w *world) (*org.Organization, *org.Service) {
	t.Helper()
	d := org.Document{
		Slug: "fabrikam", Name: "Fabrikam", Domains: []string{"fabrikam.com"}, Language: "en",
		Directory: org.DirectoryConfig{Kind: org.Embedded}, Policy: org.Defaults(),
		Administrators: []org.Administrator{{UserID: "root@fabrikam.com", Role: org.Owner}},
	}
	return orgtest.Apply(t, w.db, w.orgs, d), w.orgs
}

// A change proves the new one first; both together count once against the limit.
func TestTheOldCountsUntilTheNewIsProved(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		old, other := w.email(me, "old@example.net"), w.email(me, "other@example.net")
		_, err := w.begin(me, method.Email, securityinfo.Form{"email": "new@example.net"})
		wantCode(t, "a third address", err, problem.MethodLimit)
		r, err := w.s.Begin(t.Context(), by(me), me, securityinfo.Begin{Kind: method.Email, Replaces: old.ID, Form: securityinfo.Form{"email": "new@example.net"}})
		if err != nil || r.Refused != nil {
			t.Fatalf("changing one of two: %v, %v", r.Refused, err)
		}
		same(t, "before the proof", w.counting(me), []string{old.ID, other.ID})
		w.confirmed(me, method.Email, w.out.code())
		same(t, "after it", w.counting(me), []string{other.ID, r.Method.ID})
		same(t, "told", w.out.notices(), []string{"changed email old@example.net", "changed email other@example.net"})
		same(t, "events", w.events(), []string{"method.changed", "registration.completed"})
		if m, err := w.s.Deleted(t.Context(), me, old.ID); err != nil || m.ID != old.ID {
			t.Errorf("the old one cannot be brought back: %v", err)
		}
		_, err = w.s.Undo(t.Context(), by(me), me, old.ID)
		wantCode(t, "a third address by undoing", err, problem.MethodLimit)
	})
}

func TestTheReplacementTakesOverTheDefaultAndTheSession(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		old := w.app(first)
		me, elsewhere := w.who("alain@contoso.com", old.ID), w.who("alain@contoso.com", old.ID)
		if err := w.s.SetDefault(t.Context(), by(me), me, old.ID); err != nil {
			t.Fatal(err)
		}
		r, err := w.s.Begin(t.Context(), by(me), me, securityinfo.Begin{Kind: method.AuthenticatorCode, Replaces: old.ID})
		if err != nil {
			t.Fatal(err)
		}
		reply := w.confirmed(me, method.AuthenticatorCode, w.totp(r.Method))
		if all := w.list(me); len(all) != 1 || all[0].ID != r.Method.ID || !all[0].Default {
			t.Errorf("left is %+v", all)
		}
		if err := w.s.Fresh(t.Context(), me, method.Email); err != nil || reply.Token == "" {
			t.Errorf("the session that proved the new one is not fresh: %v, token %q", err, reply.Token)
		}
		wantCode(t, "a session that proved the old one", w.s.Fresh(t.Context(), elsewhere, method.Email), problem.StepUp)
	})
}

// A method that was replaced meanwhile, or deleted, is not replaced again.
func TestWhatIsGoneIsNotReplaced(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		old := w.email(me, "old@example.net")
		r, err := w.s.Begin(t.Context(), by(me), me, securityinfo.Begin{Kind: method.Email, Replaces: old.ID, Form: securityinfo.Form{"email": "new@example.net"}})
		if err != nil {
			t.Fatal(err)
		}
		code := w.out.code()
		if _, err := w.s.Delete(t.Context(), by(me), me, old.ID); err != nil {
			t.Fatal(err)
		}
		w.out.notices()
		w.confirmed(me, method.Email, code)
		same(t, "left", w.counting(me), []string{r.Method.ID})
		if events := w.events(); !slices.Contains(events, "method.added") {
			t.Errorf("events %q", events)
		}
		same(t, "told", w.out.notices(), nil)
	})
}

// A deletion counts at once, in every session, and everybody concerned is told.
func TestADeletionCountsAtOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		email, second, app := w.email(first, "alain@example.net"), w.email(first, "b@example.net"), w.app(first)
		lost := w.app(first)
		me, thief := w.who("alain@contoso.com", app.ID), w.who("alain@contoso.com", lost.ID)
		if _, err := w.s.Delete(t.Context(), by(me), me, lost.ID); err != nil {
			t.Fatal(err)
		}
		_, err := w.s.Delete(t.Context(), by(thief), thief, app.ID)
		wantCode(t, "who proved what was reported lost", err, problem.StepUp)
		same(t, "told", w.out.notices(), []string{"deleted authenticator_code alain@example.net", "deleted authenticator_code b@example.net"})
		if _, err := w.s.Delete(t.Context(), by(me), me, email.ID); err != nil {
			t.Fatal(err)
		}
		same(t, "told", w.out.notices(), []string{"deleted email alain@example.net", "deleted email b@example.net"})
		_, err = w.s.Delete(t.Context(), by(me), me, email.ID)
		wantCode(t, "again", err, problem.NotFound)
		same(t, "left", w.counting(me), []string{second.ID, app.ID})
		same(t, "events", w.events(), []string{"method.deleted", "method.deleted"})
		if _, err := w.s.Undo(t.Context(), by(me), me, email.ID); err != nil {
			t.Fatal(err)
		}
		same(t, "told of the undoing", w.out.notices(), []string{"added email alain@example.net", "added email b@example.net"})
		if _, err := w.s.Undo(t.Context(), by(me), me, email.ID); err != nil {
			t.Errorf("undoing twice: %v", err)
		}
		same(t, "told twice", w.out.notices(), nil)
		same(t, "events", w.events(), []string{"method.deleted", "method.deleted", "method.added undone"})
	})
}

func TestUndoingKeepsOneDefaultAndEnds(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		one, two := w.app(first), w.app(first)
		me := w.who("alain@contoso.com", two.ID)
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		do(w.s.SetDefault(t.Context(), by(me), me, one.ID))
		_, err := w.s.Delete(t.Context(), by(me), me, one.ID)
		do(err)
		do(w.s.SetDefault(t.Context(), by(me), me, two.ID))
		_, err = w.s.Undo(t.Context(), by(me), me, one.ID)
		do(err)
		var defaults []string
		for _, m := range w.list(me) {
			if m.Default {
				defaults = append(defaults, m.ID)
			}
		}
		same(t, "defaults", defaults, []string{two.ID})
		_, err = w.s.Delete(t.Context(), by(me), me, one.ID)
		do(err)
		clock.Advance(method.UndoFor)
		later := w.who("alain@contoso.com", two.ID)
		_, err = w.s.Undo(t.Context(), by(later), later, one.ID)
		wantCode(t, "after seven days", err, problem.UndoExpired)
		wantCode(t, "an address as the default", w.s.SetDefault(t.Context(), by(later), later, w.email(later, "a@example.net").ID), problem.MethodNotAllowed)
	})
}

// For some hours after a reset, what the reset used cannot push out the rest.
func TestAfterAResetOtherMethodsAreSafe(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		email, app, spare := w.email(first, "alain@example.net"), w.app(first), w.app(first)
		clock.Advance(time.Hour)
		w.write(func(tx *store.Tx) error {
			return w.accounts.MarkReset(t.Context(), tx, audit.Actor{Kind: audit.Anonymous}, first.Account.OrgID, first.Account.ID, []string{email.ID, app.ID})
		})
		clock.Advance(time.Minute)
		added := w.app(first)
		attempts := map[string]func(who securityinfo.Who) error{
			"delete": func(who securityinfo.Who) error {
				_, err := w.s.Delete(t.Context(), by(who), who, spare.ID)
				return err
			},
			"change": func(who securityinfo.Who) error {
				_, err := w.s.Begin(t.Context(), by(who), who, securityinfo.Begin{Kind: method.Email, Replaces: email.ID, Form: securityinfo.Form{"email": "new@example.net"}})
				return err
			},
		}
		for name, factor := range map[string]string{"a method the reset used": app.ID, "a method added since": added.ID} {
			for what, attempt := range attempts {
				err := attempt(w.who("alain@contoso.com", factor))
				wantCode(t, what+" by "+name, err, problem.AfterReset)
				if p, _ := problem.As(err); p != nil && p.RetryAfter != 24*time.Hour-time.Minute {
					t.Errorf("%s: retry after %v", name, p.RetryAfter)
				}
			}
		}
		used := w.who("alain@contoso.com", app.ID)
		if err := w.s.Rename(t.Context(), by(used), used, spare.ID, "Dapur"); err != nil {
			t.Errorf("a name: %v", err)
		}
		if e, err := w.s.Effect(t.Context(), used, spare.ID); err != nil || e.Kept == nil {
			t.Errorf("the page does not say so: %+v, %v", e, err)
		}
		for _, what := range []string{"change", "delete"} {
			if err := attempts[what](w.who("alain@contoso.com", spare.ID)); err != nil {
				t.Errorf("%s by a method the reset did not use: %v", what, err)
			}
		}
		clock.Advance(24*time.Hour - time.Minute)
		later := w.who("alain@contoso.com", app.ID)
		if _, err := w.s.Delete(t.Context(), by(later), later, added.ID); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

// A change that was begun before a reset is not finished after it.
func TestAResetStopsAChangeHalfway(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		old := w.email(me, "old@example.net")
		if _, err := w.s.Begin(t.Context(), by(me), me, securityinfo.Begin{Kind: method.Email, Replaces: old.ID, Form: securityinfo.Form{"email": "new@example.net"}}); err != nil {
			t.Fatal(err)
		}
		w.write(func(tx *store.Tx) error {
			return w.accounts.MarkReset(t.Context(), tx, audit.Actor{Kind: audit.Anonymous}, me.Account.OrgID, me.Account.ID, []string{old.ID})
		})
		_, err := w.confirm(me, method.Email, w.out.code())
		wantCode(t, "finishing it", err, problem.AfterReset)
		same(t, "left", w.counting(me), []string{old.ID})
	})
}

func TestWhatADeletionWouldDo(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock, func(d *org.Document) { d.Policy.Reset.Gates = 2 })
		me := w.who("alain@contoso.com", "")
		one := w.email(me, "a@example.net")
		if e, err := w.s.Effect(t.Context(), me, one.ID); err != nil || e.Loses || e.LastFactor {
			t.Errorf("nothing to lose: %+v, %v", e, err)
		}
		app := w.app(me)
		if e, _ := w.s.Effect(t.Context(), me, one.ID); !e.Loses || e.LastFactor {
			t.Errorf("one of two: %+v", e)
		}
		if e, _ := w.s.Effect(t.Context(), me, app.ID); !e.Loses || !e.LastFactor {
			t.Errorf("the only factor: %+v", e)
		}
		w.email(me, "b@example.net")
		if e, _ := w.s.Effect(t.Context(), me, one.ID); e.Loses {
			t.Errorf("one of two addresses: %+v", e)
		}
	})
}
