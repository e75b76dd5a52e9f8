package securityinfo_test

import (
	"slices"
	"testing"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// Every step asks for a fresh proof, and does nothing without one.
func TestEveryStepNeedsAFreshProof(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		app, email := w.app(first), w.email(first, "alain@example.net")
		gone := w.email(first, "old@example.net")
		me := w.who("alain@contoso.com", app.ID)
		if _, err := w.s.Delete(t.Context(), by(me), me, gone.ID); err != nil {
			t.Fatal(err)
		}
		pending := w.begun(me, method.AuthenticatorCode, nil)
		steps := map[string]func(who securityinfo.Who) error{
			"fresh": func(who securityinfo.Who) error { return w.s.Fresh(t.Context(), who, method.Email) },
			"begin": func(who securityinfo.Who) error { _, err := w.begin(who, method.RecoveryCode, nil); return err },
			"replace": func(who securityinfo.Who) error {
				_, err := w.s.Begin(t.Context(), by(who), who, securityinfo.Begin{Kind: method.Email, Replaces: email.ID, Form: securityinfo.Form{"email": "new@example.net"}})
				return err
			},
			"confirm": func(who securityinfo.Who) error {
				_, err := w.confirm(who, method.AuthenticatorCode, w.totp(pending))
				return err
			},
			"resend": func(who securityinfo.Who) error {
				_, err := w.s.Resend(t.Context(), by(who), who, method.AuthenticatorCode, "id")
				return err
			},
			"default": func(who securityinfo.Who) error { return w.s.SetDefault(t.Context(), by(who), who, app.ID) },
			"rename":  func(who securityinfo.Who) error { return w.s.Rename(t.Context(), by(who), who, app.ID, "Dapur") },
			"delete": func(who securityinfo.Who) error {
				_, err := w.s.Delete(t.Context(), by(who), who, email.ID)
				return err
			},
			"undo": func(who securityinfo.Who) error { _, err := w.s.Undo(t.Context(), by(who), who, gone.ID); return err },
		}
		before, events := w.list(me), w.events()
		w.out.notices()
		byPassword := w.who("alain@contoso.com", "")
		for name, step := range steps {
			if name == "confirm" {
				continue // nothing is pending in that session
			}
			wantCode(t, name+" with the password alone, where there is a factor", step(byPassword), problem.StepUp)
		}
		clock.Advance(10*time.Minute + time.Second)
		for name, step := range steps {
			wantCode(t, name+" eleven minutes after the proof", step(me), problem.StepUp)
		}
		if after := w.list(me); len(after) != len(before) || after[0].Name != before[0].Name || len(w.out.notices()) > 0 {
			t.Errorf("something was changed: %+v", after)
		}
		same(t, "events", w.events(), events)
		again := w.who("alain@contoso.com", app.ID)
		for _, name := range []string{"fresh", "default", "rename", "undo", "replace", "delete", "begin"} {
			if err := steps[name](again); err != nil {
				t.Errorf("%s with a fresh proof: %v", name, err)
			}
		}
	})
}

func TestAPasskeyNeedsAFresherProof(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		app, key, email := w.app(first), w.has(first, method.Method{Kind: method.Passkey}), w.email(first, "alain@example.net")
		me := w.who("alain@contoso.com", app.ID)
		clock.Advance(5*time.Minute + time.Second)
		_, err := w.s.Delete(t.Context(), by(me), me, key.ID)
		wantCode(t, "a passkey after five minutes", err, problem.StepUp)
		wantCode(t, "asking for a passkey", w.s.Fresh(t.Context(), me, method.Passkey), problem.StepUp)
		if _, err := w.s.Delete(t.Context(), by(me), me, email.ID); err != nil {
			t.Errorf("an address after five minutes: %v", err)
		}
	})
}

// Nobody reaches another person's methods, by any of their ids.
func TestAnothersMethodIsNotThere(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		other := w.who("citra@contoso.com", "")
		email, gone := w.email(other, "citra@example.net"), w.email(other, "old@example.net")
		if _, err := w.s.Delete(t.Context(), by(other), other, gone.ID); err != nil {
			t.Fatal(err)
		}
		waiting := w.begun(other, method.AuthenticatorCode, nil)
		fabrikam := orgtestFabrikam(t, w)
		foreign := w.email(fabrikam, "nn@example.net")
		me := w.who("alain@contoso.com", "")
		mine := w.email(me, "alain@example.net")
		before, beforeForeign := w.list(other), w.list(fabrikam)
		for name, id := range map[string]string{"proved": email.ID, "deleted": gone.ID, "pending": waiting.ID, "another organization's": foreign.ID, "nothing": "", "made up": "nope"} {
			_, err := w.s.Delete(t.Context(), by(me), me, id)
			wantCode(t, "delete "+name, err, problem.NotFound)
			_, err = w.s.Undo(t.Context(), by(me), me, id)
			wantCode(t, "undo "+name, err, problem.NotFound)
			wantCode(t, "default "+name, w.s.SetDefault(t.Context(), by(me), me, id), problem.NotFound)
			wantCode(t, "rename "+name, w.s.Rename(t.Context(), by(me), me, id, "x"), problem.NotFound)
			_, err = w.s.Effect(t.Context(), me, id)
			wantCode(t, "look at "+name, err, problem.NotFound)
			_, err = w.s.Deleted(t.Context(), me, id)
			wantCode(t, "look at deleted "+name, err, problem.NotFound)
			if id == "" {
				continue
			}
			_, err = w.s.Begin(t.Context(), by(me), me, securityinfo.Begin{Kind: method.Email, Replaces: id, Form: securityinfo.Form{"email": "x@example.net"}})
			wantCode(t, "replace "+name, err, problem.NotFound)
		}
		if !slices.EqualFunc(w.list(other), before, sameRow) || !slices.EqualFunc(w.list(fabrikam), beforeForeign, sameRow) {
			t.Error("another's methods changed")
		}
		same(t, "my own", w.counting(me), []string{mine.ID})
	})
}

func sameRow(a, b method.Method) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Proved == b.Proved && a.Default == b.Default && a.DeletedAt.Equal(b.DeletedAt)
}

// orgtestFabrikam is somebody of another organization.
func orgtestFabrikam(t *testing.T, w *world) securityinfo.Who {
	t.Helper()
	contoso := w.org
	w.org, _ = fabrikam(t, w)
	who := w.who("nn@fabrikam.com", "")
	w.org = contoso
	return who
}

// A registration belongs to the session that began it.
func TestAPendingMethodIsTheSessionsOwn(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		pending := w.begun(me, method.AuthenticatorCode, nil)
		thief := w.who("alain@contoso.com", "")
		if _, found, err := w.s.Pending(t.Context(), thief, ""); found || err != nil {
			t.Errorf("another session sees it: %v, %v", found, err)
		}
		r, err := w.confirm(thief, method.AuthenticatorCode, w.totp(pending))
		wantRefused(t, "another session", r, err, problem.CodeExpired)
		r, err = w.s.Confirm(t.Context(), by(thief), thief, securityinfo.Confirm{Kind: method.AuthenticatorCode, MethodID: pending.ID, Answer: w.totp(pending)})
		wantRefused(t, "another session by id", r, err, problem.CodeExpired)
		if err := w.s.Cancel(t.Context(), thief, method.AuthenticatorCode); err != nil {
			t.Error(err)
		}
		if p, found, err := w.s.Pending(t.Context(), me, ""); !found || err != nil || p.Method.ID != pending.ID {
			t.Fatalf("its own session does not find it again: %+v, %v", p, err)
		}
		clock.Advance(method.PendingFor)
		if _, found, _ := w.s.Pending(t.Context(), me, ""); found {
			t.Error("it waits for ever")
		}
	})
}

// What ended or was taken away between the beginning and the end refuses the end.
func TestTheEndIsJudgedByWhatHoldsThen(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		w.begun(me, method.Email, securityinfo.Form{"email": "alain@example.net"})
		w.policy(func(d *org.Document) { d.Policy.Reset.Methods = []method.Kind{method.AuthenticatorCode} })
		_, err := w.confirm(me, method.Email, w.out.code())
		wantCode(t, "a kind that is no longer allowed", err, problem.MethodKind)
		w.policy(func(*org.Document) {})
		w.write(func(tx *store.Tx) error {
			return w.sessions.EndAll(t.Context(), tx, by(me), me.Account.OrgID, me.Account.ID)
		})
		_, err = w.confirm(me, method.Email, w.out.code())
		wantCode(t, "an ended session", err, problem.SignedOut)
		if len(w.counting(me)) > 0 {
			t.Error("it counts")
		}
		w.policy(func(d *org.Document) { d.Policy.Reset.Methods = []method.Kind{method.RecoveryCode} })
		again := w.who("alain@contoso.com", "")
		_, err = w.begin(again, method.Email, securityinfo.Form{"email": "alain@example.net"})
		wantCode(t, "beginning a kind that is not allowed", err, problem.MethodKind)
		_, err = w.begin(again, method.SecurityQuestions, nil)
		wantCode(t, "a kind without a registrar", err, problem.MethodKind)
	})
}

func TestAnAddressIsProvedByItsCode(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		for address, want := range map[string]problem.Code{
			"": problem.Required, "  ": problem.Required, "alain": problem.EmailInvalid, "alain@contoso.com": problem.EmailOwnDomain,
			"alain@mail.CONTOSO.com": problem.EmailOwnDomain, "a@b@example.net": problem.EmailInvalid, "a@example.net\r\nBcc: b@example.net": problem.EmailInvalid,
		} {
			_, err := w.begin(me, method.Email, securityinfo.Form{"email": address})
			wantCode(t, address, err, want)
		}
		w.begun(me, method.Email, securityinfo.Form{"email": "Alain@EXAMPLE.net"})
		code := w.out.code()
		r, err := w.confirm(me, method.Email, wrong(code))
		wantRefused(t, "a wrong code", r, err, problem.CodeWrong)
		if r.Left != w.org.Policy.Throttle.Gate.Limit-1 || len(w.counting(me)) > 0 {
			t.Errorf("%d tries left, %d methods count", r.Left, len(w.counting(me)))
		}
		w.confirmed(me, method.Email, code)
		if all := w.list(me); len(all) != 1 || all[0].Value != "Alain@example.net" {
			t.Fatalf("stored %+v", all)
		}
		r, err = w.confirm(me, method.Email, code)
		wantRefused(t, "the same code again", r, err, problem.CodeExpired)
		_, err = w.begin(me, method.Email, securityinfo.Form{"email": "alain+2@example.net"})
		wantCode(t, "the same mailbox", err, problem.MethodDuplicate)
		w.begun(me, method.Email, securityinfo.Form{"email": "second@example.net"})
		r, err = w.confirm(me, method.Email, code)
		wantRefused(t, "another address's code", r, err, problem.CodeWrong)
		clock.Advance(10*time.Minute - time.Second)
		w.begun(w.who("alain@contoso.com", ""), method.Email, securityinfo.Form{"email": "third@example.net"})
	})
}

func wrong(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return "9" + code[1:]
}

func TestACodeOutlivesItsMinutesNot(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock, func(d *org.Document) { d.Policy.Codes.Minutes = 5 })
		me := w.who("alain@contoso.com", "")
		w.begun(me, method.Email, securityinfo.Form{"email": "alain@example.net"})
		code := w.out.code()
		clock.Advance(5 * time.Minute)
		r, err := w.confirm(me, method.Email, code)
		wantRefused(t, "an old code", r, err, problem.CodeExpired)
		if _, err := w.s.Resend(t.Context(), by(me), me, method.Email, "id"); err != nil {
			t.Fatal(err)
		}
		if w.out.code() == code {
			t.Error("an old code was sent again")
		}
		w.confirmed(me, method.Email, w.out.code())
	})
}

// Wrong answers are counted although nothing else comes of them.
func TestGuessingIsBlocked(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		w.begun(me, method.Email, securityinfo.Form{"email": "alain@example.net"})
		code := w.out.code()
		for range w.org.Policy.Throttle.Gate.Limit {
			r, err := w.confirm(me, method.Email, wrong(code))
			wantRefused(t, "a wrong code", r, err, problem.CodeWrong)
		}
		r, err := w.confirm(me, method.Email, code)
		wantRefused(t, "the right code, too late", r, err, problem.Blocked)
		if r.Refused.RetryAfter <= 0 || len(w.counting(me)) > 0 {
			t.Errorf("retry after %v, %d count", r.Refused.RetryAfter, len(w.counting(me)))
		}
	})
}

// One account cannot fill strangers' mailboxes with codes: a new registration
// does not begin a new count.
func TestSendingIsBounded(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		for i := range w.org.Policy.Throttle.EmailSends.Limit {
			address := string(rune('a'+i)) + "@example.net"
			if i%3 == 2 {
				if r, err := w.s.Resend(t.Context(), by(me), me, method.Email, "id"); err != nil || r.Refused != nil {
					t.Fatalf("%v, %v", r.Refused, err)
				}
				continue
			}
			w.begun(me, method.Email, securityinfo.Form{"email": address})
		}
		before := len(w.out.sent)
		r, err := w.begin(me, method.Email, securityinfo.Form{"email": "zz@example.net"})
		wantRefused(t, "one more address", r, err, problem.SendLimit)
		r, err = w.s.Resend(t.Context(), by(me), me, method.Email, "id")
		wantRefused(t, "one more message", r, err, problem.SendLimit)
		if len(w.out.sent) != before || r.Refused.RetryAfter <= 0 {
			t.Errorf("%d more messages, retry after %v", len(w.out.sent)-before, r.Refused.RetryAfter)
		}
		if p, found, err := w.s.Pending(t.Context(), me, method.Email); !found || err != nil || p.Method.Value == "zz@example.net" {
			t.Errorf("a refused address is pending: %v", err)
		}
	})
}
