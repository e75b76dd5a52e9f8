package challenge_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func (w *world) options(in challenge.Start) (c challenge.Challenge, options string) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		if c, err = w.s.Begin(w.t.Context(), tx, by, in); err != nil {
			return err
		}
		mine, err := w.methods.List(w.t.Context(), tx, in.Org.ID, in.Account.ID)
		if err != nil {
			return err
		}
		options, err = w.s.Options(in.Org, in.Account, c, mine, tx.Now())
		return err
	})
	return c, options
}

// waiting is a passkey that the person began to register.
func (w *world) waiting(a account.Account) (m method.Method) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		mine, err := w.methods.List(w.t.Context(), tx, w.org.ID, a.ID)
		if err != nil {
			return err
		}
		if m, err = w.methods.NewPasskey(w.org.ID, a.ID, mine); err != nil {
			return err
		}
		m, err = w.methods.Add(w.t.Context(), tx, m)
		return err
	})
	return m
}

func (w *world) startAs(a account.Account, m method.Method, p challenge.Purpose, owner string) challenge.Start {
	in := w.start(m, p, owner)
	in.Account = a
	return in
}

// register puts a passkey on the phone and into the account.
func (w *world) register(a account.Account, p *phone) method.Method {
	w.t.Helper()
	m := w.waiting(a)
	c, options := w.options(w.startAs(a, m, challenge.Register, "session-"+m.ID))
	if r := w.answer(w.db, c, m, p.make(w.t, options)); r.Outcome != challenge.OutcomePassed {
		w.t.Fatalf("registering: %+v", r)
	}
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.SetProved(w.t.Context(), tx, w.org.ID, a.ID, m.ID, method.ByPerson)
		return err
	})
	return m
}

func (w *world) get(m method.Method) (now method.Method) {
	w.t.Helper()
	w.write(func(tx *store.Tx) (err error) {
		now, err = w.methods.Get(w.t.Context(), tx, m.OrgID, m.AccountID, m.ID)
		return err
	})
	return now
}

func (w *world) other() account.Account {
	return account.Account{ID: store.NewID(), OrgID: w.org.ID, Entry: directory.Entry{UserID: "citra@contoso.com"}}
}

func TestAPasskeyIsRegisteredAndProvesEverything(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		for _, kind := range []virtualwebauthn.KeyType{virtualwebauthn.KeyTypeEC2, virtualwebauthn.KeyTypeRSA} {
			p := newPhone(kind)
			m := w.register(w.account, p)
			record, err := m.Credential()
			if err != nil || !bytes.Equal(record.ID, p.cred.ID) || record.RelyingParty != here.ID || len(record.Handle) != 64 {
				t.Fatalf("stored: %+v, %v", record, err)
			}
			for _, purpose := range []challenge.Purpose{challenge.Reset, challenge.SignIn, challenge.StepUp} {
				p.cred.Counter++
				c, options := w.options(w.start(m, purpose, "owner of "+string(purpose)))
				if r := w.answer(db, c, m, p.use(t, options)); r.Outcome != challenge.OutcomePassed {
					t.Fatalf("%s with %s: %+v", purpose, kind, r)
				}
			}
			after, err := w.get(m).Credential()
			if err != nil || after.SignCount != p.cred.Counter || w.get(m).LastUsedAt.IsZero() {
				t.Errorf("afterwards: count %d, want %d; %v", after.SignCount, p.cred.Counter, err)
			}
		}
	})
}

// What the browser is told: W-09, W-12, and nothing about an account's passkeys
// to somebody who has proved nothing.
func TestWhatTheBrowserIsAsked(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.register(w.account, newPhone(virtualwebauthn.KeyTypeEC2))
		record, _ := m.Credential()
		id := base64.RawURLEncoding.EncodeToString(record.ID)
		_, options := w.options(w.startAs(w.account, w.waiting(w.account), challenge.Register, "session"))
		var asked struct {
			RP                     struct{ ID, Name string }
			User                   struct{ ID, Name, DisplayName string }
			Challenge, Attestation string
			ExcludeCredentials     []struct{ ID, Type string }
			AuthenticatorSelection struct{ ResidentKey, UserVerification string }
			PubKeyCredParams       []struct{ Alg int }
		}
		if err := json.Unmarshal([]byte(options), &asked); err != nil {
			t.Fatal(err)
		}
		handle, err := base64.RawURLEncoding.DecodeString(asked.User.ID)
		if err != nil || len(handle) != 64 || !bytes.Equal(handle, record.Handle) {
			t.Errorf("user.id: %d bytes, the same as the first passkey's: %v", len(handle), bytes.Equal(handle, record.Handle))
		}
		if len(asked.ExcludeCredentials) != 1 || asked.ExcludeCredentials[0].ID != id {
			t.Errorf("excluded: %+v", asked.ExcludeCredentials)
		}
		if asked.AuthenticatorSelection.ResidentKey != "required" || asked.AuthenticatorSelection.UserVerification != "required" ||
			asked.Attestation != "none" || asked.RP.ID != here.ID || asked.User.Name != "alain@contoso.com" || len(asked.PubKeyCredParams) != 3 {
			t.Errorf("asked: %+v", asked)
		}
		for purpose, told := range map[challenge.Purpose]bool{challenge.Reset: false, challenge.SignIn: true, challenge.StepUp: true} {
			_, options := w.options(w.start(m, purpose, "owner"))
			if strings.Contains(options, id) != told || !strings.Contains(options, `"userVerification":"required"`) {
				t.Errorf("%s: %s", purpose, options)
			}
		}
		greeting, err := w.s.Greeting("browser", clock.Now())
		if err != nil || strings.Contains(greeting, "allowCredentials") {
			t.Errorf("greeting: %s, %v", greeting, err)
		}
		other, err := w.methods.NewPasskey(w.org.ID, w.other().ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if theirs, _ := other.Credential(); bytes.Equal(theirs.Handle, record.Handle) {
			t.Error("two accounts have one user.id")
		}
	})
}

// Every row of WebAuthn's verification, each with one thing wrong and the rest
// right: the same answer to all, and nothing stored changes (AC-104, W-01…W-08).
func TestAnAnswerWithOneThingWrongProvesNothing(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		p := newPhone(virtualwebauthn.KeyTypeEC2)
		m := w.register(w.account, p)
		stranger := newPhone(virtualwebauthn.KeyTypeEC2)
		w.register(w.other(), stranger)
		for name, wrong := range map[string]func(p phone, options string) string{
			"origin": func(p phone, o string) string {
				p.rp.Origin = "https://kunci.contoso.com.evil.example"
				return p.use(t, o)
			},
			"http":         func(p phone, o string) string { p.rp.Origin = "http://kunci.contoso.com"; return p.use(t, o) },
			"port":         func(p phone, o string) string { p.rp.Origin = "https://kunci.contoso.com:8443"; return p.use(t, o) },
			"rp":           func(p phone, o string) string { p.rp.ID = "contoso.com"; return p.use(t, o) },
			"user":         func(p phone, o string) string { p.auth.Options.UserHandle = []byte("somebody"); return p.use(t, o) },
			"no user":      func(p phone, o string) string { p.auth.Options.UserHandle = nil; return p.use(t, o) },
			"not present":  func(p phone, o string) string { p.auth.Options.UserNotPresent = true; return p.use(t, o) },
			"not verified": func(p phone, o string) string { p.auth.Options.UserNotVerified = true; return p.use(t, o) },
			"backup state": func(p phone, o string) string { p.auth.Options.BackupState = true; return p.use(t, o) },
			"eligibility":  func(p phone, o string) string { p.auth.Options.BackupEligible = true; return p.use(t, o) },
			"other key": func(p phone, o string) string {
				p.cred.Key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2).Key
				return p.use(t, o)
			},
			"other's passkey": func(_ phone, o string) string { return stranger.use(t, o) },
			"unknown passkey": func(p phone, o string) string {
				p.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
				return p.use(t, o)
			},
			"challenge": func(p phone, o string) string {
				return p.bend(t, p.use(t, o), func(_, client map[string]any) { client["challenge"] = "AAAAAAAAAAAAAAAAAAAAAA" })
			},
			"type": func(p phone, o string) string {
				return p.bend(t, p.use(t, o), func(_, client map[string]any) { client["type"] = "webauthn.create" })
			},
			"client data": func(p phone, o string) string {
				return (*phone)(nil).bend(t, p.use(t, o), func(_, client map[string]any) { client["more"] = "x" })
			},
			"frame": func(p phone, o string) string {
				return p.bend(t, p.use(t, o), func(_, client map[string]any) { client["crossOrigin"] = true })
			},
			"top origin": func(p phone, o string) string {
				return p.bend(t, p.use(t, o), func(_, client map[string]any) {
					client["crossOrigin"], client["topOrigin"] = true, "https://evil.example"
				})
			},
			"signature": func(p phone, o string) string {
				return (*phone)(nil).bend(t, p.use(t, o), func(response, _ map[string]any) {
					response["signature"] = base64.RawURLEncoding.EncodeToString([]byte("not a signature"))
				})
			},
		} {
			before := w.get(m)
			c, options := w.options(w.start(m, challenge.Reset, "flow of "+name))
			p.cred.Counter++
			r := w.answer(db, c, m, wrong(*p, options))
			if r.Outcome != challenge.OutcomeWrong || r.Code != problem.CodeWrong {
				t.Errorf("%s: %+v", name, r)
			}
			after := w.get(m)
			if !bytes.Equal(before.Secret, after.Secret) || !after.LastUsedAt.Equal(before.LastUsedAt) || after.ConsecutiveFailures != 0 {
				t.Errorf("%s changed what is stored", name)
			}
			w.write(func(tx *store.Tx) error { return w.s.ClearLimits(t.Context(), tx, w.org.ID, w.account.ID) })
			// The same challenge is not asked twice, and a right answer to the next one passes.
			_, again := w.options(w.start(m, challenge.Reset, "flow of "+name))
			if again == options {
				t.Errorf("%s: the challenge stayed", name)
			}
		}
		// A device signs over client data that has more in it than we know of.
		c, options := w.options(w.start(m, challenge.Reset, "more"))
		more := p.bend(t, p.use(t, options), func(_, client map[string]any) { client["later"] = "x" })
		if r := w.answer(db, c, m, more); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("client data with more in it: %+v", r)
		}
		p.cred.Counter++
		c, options = w.options(w.start(m, challenge.Reset, "the last"))
		if r := w.answer(db, c, m, p.use(t, options)); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("a right answer: %+v", r)
		}
	})
}

func TestAnAnswerCountsForItsChallengeAlone(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		p := newPhone(virtualwebauthn.KeyTypeEC2)
		m := w.register(w.account, p)
		c, options := w.options(w.start(m, challenge.Reset, "flow-1"))
		answer := p.use(t, options)
		if r := w.answer(db, c, m, answer); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("%+v", r)
		}
		if r := w.answer(db, c, m, answer); r.Outcome != challenge.OutcomeExpired {
			t.Errorf("replayed: %+v", r)
		}
		for _, purpose := range []challenge.Purpose{challenge.Reset, challenge.SignIn, challenge.StepUp} {
			want := challenge.OutcomeWrong
			if purpose != challenge.Reset {
				want = challenge.OutcomeExpired // nothing of that session's making
			}
			c, _ := w.options(w.start(m, purpose, "flow-2"))
			if r := w.answer(db, c, m, answer); r.Outcome != want {
				t.Errorf("in another flow for %s: %+v", purpose, r)
			}
		}
		for _, purpose := range []challenge.Purpose{challenge.SignIn, challenge.StepUp} {
			c, options := w.options(w.start(m, purpose, "session-1"))
			answer := p.use(t, options)
			other, _ := w.options(w.start(m, purpose, "session-2"))
			if r := w.answer(db, other, m, answer); r.Outcome != challenge.OutcomeExpired {
				t.Errorf("%s in another session: %+v", purpose, r)
			}
			if r := w.answer(db, c, m, answer); r.Outcome != challenge.OutcomePassed {
				t.Errorf("%s beside another session's: %+v", purpose, r)
			}
			c, _ = w.options(w.start(m, purpose, "session-1"))
			if r := w.answer(db, c, m, answer); r.Code != problem.CodeUsed {
				t.Errorf("%s again: %+v", purpose, r)
			}
			_, options = w.options(w.start(m, purpose, "session-1"))
			late := p.use(t, options)
			clock.Advance(10 * time.Minute)
			c, _ = w.options(w.start(m, purpose, "session-1"))
			if r := w.answer(db, c, m, late); r.Outcome != challenge.OutcomeExpired {
				t.Errorf("%s after ten minutes: %+v", purpose, r)
			}
		}
		c, options = w.options(w.start(m, challenge.Reset, "flow-3"))
		clock.Advance(10 * time.Minute)
		if r := w.answer(db, c, m, p.use(t, options)); r.Outcome != challenge.OutcomeExpired {
			t.Errorf("after ten minutes: %+v", r)
		}
	})
}

func TestTheSameAnswerAtOnceHasOneWinner(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		p := newPhone(virtualwebauthn.KeyTypeEC2)
		m := w.register(w.account, p)
		c, options := w.options(w.start(m, challenge.Reset, "flow-1"))
		answer := p.use(t, options)
		greeting, err := w.s.Greeting("browser", clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		greeted := p.use(t, greeting)
		var mu sync.Mutex
		passed := map[string]int{}
		note := func(door string, r challenge.Result) {
			if r.Outcome == challenge.OutcomePassed {
				mu.Lock()
				passed[door]++
				mu.Unlock()
			}
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { note("reset", w.answer(db, c, m, answer)) })
			all.Go(func() { r, _ := w.claim("browser", greeted); note("greeting", r) })
		}
		all.Wait()
		if passed["reset"] != 1 || passed["greeting"] != 1 {
			t.Errorf("passed %v", passed)
		}
	})
}

// claim does what a sign-in page does with the answer to a greeting.
func (w *world) claim(browser, answer string) (challenge.Result, problem.Code) {
	w.t.Helper()
	var r challenge.Result
	err := w.db.Write(w.t.Context(), func(tx *store.Tx) error {
		claim, err := w.s.Recognize(w.t.Context(), tx, browser, answer)
		if err != nil {
			return err
		}
		r, err = w.s.PassClaim(w.t.Context(), tx, by, w.org, claim, "session-"+store.NewID())
		return err
	})
	if refusal, ok := problem.As(err); ok {
		return r, refusal.Code
	}
	if err != nil {
		w.t.Error(err)
	}
	return r, r.Code
}

func TestAGreetingLetsInByPasskeyAlone(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		p := newPhone(virtualwebauthn.KeyTypeEC2)
		m := w.register(w.account, p)
		ask := func(browser string) string {
			greeting, err := w.s.Greeting(browser, clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return greeting
		}
		// A reset that is open on the same passkey does not stand in the way.
		w.options(w.start(m, challenge.Reset, "flow-1"))
		greeting := ask("browser")
		r, code := w.claim("browser", p.use(t, greeting))
		if r.Outcome != challenge.OutcomePassed || r.Challenge.MethodID != m.ID || r.Challenge.AccountID != w.account.ID || r.Challenge.Purpose != challenge.SignIn {
			t.Fatalf("%+v, %s", r, code)
		}
		if _, code := w.claim("browser", p.use(t, greeting)); code != problem.CodeUsed {
			t.Errorf("used again: %s", code)
		}
		if _, code := w.claim("another browser", p.use(t, ask("browser"))); code != problem.CodeExpired {
			t.Errorf("of another browser: %s", code)
		}
		unknown := newPhone(virtualwebauthn.KeyTypeEC2)
		unknown.auth.Options.UserHandle = p.auth.Options.UserHandle
		if _, code := w.claim("browser", unknown.use(t, ask("browser"))); code != problem.CodeWrong {
			t.Errorf("nobody's: %s", code)
		}
		forged := *p
		forged.cred.Key = unknown.cred.Key
		if r, code := w.claim("browser", forged.use(t, ask("browser"))); code != problem.CodeWrong || r.Outcome != challenge.OutcomeWrong {
			t.Errorf("with another key: %+v %s", r, code)
		}
		nameless := *p
		nameless.auth.Options.UserHandle = nil
		if _, code := w.claim("browser", nameless.use(t, ask("browser"))); code != problem.CodeWrong {
			t.Errorf("without a user handle: %s", code)
		}
		own := p.bend(t, p.use(t, ask("browser")), func(_, client map[string]any) {
			client["challenge"] = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 56))
		})
		if _, code := w.claim("browser", own); code != problem.CodeExpired {
			t.Errorf("a challenge of their own making: %s", code)
		}
		late := p.use(t, ask("browser"))
		clock.Advance(10 * time.Minute)
		if _, code := w.claim("browser", late); code != problem.CodeExpired {
			t.Errorf("after ten minutes: %s", code)
		}
		w.write(func(tx *store.Tx) error {
			_, err := w.methods.Delete(t.Context(), tx, m.OrgID, m.AccountID, m.ID)
			return err
		})
		if _, code := w.claim("browser", p.use(t, ask("browser"))); code != problem.CodeWrong {
			t.Errorf("deleted: %s", code)
		}
	})
}

func TestAnyPasskeyOfTheAccountAnswers(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first, second := newPhone(virtualwebauthn.KeyTypeEC2), newPhone(virtualwebauthn.KeyTypeEC2)
		m1, m2 := w.register(w.account, first), w.register(w.account, second)
		c, options := w.options(w.start(m1, challenge.Reset, "flow-1"))
		r := w.answer(db, c, m1, second.use(t, options))
		if r.Outcome != challenge.OutcomePassed || r.Challenge.MethodID != m2.ID {
			t.Fatalf("%+v", r)
		}
		w.write(func(tx *store.Tx) error {
			passed, err := w.s.Passed(t.Context(), tx, "flow-1")
			if err == nil && (len(passed) != 1 || passed[0].MethodID != m2.ID) {
				t.Errorf("passed: %+v", passed)
			}
			return err
		})
		// A door may leave some out.
		c, options = w.options(w.start(m1, challenge.Reset, "flow-2"))
		a, err := w.s.Prepare(t.Context(), m1, second.use(t, options))
		if err != nil {
			t.Fatal(err)
		}
		w.write(func(tx *store.Tx) error {
			r, err := w.s.Pass(t.Context(), tx, by, w.org, c, a.Among([]string{m1.ID}))
			if r.Outcome != challenge.OutcomeWrong {
				t.Errorf("left out: %+v", r)
			}
			return err
		})
	})
}

// Wrong answers are counted on all passkeys together, and never switch one off:
// strangers can send them.
func TestWrongPasskeyAnswersBlockAndDoNotDisable(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		p := newPhone(virtualwebauthn.KeyTypeEC2)
		m, other := w.register(w.account, p), newPhone(virtualwebauthn.KeyTypeEC2)
		second := w.register(w.account, other)
		forged := *p
		forged.cred.Key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2).Key
		outcomes := map[challenge.Outcome]int{}
		for range 8 {
			c, options := w.options(w.start(m, challenge.Reset, "flow-1"))
			outcomes[w.answer(db, c, m, forged.use(t, options)).Outcome]++
		}
		if outcomes[challenge.OutcomeWrong] != 5 || outcomes[challenge.OutcomeBlocked] != 3 {
			t.Errorf("outcomes %v", outcomes)
		}
		c, options := w.options(w.start(second, challenge.Reset, "flow-2"))
		if r := w.answer(db, c, second, other.use(t, options)); r.Outcome != challenge.OutcomeBlocked {
			t.Errorf("the other passkey: %+v", r)
		}
		c, options = w.options(w.start(m, challenge.SignIn, "session"))
		if r := w.answer(db, c, m, p.use(t, options)); r.Outcome != challenge.OutcomePassed {
			t.Errorf("signing in: %+v", r)
		}
		for range 100 {
			w.write(func(tx *store.Tx) error { return w.s.ClearLimits(t.Context(), tx, w.org.ID, w.account.ID) })
			c, options := w.options(w.start(m, challenge.Reset, "flow-3"))
			w.answer(db, c, m, forged.use(t, options))
		}
		if !w.get(m).Usable() {
			t.Error("strangers switched it off")
		}
	})
}

// A count that goes backwards is a copy, and the passkey is switched off; an
// answer that merely came late is refused.
func TestACopiedPasskeyIsSwitchedOff(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		w.email()
		p := newPhone(virtualwebauthn.KeyTypeEC2)
		m := w.register(w.account, p)
		copied := *p
		old, oldOptions := w.options(w.start(m, challenge.Reset, "flow-1"))
		p.cred.Counter = 5
		late := p.use(t, oldOptions)
		clock.Advance(time.Second)
		greeting, err := w.s.Greeting("browser", clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.cred.Counter = 6
		if r, code := w.claim("browser", p.use(t, greeting)); r.Outcome != challenge.OutcomePassed {
			t.Fatalf("%+v %s", r, code)
		}
		if r := w.answer(db, old, m, late); r.Code != problem.CodeUsed || !w.get(m).Usable() {
			t.Errorf("an answer that came late: %+v", r)
		}
		clock.Advance(time.Second)
		c, options := w.options(w.start(m, challenge.Reset, "flow-2"))
		copied.cred.Counter = 6
		if r := w.answer(db, c, m, copied.use(t, options)); r.Code != problem.PasskeyCopied {
			t.Errorf("the copy: %+v", r)
		}
		if w.get(m).Usable() {
			t.Error("it still counts")
		}
		last := w.out.sent[len(w.out.sent)-1]
		if notice, ok := last.Body.(notify.MethodNotice); !ok || notice.Action != notify.MethodCopied || notice.Kind != "passkey" {
			t.Errorf("told: %+v", last.Body)
		}
		var events []audit.Record
		w.write(func(tx *store.Tx) (err error) {
			events, err = w.audit.List(t.Context(), tx, audit.Query{Limit: 1})
			return err
		})
		if e := events[0]; e.Kind != audit.MethodChanged || e.Reason != "copied" || e.Outcome != audit.Denied || e.MethodID != m.ID {
			t.Errorf("recorded: %+v", e)
		}
	})
}

func TestWhereThereCanBePasskeys(t *testing.T) {
	for _, c := range []struct{ address, host, why string }{
		{"https://kunci.contoso.com", "kunci.contoso.com", ""},
		{"https://kunci.contoso.com:8443/", "kunci.contoso.com", ""},
		{"https://Kunci.Contoso.com", "kunci.contoso.com", ""},
		{"http://localhost:8080", "localhost", ""},
		{"http://127.0.0.1:8080", "", challenge.AddressIsNumber},
		{"https://192.0.2.7", "", challenge.AddressIsNumber},
		{"https://[2001:db8::1]:443", "", challenge.AddressIsNumber},
		{"http://kunci.contoso.com", "", challenge.AddressIsInsecure},
		{"", "", challenge.AddressIsNumber},
	} {
		if host, why := challenge.RelyingParty(c.address); host != c.host || why != c.why {
			t.Errorf("%s: %q, %q", c.address, host, why)
		}
	}
}

// A passkey that was made for another address is not asked for here, and counts
// for nothing: nobody is asked for what no browser gives.
func TestAPasskeyWorksAtItsAddressAlone(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m := w.register(w.account, newPhone(virtualwebauthn.KeyTypeEC2))
		for host, works := range map[string]bool{here.ID: true, "kunci.example.org": false, "": false} {
			moved, err := method.New(method.Deps{Keys: w.keys, RelyingParty: host})
			if err != nil {
				t.Fatal(err)
			}
			s, err := challenge.New(challenge.Deps{Keys: w.keys, Methods: moved, Audit: w.audit, Messages: w.out, PublicURL: "https://" + host})
			if err != nil {
				t.Fatal(err)
			}
			w.write(func(tx *store.Tx) error {
				if now, err := moved.Get(t.Context(), tx, m.OrgID, m.AccountID, m.ID); err != nil || now.Usable() != works {
					t.Errorf("at %q: usable %v, %v", host, now.Usable(), err)
				}
				if _, err := s.Begin(t.Context(), tx, by, w.start(m, challenge.Reset, "flow at "+host)); problem.Has(err, problem.MethodNotAllowed) == works {
					t.Errorf("begun at %q: %v", host, err)
				}
				return nil
			})
		}
	})
}
