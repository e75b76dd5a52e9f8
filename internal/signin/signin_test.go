package signin_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func (w *world) isOut(token, why string) {
	w.t.Helper()
	if s, err := w.s.Current(w.t.Context(), token); !problem.Has(err, problem.SignedOut) {
		w.t.Errorf("%s: %+v, %v", why, s.Session, err)
	}
}

func TestAMissingPartIsRefused(t *testing.T) {
	if _, err := signin.New(signin.Deps{}); err == nil {
		t.Error("built of nothing")
	}
}

func TestThePendingCookieIsSealedAndAges(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		kept, err := w.s.Start(" Alain@Contoso.com", "/password")
		must(t, err)
		p, err := w.s.Pending(t.Context(), kept)
		if err != nil || p.UserID != alain || p.Next != "/password" || p.Org == nil || strings.Contains(kept, "lain") {
			t.Fatalf("%+v, %v", p, err)
		}
		unknown, err := w.s.Start("somebody@fabrikam.com", "")
		must(t, err)
		if p, err := w.s.Pending(t.Context(), unknown); err != nil || p.Org != nil {
			t.Errorf("of no organization: %+v, %v", p, err)
		}
		for _, bad := range []string{"", "x", kept[:len(kept)-2], strings.ToUpper(kept), kept[4:], kept + "AAAA"} {
			if _, err := w.s.Pending(t.Context(), bad); !problem.Has(err, problem.Expired) {
				t.Errorf("%.12q: %v", bad, err)
			}
		}
		for _, userID := range []string{"", "  ", "a\u202eb@contoso.com", strings.Repeat("a", 600)} {
			if _, err := w.s.Start(userID, ""); !problem.Has(err, problem.Required) {
				t.Errorf("%.12q: %v", userID, err)
			}
		}
		clock.Advance(signin.PendingFor)
		if _, err := w.s.Pending(t.Context(), kept); !problem.Has(err, problem.Expired) {
			t.Errorf("after its time: %v", err)
		}
	})
}

func FuzzPending(f *testing.F) {
	f.Add("", "/password")
	f.Add("alain@contoso.com", "")
	db := storetest.Open(f, store.SQLite, store.Options{})
	w := newWorld(f, db, storetest.NewClock())
	f.Fuzz(func(t *testing.T, cookie, next string) {
		if _, err := w.s.Pending(t.Context(), cookie); err == nil {
			t.Errorf("%q is a sign-in", cookie)
		}
		if kept, err := w.s.Start(cookie, next); err == nil {
			if p, err := w.s.Pending(t.Context(), kept); err != nil || utf8.ValidString(next) && p.Next != next {
				t.Errorf("%q, %q came back as %+v, %v", cookie, next, p, err)
			}
		}
	})
}

func TestWhatEndsASession(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		in := w.in(alain, right)
		if s := w.signed(in.Token); s.Account.Entry.UserID != alain || s.Session.Level != session.Full || !s.Fresh(signin.FreshFor) {
			t.Fatalf("%+v", s.Session)
		}
		w.people.change = func(e *directory.Entry) { e.Disabled = true }
		w.isOut(in.Token, "disabled since")
		w.people.change = nil
		clock.Advance(time.Second)
		w.put(embedded.Record{UserID: alain}, another)
		w.isOut(in.Token, "another password since, set by a file")
		in = w.in(alain, another)
		must(t, db.Write(t.Context(), func(tx *store.Tx) error {
			return w.people.Directory.(*embedded.Directory).Remove(t.Context(), tx, in.Signed.Account.Entry.Key)
		}))
		w.isOut(in.Token, "gone from the directory")
		w.isOut("", "no cookie")
	})
}

// A password that is changed while the old one is being judged leaves no session.
func TestAPasswordThatChangesWhileItIsJudged(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		key := w.account(alain).Entry.Key
		w.people.between = func() {
			clock.Advance(time.Millisecond)
			if err := w.people.SetPassword(t.Context(), key, another, directory.SetOptions{}); err != nil {
				t.Error(err)
			}
			clock.Advance(time.Millisecond)
		}
		in, err := w.password(by, "", alain, right)
		must(t, err)
		w.people.between = nil
		w.isOut(in.Token, "the old password")
		w.signed(w.in(alain, another).Token)
	})
}

func TestADisabledFactorKeepsThePasswordFromBeingEnough(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.app(alain)
		must(t, db.Write(t.Context(), func(tx *store.Tx) error {
			for range method.DisableAfter {
				if _, err := w.methods.CountFailure(t.Context(), tx, m.ID); err != nil {
					return err
				}
			}
			return nil
		}))
		in := w.in(alain, right)
		if in.Step != signin.StepVerify || in.Signed.Session.Level != session.Partial {
			t.Fatalf("%s, %s", in.Step, in.Signed.Session.Level)
		}
		v, err := w.s.Verification(t.Context(), in.Token, m.ID)
		if err != nil || len(v.Choices) != 0 || v.ByPassword || v.Chosen.ID != "" {
			t.Errorf("%+v, %v", v, err)
		}
		if _, err := w.s.Answer(t.Context(), by, in.Token, m.ID, w.shows(m)); !problem.Has(err, problem.MethodNotAllowed) {
			t.Errorf("the disabled factor: %v", err)
		}
		if _, err := w.s.PasswordAgain(t.Context(), by, in.Token, right); !problem.Has(err, problem.MethodNotAllowed) {
			t.Errorf("the password instead: %v", err)
		}
	})
}

// A factor of somebody else, or of no kind that signs in, opens nothing.
func TestAForeignFactorOpensNothing(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		mine := w.app(alain)
		theirs := w.app(hana)
		mail := w.add(alain, method.Method{Kind: method.Email, Value: "alain@example.org"})
		in := w.in(alain, right)
		for _, id := range []string{theirs.ID, mail.ID, "", "made-up"} {
			if _, err := w.s.Answer(t.Context(), by, in.Token, id, w.shows(theirs)); !problem.Has(err, problem.MethodNotAllowed) {
				t.Errorf("%q: %v", id, err)
			}
			if _, err := w.s.Send(t.Context(), by, in.Token, id, "en"); !problem.Has(err, problem.MethodNotAllowed) {
				t.Errorf("sending to %q: %v", id, err)
			}
		}
		if len(w.out.sent) != 0 {
			t.Error("something was sent")
		}
		r, err := w.s.Answer(t.Context(), by, in.Token, mine.ID, w.shows(mine))
		must(t, err)
		if r.Code != "" || r.Step != signin.StepIn || r.Signed.Session.FactorID != mine.ID {
			t.Errorf("%+v", r)
		}
		w.isOut(in.Token, "the token from before the factor")
		if s := w.signed(r.Token); s.Session.Level != session.Full || !s.Fresh(signin.FreshForPasskey) {
			t.Errorf("%+v", s.Session)
		}
		if n := w.count(audit.SignInSucceeded, ""); n != 1 {
			t.Errorf("%d sign-ins recorded", n)
		}
		clock.Advance(signin.FreshFor + time.Second)
		if s := w.signed(r.Token); s.Fresh(signin.FreshFor) {
			t.Error("fresh after ten minutes")
		}
		again, err := w.s.Answer(t.Context(), by, r.Token, mine.ID, w.shows(mine))
		must(t, err)
		if again.Code != "" || !w.signed(again.Token).Fresh(signin.FreshFor) || w.count(audit.SignInSucceeded, "stepup") != 1 {
			t.Errorf("step-up: %+v", again)
		}
		w.isOut(r.Token, "the token from before the step-up")
	})
}

func TestAHalfSignedInSessionIsOverSoon(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.app(alain)
		in := w.in(alain, right)
		clock.Advance(signin.FactorFor)
		w.signed(in.Token)
		clock.Advance(time.Second)
		w.isOut(in.Token, "after its minutes")
		if _, err := w.s.Answer(t.Context(), by, in.Token, m.ID, w.shows(m)); !problem.Has(err, problem.SignedOut) {
			t.Errorf("an answer after its minutes: %v", err)
		}
	})
}

func TestChangingAPasswordTellsAndEndsTheOthers(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		w.add(alain, method.Method{Kind: method.Email, Value: "alain@example.org"})
		w.add(alain, method.Method{Kind: method.Email, Value: "alain@example.net"})
		in, other := w.in(alain, right), w.in(alain, right)
		s := w.signed(in.Token)
		c, err := w.s.ChangePassword(t.Context(), s.Actor(by), in.Token, s, right, another, "id")
		must(t, err)
		if len(c.Refusals) != 0 || c.Token == in.Token || c.Step != signin.StepIn {
			t.Fatalf("%+v", c)
		}
		w.isOut(in.Token, "the token from before the change")
		w.isOut(other.Token, "another session")
		w.signed(c.Token)
		if len(w.out.sent) != 2 {
			t.Fatalf("%d notices", len(w.out.sent))
		}
		for _, m := range w.out.sent {
			body, ok := m.Body.(notify.PasswordNotice)
			if !ok || body.What != notify.PasswordChanged || body.DisputeURL == "" || m.Lang != "id" || body.IP != by.IP {
				t.Errorf("%+v", m)
			}
		}
	})
}

// What the directory does not do is said in words, and nothing ends for it.
func TestAChangeThatIsRefused(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		in, other := w.in(alain, right), w.in(alain, right)
		change := func(current, pw string) (signin.Changed, error) {
			s := w.signed(in.Token)
			return w.s.ChangePassword(t.Context(), s.Actor(by), in.Token, s, current, pw, "en")
		}
		for fault, want := range map[error]problem.Code{
			directory.ErrUnavailable: problem.DirectoryUnavailable, directory.ErrRights: problem.DirectoryRefused,
			problem.New(problem.Busy): problem.Busy,
		} {
			w.people.fault = fault
			if _, err := change(right, another); !problem.Has(err, want) {
				t.Errorf("%v: %v", fault, err)
			}
		}
		w.people.fault = &directory.RefusedError{Rule: directory.RuleMinimumAge}
		if c, err := change(right, another); err != nil || len(c.Refusals) != 1 || c.Refusals[0].Rule != directory.RuleMinimumAge {
			t.Errorf("refused by the directory: %+v, %v", c, err)
		}
		w.people.fault = nil
		if c, err := change(right, "aaa"); err != nil || len(c.Refusals) < 2 {
			t.Errorf("not every broken rule is named: %+v, %v", c, err)
		}
		if c, err := change(right, right); err != nil || len(c.Refusals) != 1 || c.Refusals[0].Rule != directory.RuleHistory {
			t.Errorf("the same again: %+v, %v", c, err)
		}
		if _, err := change("wrong", another); !problem.Has(err, problem.PasswordWrong) {
			t.Errorf("the wrong current one: %v", err)
		}
		w.people.can = &directory.Capabilities{SetPassword: true}
		if _, err := change(right, another); !problem.Has(err, problem.NotManaged) {
			t.Errorf("a directory that cannot: %v", err)
		}
		w.people.can = nil
		w.people.change = func(e *directory.Entry) { e.Source = directory.External }
		if _, err := change(right, another); !problem.Has(err, problem.NotManaged) {
			t.Errorf("kept elsewhere: %v", err)
		}
		w.people.change = nil
		w.signed(in.Token)
		w.signed(other.Token)
		if n := w.count(audit.PasswordChanged, ""); n != 0 || len(w.out.sent) != 0 {
			t.Errorf("%d changes recorded, %d notices", n, len(w.out.sent))
		}
	})
}

// Somebody signs the session out while the directory changes the password: it is
// changed, noted and told, and no session is left.
func TestAChangeOutlivesItsSession(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		w.add(alain, method.Method{Kind: method.Email, Value: "alain@example.org"})
		in, other := w.in(alain, right), w.in(alain, right)
		s := w.signed(in.Token)
		w.people.between = func() {
			if _, err := w.s.SignOut(t.Context(), by, in.Token); err != nil {
				t.Error(err)
			}
		}
		_, err := w.s.ChangePassword(t.Context(), s.Actor(by), in.Token, s, right, another, "en")
		w.people.between = nil
		if !problem.Has(err, problem.SignedOut) {
			t.Errorf("%v", err)
		}
		w.isOut(in.Token, "signed out")
		w.isOut(other.Token, "another session")
		if w.count(audit.PasswordChanged, "") != 1 || len(w.out.sent) != 1 {
			t.Errorf("%d changes recorded, %d notices", w.count(audit.PasswordChanged, ""), len(w.out.sent))
		}
	})
}

func TestSkippingIsBoundedAndCountsOnceASession(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock, func(d *org.Document) { d.Policy.Registration.SkipsAllowed = 2 })
		for range 2 {
			in := w.in(alain, right)
			if in.Step != signin.StepInterrupt || in.Signed.Account.FirstAskedAt.IsZero() {
				t.Fatalf("%s, asked at %v", in.Step, in.Signed.Account.FirstAskedAt)
			}
			for range 3 {
				must(t, w.s.Skip(t.Context(), in.Signed.Actor(by), in.Token, in.Signed))
			}
			if asked, err := w.s.Asked(t.Context(), audit.Actor{}, w.signed(in.Token)); err != nil || asked.Ask != signin.AskNothing {
				t.Errorf("asked again: %+v, %v", asked, err)
			}
		}
		in := w.in(alain, right)
		if err := w.s.Skip(t.Context(), in.Signed.Actor(by), in.Token, in.Signed); !problem.Has(err, problem.RegisterNow) {
			t.Errorf("a third time: %v", err)
		}
		if asked, err := w.s.Asked(t.Context(), audit.Actor{}, w.signed(in.Token)); err != nil || asked.Ask != signin.AskRegister {
			t.Errorf("after a refused skip nothing is asked: %+v, %v", asked, err)
		}
		if err := w.s.LooksGood(t.Context(), in.Signed.Actor(by), in.Token, in.Signed); !problem.Has(err, problem.RegisterNow) {
			t.Errorf("methods that are not there look good: %v", err)
		}
		if asked, err := w.s.Asked(t.Context(), audit.Actor{}, w.signed(in.Token)); err != nil || asked.Ask != signin.AskRegister {
			t.Errorf("after that nothing is asked: %+v, %v", asked, err)
		}
		if n := w.count(audit.RegistrationReconfirmed, ""); n != 0 || w.count(audit.RegistrationSkipped, "") != 2 {
			t.Errorf("%d confirmed, %d skipped", n, w.count(audit.RegistrationSkipped, ""))
		}
	})
}
