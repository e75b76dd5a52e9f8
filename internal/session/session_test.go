package session_test

import (
	"slices"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var by = audit.Actor{Kind: audit.Person, Account: "alain"}

type bench struct {
	t     *testing.T
	db    *store.DB
	s     *session.Service
	audit *audit.Service
}

func setUp(t *testing.T, db *store.DB) *bench {
	t.Helper()
	log := audittest.New(t, db)
	s, err := session.New(session.Deps{Keys: secrettest.NewTestKeyset(t), Audit: log})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, db, s, log}
}

func (b *bench) do(fn func(tx *store.Tx) error) {
	b.t.Helper()
	if err := b.db.Write(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

// signIn begins a session and gives the new token.
func (b *bench) signIn(token, account string, level session.Level) (string, session.Session) {
	b.t.Helper()
	var s session.Session
	b.do(func(tx *store.Tx) error {
		browser, fresh, err := b.s.Open(b.t.Context(), tx, token)
		if err != nil {
			return err
		}
		token = fresh
		s, err = b.s.Begin(b.t.Context(), tx, browser.ID, session.Begin{
			OrgID: "contoso", AccountID: account, UserID: account + "@contoso.com", Name: account, Level: level,
		})
		return err
	})
	return token, s
}

func (b *bench) current(token string) (s session.Session, err error) {
	b.t.Helper()
	_ = b.db.Read(b.t.Context(), func(tx *store.Tx) error { s, err = b.s.Current(b.t.Context(), tx, token); return nil })
	return s, err
}

func (b *bench) signedOut(token, why string) {
	b.t.Helper()
	if s, err := b.current(token); !problem.Has(err, problem.SignedOut) {
		b.t.Errorf("%s: %+v, %v", why, s, err)
	}
}

func TestATokenIsReplacedAtEverySignInAndProof(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, _ *storetest.Clock) {
		b := setUp(t, db)
		b.signedOut("", "no cookie")
		b.signedOut("made-up", "a made-up cookie")
		first, s := b.signIn("made-up", "alain", session.Partial)
		b.signedOut("made-up", "a token from elsewhere became a session")
		if got, err := b.current(first); err != nil || got.ID != s.ID || got.Level != session.Partial {
			t.Fatalf("%+v, %v", got, err)
		}
		var second string
		b.do(func(tx *store.Tx) (err error) { second, err = b.s.Prove(t.Context(), tx, s.ID, "method-1"); return err })
		b.signedOut(first, "the token from before the second factor")
		if got, err := b.current(second); err != nil || got.Level != session.Full || got.FactorID != "method-1" || got.FactorAt.IsZero() {
			t.Fatalf("%+v, %v", got, err)
		}
		third, _ := b.signIn(second, "bianca", session.Full)
		b.signedOut(second, "the token from before the second sign-in")
		if got, err := b.current(third); err != nil || got.AccountID != "bianca" {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

func TestASessionEndsByItself(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := setUp(t, db)
		token, s := b.signIn("", "alain", session.Full)
		clock.Advance(session.Idle - time.Second)
		if got, err := b.current(token); err != nil || !got.Stale(clock.Now()) {
			t.Fatalf("just before an hour: %+v, %v", got, err)
		}
		for range 22 {
			b.do(func(tx *store.Tx) error { return b.s.Touch(t.Context(), tx, s.ID) })
			clock.Advance(session.Idle - time.Minute)
		}
		if _, err := b.current(token); err != nil {
			t.Fatalf("in use, after %v: %v", 22*(session.Idle-time.Minute), err)
		}
		for range 2 {
			b.do(func(tx *store.Tx) error { return b.s.Touch(t.Context(), tx, s.ID) })
			clock.Advance(session.Idle - time.Minute)
		}
		b.signedOut(token, "after a day in use")
		token, _ = b.signIn(token, "alain", session.Full)
		clock.Advance(session.Idle)
		b.signedOut(token, "after an idle hour")
	})
}

func TestEndAllEndsEveryBrowserAndLeavesOthersAlone(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, _ *storetest.Clock) {
		b := setUp(t, db)
		phone, kept := b.signIn("", "alain", session.Full)
		laptop, _ := b.signIn("", "alain", session.Full)
		other, _ := b.signIn("", "bianca", session.Full)
		b.do(func(tx *store.Tx) error { return b.s.EndOthers(t.Context(), tx, by, "contoso", "alain", kept.ID) })
		b.signedOut(laptop, "another session after a change")
		if _, err := b.current(phone); err != nil {
			t.Errorf("the session that changed the password: %v", err)
		}
		b.do(func(tx *store.Tx) error { return b.s.EndAll(t.Context(), tx, by, "contoso", "alain") })
		b.do(func(tx *store.Tx) error { return b.s.EndAll(t.Context(), tx, by, "contoso", "alain") }) // nothing left: no event
		b.signedOut(phone, "after a reset")
		if _, err := b.current(other); err != nil {
			t.Errorf("somebody else's session: %v", err)
		}
		if events := audittest.Kinds(t, db, b.audit); len(events) != 2 || events[0] != audit.SessionRevoked {
			t.Errorf("events %v", events)
		}
	})
}

func TestThePickerBelongsToTheBrowser(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := setUp(t, db)
		token, _ := b.signIn("", "alain", session.Full)
		clock.Advance(time.Second)
		token, _ = b.signIn(token, "bianca", session.Full)
		stranger, _ := b.signIn("", "carla", session.Full)
		accounts := func(token string) (browser session.Browser, all []session.Account) {
			b.do(func(tx *store.Tx) (err error) {
				if browser, err = b.s.Browser(t.Context(), tx, token); err != nil {
					return err
				}
				all, err = b.s.Accounts(t.Context(), tx, browser.ID)
				return err
			})
			return browser, all
		}
		browser, all := accounts(token)
		if len(all) != 2 || all[0].UserID != "bianca@contoso.com" || all[1].Name != "alain" || all[1].SessionID == "" {
			t.Fatalf("%+v", all)
		}
		b.do(func(tx *store.Tx) error { _, err := b.s.Choose(t.Context(), tx, browser.ID, all[1]); return err })
		if got, err := b.current(token); err != nil || got.AccountID != "alain" {
			t.Fatalf("after choosing: %+v, %v", got, err)
		}
		strangers, theirs := accounts(stranger)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := b.s.Choose(t.Context(), tx, strangers.ID, all[1])
			return err
		})
		if !problem.Has(err, problem.SignedOut) || len(theirs) != 1 {
			t.Errorf("another browser chose it: %v; it shows %+v", err, theirs)
		}
		b.do(func(tx *store.Tx) error { return b.s.Forget(t.Context(), tx, browser.ID, all[1]) })
		b.signedOut(token, "a forgotten account")
		if _, left := accounts(token); len(left) != 1 || left[0].Name != "bianca" {
			t.Errorf("after forgetting: %+v", left)
		}
		_, all = accounts(token)
		b.do(func(tx *store.Tx) error { return b.s.End(t.Context(), tx, by, all[0].SessionID) })
		if _, signedOut := accounts(token); len(signedOut) != 1 || signedOut[0].SessionID != "" {
			t.Errorf("a signed-out account: %+v", signedOut)
		}
	})
}

func TestFreshAsksForTheStrongestProof(t *testing.T) {
	now := storetest.NewClock().Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, test := range map[string]struct {
		s         session.Session
		hasFactor bool
		want      bool
	}{
		"password alone":                    {session.Session{Level: session.Full, ProvedAt: ago(9 * time.Minute)}, false, true},
		"old password":                      {session.Session{Level: session.Full, ProvedAt: ago(11 * time.Minute)}, false, false},
		"factor never proved":               {session.Session{Level: session.Full, ProvedAt: now}, true, false},
		"factor proved":                     {session.Session{Level: session.Full, ProvedAt: ago(time.Hour), FactorAt: ago(time.Minute)}, true, true},
		"factor proved long ago":            {session.Session{Level: session.Full, ProvedAt: now, FactorAt: ago(11 * time.Minute)}, true, false},
		"a provider that does not say when": {session.Session{Level: session.Full, PasswordAt: now}, false, false},
		"a factor and a provider":           {session.Session{Level: session.Full, PasswordAt: now, ProvedAt: now}, true, false},
		"partial":                           {session.Session{Level: session.Partial, ProvedAt: now, FactorAt: now}, true, false},
	} {
		if got := test.s.Fresh(now, test.hasFactor, 10*time.Minute); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPurgeDropsWhatIsOver(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := setUp(t, db)
		b.signIn("", "alain", session.Full)
		count := func(table string) (n int) {
			b.do(func(tx *store.Tx) error { return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n) })
			return n
		}
		clock.Advance(session.Overall + time.Minute)
		b.do(func(tx *store.Tx) error { return b.s.Purge(t.Context(), tx) })
		if count("session") != 0 || count("browser_account") != 1 || count("browser") != 1 {
			t.Errorf("after a day: %d sessions, %d accounts, %d browsers", count("session"), count("browser_account"), count("browser"))
		}
		clock.Advance(session.Remembered)
		b.do(func(tx *store.Tx) error { return b.s.Purge(t.Context(), tx) })
		if count("browser_account") != 0 || count("browser") != 0 {
			t.Errorf("after months: %d accounts, %d browsers", count("browser_account"), count("browser"))
		}
	})
}

// A method that is gone vouches for nobody any more, wherever it was proved.
func TestAProofEndsWithItsMethod(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := setUp(t, db)
		fresh := func(token string) bool {
			s, err := b.current(token)
			if err != nil || s.Level != session.Full {
				t.Errorf("the session is %+v, %v", s, err)
			}
			return s.Fresh(clock.Now(), true, time.Minute)
		}
		tokens := make(map[string]string)
		for account, factor := range map[string]string{"alain": "lost", "budi": "lost", "citra": "kept"} {
			_, s := b.signIn("", account, session.Partial)
			b.do(func(tx *store.Tx) (err error) {
				tokens[account], err = b.s.Prove(t.Context(), tx, s.ID, factor)
				return err
			})
		}
		b.do(func(tx *store.Tx) error { return b.s.Unprove(t.Context(), tx, "contoso", "alain", "lost") })
		for account, want := range map[string]bool{"alain": false, "budi": true, "citra": true} {
			if got := fresh(tokens[account]); got != want {
				t.Errorf("%s: fresh is %v", account, got)
			}
		}
		err := db.Write(t.Context(), func(tx *store.Tx) error { return b.s.Unprove(t.Context(), tx, "contoso", "alain", "") })
		if err == nil {
			t.Error("sessions that proved nothing lost their proof")
		}
	})
}

// Typing the password again is no change of it: what has to be changed still has to be.
func TestOnlyAChangeEndsMustChange(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := setUp(t, db)
		var token string
		var s session.Session
		asked := clock.Now().Add(-time.Second)
		b.do(func(tx *store.Tx) (err error) {
			browser, _, err := b.s.Open(t.Context(), tx, "")
			if err != nil {
				return err
			}
			s, err = b.s.Begin(t.Context(), tx, browser.ID, session.Begin{
				OrgID: "contoso", AccountID: "alain", Level: session.Full, MustChange: true, PasswordAt: asked,
			})
			return err
		})
		if !s.PasswordAt.Equal(asked) {
			t.Errorf("the password was asked for at %v, noted %v", asked, s.PasswordAt)
		}
		b.do(func(tx *store.Tx) (err error) { token, err = b.s.PasswordTyped(t.Context(), tx, s.ID); return err })
		if got, err := b.current(token); err != nil || !got.MustChange || !got.PasswordAt.Equal(clock.Now()) {
			t.Errorf("typed again: %+v, %v", got, err)
		}
		typed := token
		b.do(func(tx *store.Tx) (err error) { token, err = b.s.PasswordChanged(t.Context(), tx, s.ID); return err })
		b.signedOut(typed, "the token from before the change")
		if got, err := b.current(token); err != nil || got.MustChange {
			t.Errorf("changed: %+v, %v", got, err)
		}
	})
}

func TestSessionsOfAnAccountAreListedAndEndedOneByOne(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := setUp(t, db)
		living := func(account string) (ids []string) {
			t.Helper()
			b.do(func(tx *store.Tx) error {
				all, err := b.s.Living(t.Context(), tx, "contoso", account)
				for _, s := range all {
					ids = append(ids, s.ID)
				}
				return err
			})
			return ids
		}
		end := func(org, account, id string) (err error) {
			t.Helper()
			b.do(func(tx *store.Tx) error { err = b.s.EndOf(t.Context(), tx, by, org, account, id); return nil })
			return err
		}
		_, old := b.signIn("", "alain", session.Full)
		clock.Advance(session.Idle)
		phone, first := b.signIn("", "alain", session.Full)
		clock.Advance(time.Minute)
		desk, second := b.signIn("", "alain", session.Partial)
		_, other := b.signIn("", "citra", session.Full)
		if got := living("alain"); !slices.Equal(got, []string{second.ID, first.ID}) {
			t.Errorf("living: %v", got)
		}
		for name, id := range map[string]string{"another account's": other.ID, "one that ran out": old.ID, "made up": "x"} {
			if err := end("contoso", "alain", id); !problem.Has(err, problem.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := end("fabrikam", "alain", first.ID); !problem.Has(err, problem.NotFound) {
			t.Errorf("of another organization: %v", err)
		}
		if err := end("contoso", "alain", first.ID); err != nil {
			t.Fatal(err)
		}
		b.signedOut(phone, "the session that was ended")
		if _, err := b.current(desk); err != nil {
			t.Errorf("the other one: %v", err)
		}
		if err := end("contoso", "alain", first.ID); !problem.Has(err, problem.NotFound) {
			t.Errorf("ended twice: %v", err)
		}
		if ends := first.Ends(); !ends.Equal(first.SeenAt.Add(session.Idle)) {
			t.Errorf("ends at %v", ends)
		}
	})
}
