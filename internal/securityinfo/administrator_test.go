package securityinfo_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// What an administrator deleted, a lost device for instance, its person does not bring
// back, and is not told that they could; an administrator does, whoever deleted it.
func TestOnlyAnAdministratorBringsBackWhatOneDeleted(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		email, lost, app := w.email(first, "alain@example.net"), w.app(first), w.app(first)
		me, admin := w.who("alain@contoso.com", app.ID), audit.Actor{Kind: audit.Admin, Account: "adele", IP: "192.0.2.9"}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		do(w.s.Withdraw(t.Context(), admin, w.org, me.Account, lost.ID))
		same(t, "told", w.out.notices(), []string{"deleted authenticator_code alain@example.net for good"})
		_, err := w.s.Undo(t.Context(), by(me), me, lost.ID)
		wantCode(t, "undone by the person", err, problem.UndoForbidden)
		_, err = w.s.Deleted(t.Context(), me, lost.ID)
		wantCode(t, "the page that undoes", err, problem.UndoForbidden)
		view, err := w.s.View(t.Context(), me)
		do(err)
		if len(view.Deleted) != 0 {
			t.Errorf("offered to the person: %+v", view.Deleted)
		}
		same(t, "left", w.counting(me), []string{email.ID, app.ID})
		do(w.s.Restore(t.Context(), admin, w.org, me.Account, lost.ID))
		do(w.s.Restore(t.Context(), admin, w.org, me.Account, lost.ID)) // once more changes nothing
		same(t, "told", w.out.notices(), []string{"added authenticator_code alain@example.net"})
		same(t, "left", w.counting(me), []string{email.ID, lost.ID, app.ID})
		// What the person deleted both bring back.
		_, err = w.s.Delete(t.Context(), by(me), me, lost.ID)
		do(err)
		do(w.s.Restore(t.Context(), admin, w.org, me.Account, lost.ID))
		_, err = w.s.Delete(t.Context(), by(me), me, lost.ID)
		do(err)
		_, err = w.s.Undo(t.Context(), by(me), me, lost.ID)
		do(err)
		same(t, "events", w.events(), []string{
			"method.deleted administrator", "method.added undone", "method.deleted", "method.added undone", "method.deleted", "method.added undone",
		})
		// What the person deleted an administrator makes final: it is told, once, and only
		// an administrator brings it back.
		_, err = w.s.Delete(t.Context(), by(me), me, lost.ID)
		do(err)
		w.out.notices()
		do(w.s.Withdraw(t.Context(), admin, w.org, me.Account, lost.ID))
		wantCode(t, "made final twice", w.s.Withdraw(t.Context(), admin, w.org, me.Account, lost.ID), problem.NotFound)
		same(t, "told", w.out.notices(), []string{"deleted authenticator_code alain@example.net for good"})
		_, err = w.s.Undo(t.Context(), by(me), me, lost.ID)
		wantCode(t, "undone after it was made final", err, problem.UndoForbidden)
		same(t, "last event", w.events()[len(w.events())-1:], []string{"method.deleted made-final"})
		do(w.s.Restore(t.Context(), admin, w.org, me.Account, lost.ID))
		// A number that an administrator exchanged is gone in the same way.
		w.out.notices()
		fresh, err := w.s.Exchange(t.Context(), admin, w.org, me.Account, email.ID, "new@example.net")
		do(err)
		_, err = w.s.Undo(t.Context(), by(me), me, email.ID)
		wantCode(t, "the one before", err, problem.UndoForbidden)
		// A pass is revoked, not deleted: what it let in ends with it.
		var pass method.Method
		w.write(func(tx *store.Tx) (err error) {
			pass, err = w.methods.Add(t.Context(), tx, method.Method{
				OrgID: me.Account.OrgID, AccountID: me.Account.ID, Kind: method.TemporaryAccessPass, Secret: []byte(store.NewToken()),
				Proved: true, ProvedBy: method.ByAdministrator, ValidFrom: tx.Now(), ValidUntil: tx.Now().Add(time.Hour),
			})
			return err
		})
		wantCode(t, "a pass", w.s.Withdraw(t.Context(), admin, w.org, me.Account, pass.ID), problem.NotFound)
		// After seven days nobody does, and nothing of another account is found.
		do(w.s.Withdraw(t.Context(), admin, w.org, me.Account, fresh.ID))
		other := w.who("citra@contoso.com", "")
		wantCode(t, "of another account", w.s.Restore(t.Context(), admin, w.org, other.Account, fresh.ID), problem.NotFound)
		wantCode(t, "made final for another account", w.s.Withdraw(t.Context(), admin, w.org, other.Account, fresh.ID), problem.NotFound)
		me = w.who("alain@contoso.com", app.ID)
		_, err = w.s.Delete(t.Context(), by(me), me, lost.ID)
		do(err)
		clock.Advance(method.UndoFor)
		wantCode(t, "made final after seven days", w.s.Withdraw(t.Context(), admin, w.org, me.Account, lost.ID), problem.NotFound)
		wantCode(t, "after seven days", w.s.Restore(t.Context(), admin, w.org, me.Account, fresh.ID), problem.UndoExpired)
	})
}
