package reset_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const alain = "alain@contoso.com"

func TestNextForEveryState(t *testing.T) {
	for _, c := range []struct {
		state          reset.State
		method         string
		passed, needed int
		want           reset.Page
	}{
		{reset.Choosing, "", 0, 1, reset.PageChoose},
		{reset.Choosing, "", 1, 2, reset.PageChoose},
		{reset.Verifying, "m", 0, 1, reset.PageVerify},
		{reset.Verifying, "", 0, 1, reset.PageChoose},
		{reset.ChoosingPassword, "", 1, 1, reset.PagePassword},
		{reset.ChoosingPassword, "", 1, 2, reset.PageChoose},
		{reset.ChoosingPassword, "", 0, 0, reset.PageChoose},
		{reset.Writing, "", 1, 1, reset.PagePassword},
		{reset.Writing, "", 0, 1, reset.PageChoose},
		{reset.Done, "", 0, 0, reset.PageDone},
		{reset.Unlocked, "", 0, 0, reset.PageUnlockDone},
		{reset.Problem, "", 0, 0, reset.PageProblem},
		{"nonsense", "", 2, 1, reset.PageProblem},
	} {
		if got := reset.Next(reset.Flow{State: c.state, MethodID: c.method}, c.passed, c.needed); got.Page != c.want {
			t.Errorf("%s %d/%d: %s, want %s", c.state, c.passed, c.needed, got.Page, c.want)
		}
	}
}

func TestAPersonGetsBackIn(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		f := w.start(t, " Alain@CONTOSO.com ", reset.Forgot)
		r := w.proveEmail(t, f, m)
		if r.Step.Page != reset.PagePassword {
			t.Fatalf("after the gate: %+v", r.Step)
		}
		short, err := w.s.SetPassword(t.Context(), by, r.Flow, "contoso")
		must(t, err)
		if short.Code != problem.PasswordRefused || len(short.Refusals) < 2 || short.Step.Page != reset.PagePassword {
			t.Fatalf("a bad password: %+v", short)
		}
		done, err := w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if done.Step.Page != reset.PageDone || w.people.pw["key-"+alain] != good || w.sessions.ended != 1 {
			t.Fatalf("done: %+v", done.Step)
		}
		last, ok := w.out.sent[len(w.out.sent)-1].Body.(notify.PasswordNotice)
		if !ok || !strings.HasPrefix(last.DisputeURL, "https://kunci.test"+reset.DisputePath) {
			t.Fatal("no notice")
		}
		again, err := w.s.SetPassword(t.Context(), by, r.Flow, good+"!")
		must(t, err)
		if again.Step.Page != reset.PageDone || w.people.writes != 1 {
			t.Fatal("a second password was written by a finished flow")
		}
		kinds := audittest.Kinds(t, db, w.audit)
		for _, k := range []audit.Kind{audit.ResetStarted, audit.ResetGatePassed, audit.ResetRefused, audit.ResetCompleted} {
			if !slices.Contains(kinds, k) {
				t.Errorf("no event %s", k)
			}
		}
	})
}

func TestDeadEnds(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock, func(d *org.Document) {
			d.Policy.Reset.Scope, d.Policy.Reset.Groups = org.ScopeSelected, []string{"staff"}
		})
		staff := func(e *directory.Entry) { e.Groups = []string{"staff"} }
		w.people.add("none@contoso.com", staff)
		w.people.add("outside@contoso.com", nil)
		w.people.add("external@contoso.com", func(e *directory.Entry) { staff(e); e.Source = directory.External })
		w.people.add("off@contoso.com", func(e *directory.Entry) { staff(e); e.Disabled = true })
		w.people.add("root@contoso.com", func(e *directory.Entry) { staff(e); e.Privileged = true })
		w.people.add("adele@contoso.com", staff)
		w.people.add("frozen@contoso.com", staff)
		for _, u := range []string{"outside", "external", "off", "root", "adele", "frozen"} {
			w.email(t, u+"@contoso.com")
		}
		must(t, db.Write(t.Context(), func(tx *store.Tx) error {
			return w.accounts.Freeze(t.Context(), tx, by, w.org.ID, w.account(t, "frozen@contoso.com").ID)
		}))
		for user, want := range map[string]problem.Code{
			"none@contoso.com": problem.NotVerified, "nobody@contoso.com": problem.NotVerified, "x@elsewhere.example": problem.NotVerified,
			"outside@contoso.com": problem.NotEnabled, "external@contoso.com": problem.NotManaged, "off@contoso.com": problem.NotVerified,
			"root@contoso.com": problem.NotEnabled, "adele@contoso.com": problem.NotVerified, "frozen@contoso.com": problem.NotVerified,
		} {
			f := w.start(t, user, reset.Forgot)
			if f.State != reset.Problem || f.Problem != want {
				t.Errorf("%s: %s %s, want %s", user, f.State, f.Problem, want)
			}
			must(t, func() error {
				err := w.s.Contact(t.Context(), by, f, "please help")
				if want == problem.NotManaged && errors.Is(err, problem.New(problem.Forbidden)) {
					return nil
				}
				return err
			}())
		}
	})
}

func TestAnAdministratorNeedsTwoGatesOfTwoClasses(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		w.people.add("adele@contoso.com", nil)
		mail := w.email(t, "adele@contoso.com")
		second := w.add(t, "adele@contoso.com", method.Method{Kind: method.Email, Value: "other@example.net"})
		if f := w.start(t, "adele@contoso.com", reset.Forgot); f.Problem != problem.NotVerified {
			t.Fatalf("two mailboxes: %+v", f)
		}
		w.app(t, "adele@contoso.com")
		r := w.proveEmail(t, w.start(t, "adele@contoso.com", reset.Forgot), mail)
		if r.Step.Page != reset.PageChoose {
			t.Fatalf("after one gate: %+v", r.Step)
		}
		if _, err := w.s.Choose(t.Context(), by, r.Flow, second.ID); !errors.Is(err, problem.New(problem.MethodNotAllowed)) {
			t.Fatalf("a second mailbox: %v", err)
		}
		out, err := w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if w.people.writes != 0 || out.Step.Page != reset.PageChoose {
			t.Fatal("written with one gate")
		}
	})
}

func TestAPolicyThatAsksForMoreInBetween(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		w.app(t, alain)
		r := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		w.policy(t, func(p *org.Policy) { p.Reset.Gates = 2 })
		out, err := w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if w.people.writes != 0 || out.Step.Page != reset.PageChoose {
			t.Fatalf("after the policy changed: %+v", out.Step)
		}
	})
}

func TestADirectoryThatFails(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		r := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)

		w.people.fault = &directory.RefusedError{Rule: directory.RuleHistory}
		out, err := w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if len(out.Refusals) != 1 || out.Refusals[0].Rule != directory.RuleHistory || out.Step.Page != reset.PagePassword {
			t.Fatalf("refused: %+v", out)
		}
		w.people.fault = directory.ErrUnavailable
		out, err = w.s.SetPassword(t.Context(), by, r.Flow, good)
		if !errors.Is(err, problem.New(problem.DirectoryUnavailable)) || out.Step.Page != reset.PagePassword {
			t.Fatalf("unavailable: %+v %v", out, err)
		}
		w.people.fault = nil
		out, err = w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if out.Step.Page != reset.PageDone {
			t.Fatalf("repeated: %+v", out.Step)
		}
		r = w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		w.people.fault = directory.ErrRights
		out, err = w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if out.Step.Problem != problem.DirectoryRefused {
			t.Fatalf("no rights: %+v", out.Step)
		}
	})
}

// A password that is set is done, and the event says what the directory refused beside it.
func TestADirectoryThatRefusesTheRest(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		r := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		w.people.fault, w.people.after = &directory.IncompleteError{Left: directory.LeftMustChange, Cause: directory.ErrRights}, true
		out, err := w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if out.Step.Page != reset.PageDone {
			t.Fatalf("%+v", out.Step)
		}
		said := ""
		for _, e := range audittest.Events(t, db, w.audit) {
			if e.Kind == audit.ResetCompleted {
				said = e.Detail["left"]
			}
		}
		if said != directory.LeftMustChange {
			t.Errorf("the event says %q", said)
		}
	})
}

func TestAFlowLivesFifteenMinutes(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		r := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		clock.Advance(reset.Life)
		out, err := w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		if w.people.writes != 0 || out.Step.Problem != problem.Expired {
			t.Fatalf("after fifteen minutes: %+v", out.Step)
		}
		must(t, w.s.Expire(t.Context()))
		if !slices.Contains(audittest.Kinds(t, db, w.audit), audit.ResetAbandoned) {
			t.Fatal("not recorded as abandoned")
		}
	})
}

func TestOnlyAPassedGateEndsOtherFlows(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		mine := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		stranger := w.start(t, alain, reset.Forgot)
		if _, err := w.s.Choose(t.Context(), by, stranger, m.ID); err != nil {
			t.Fatal(err)
		}
		v, err := w.s.View(t.Context(), mine.Flow)
		must(t, err)
		if v.Step.Page != reset.PagePassword {
			t.Fatalf("a stranger's flow ended mine: %+v", v.Step)
		}
		newer := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		old, err := w.s.SetPassword(t.Context(), by, mine.Flow, good)
		must(t, err)
		if w.people.writes != 0 || old.Step.Problem != problem.Expired || newer.Step.Page != reset.PagePassword {
			t.Fatalf("older %+v, newer %+v", old.Step, newer.Step)
		}
	})
}

func TestUnlockWithoutANewPassword(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		r := w.proveEmail(t, w.start(t, alain, reset.Locked), m)
		if r.Step.Page != reset.PageUnlockDone || w.people.unlocks != 1 || w.people.writes != 0 {
			t.Fatalf("%+v", r.Step)
		}
		r = w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		if _, err := w.s.Unlock(t.Context(), by, r.Flow); err == nil {
			t.Fatal("unlocked without having come for it")
		}
	})
}

func TestGuessesRunOut(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		f := w.start(t, alain, reset.Forgot)
		r, err := w.s.Choose(t.Context(), by, f, m.ID)
		must(t, err)
		r, err = w.s.Send(t.Context(), by, r.Flow)
		must(t, err)
		code := w.out.lastCode()
		for left := 4; left >= 0; left-- {
			out, err := w.s.Answer(t.Context(), by, r.Flow, m.ID, wrongCode(code))
			must(t, err)
			if out.Code != problem.CodeWrong || out.Left != left || (out.RetryAfter > 23*time.Hour) != (left == 0) {
				t.Fatalf("%d left: %+v", left, out)
			}
		}
		out, err := w.s.Answer(t.Context(), by, r.Flow, m.ID, code)
		must(t, err)
		if out.Step.Problem != problem.Blocked || out.RetryAfter <= 23*time.Hour {
			t.Fatalf("the right code afterwards: %+v", out)
		}
		if f := w.start(t, alain, reset.Forgot); f.Problem != problem.Blocked || f.RetryAt.IsZero() {
			t.Fatalf("a new flow: %+v", f)
		}
		rules, err := w.s.Explain(t.Context(), w.org, alain)
		must(t, err)
		for _, r := range rules {
			if r.OK != (r.Name != "throttle") || r.Name == "methods" && r.Args["count"] != 1 {
				t.Errorf("can-reset says of %s: %v, %v", r.Name, r.OK, r.Args)
			}
		}
		clock.Advance(25 * time.Hour)
		if f := w.start(t, alain, reset.Forgot); f.State != reset.Choosing {
			t.Fatalf("the day after: %+v", f)
		}
	})
}

func TestFiveFailedFlowsBlockTheSixth(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		for i := range 5 {
			f := w.start(t, alain, reset.Forgot)
			r, err := w.s.Choose(t.Context(), by, f, m.ID)
			must(t, err)
			r, err = w.s.Answer(t.Context(), by, r.Flow, m.ID, "00000000")
			must(t, err)
			if r.Code != problem.CodeWrong {
				t.Fatalf("flow %d: %+v", i, r)
			}
			clock.Advance(2 * time.Hour)
		}
		if f := w.start(t, alain, reset.Forgot); f.Problem != problem.Blocked {
			t.Fatalf("the sixth: %+v", f)
		}
	})
}

func TestParallelPasswordsAreWrittenOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		r := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := w.s.SetPassword(t.Context(), by, r.Flow, good); err != nil && !errors.Is(err, problem.New(problem.Busy)) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if w.people.writes != 1 {
			t.Fatalf("%d writes", w.people.writes)
		}
	})
}

func TestThisWasNotMe(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.email(t, alain)
		r := w.proveEmail(t, w.start(t, alain, reset.Forgot), m)
		_, err := w.s.SetPassword(t.Context(), by, r.Flow, good)
		must(t, err)
		token := strings.TrimPrefix(w.out.disputeLink(), "https://kunci.test"+reset.DisputePath)
		d, err := w.s.Dispute(t.Context(), token)
		must(t, err)
		if d.UserID != alain || !d.UsedAt.IsZero() || w.account(t, alain).Frozen() {
			t.Fatalf("looking changed something: %+v", d)
		}
		for range 2 {
			_, err = w.s.ConfirmDispute(t.Context(), by, token)
			must(t, err)
		}
		if !w.account(t, alain).Frozen() {
			t.Fatal("not frozen")
		}
		if f := w.start(t, alain, reset.Forgot); f.Problem != problem.NotVerified {
			t.Fatalf("a frozen account: %+v", f)
		}
		if _, err := w.s.Dispute(t.Context(), token+"x"); !errors.Is(err, problem.New(problem.NotFound)) {
			t.Fatal(err)
		}
	})
}
