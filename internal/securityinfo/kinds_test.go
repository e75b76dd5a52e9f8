package securityinfo_test

import (
	"encoding/base32"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// The address is read back by another's library, whatever the names hold.
func TestAppsReadTheAddress(t *testing.T) {
	secret := []byte("12345678901234567890")
	for _, c := range []struct{ issuer, userID string }{
		{"Contoso", "alain@contoso.com"}, {"Toko & Anak: Jaya + 1%", "a+b&c=d?#@contoso.com"}, {"株式会社", "名前@contoso.com"}, {`"><script>`, "x/y@contoso.com"},
	} {
		key, err := otp.NewKeyFromURL(securityinfo.OTPAuth(c.issuer, c.userID, secret))
		if err != nil {
			t.Errorf("%s: %v", c.issuer, err)
			continue
		}
		parsed, _ := url.Parse(key.URL())
		if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key.Secret()); err != nil || string(raw) != string(secret) {
			t.Errorf("%s: the secret is %q, %v", c.issuer, key.Secret(), err)
		}
		want := c.issuer
		if c.issuer == "Toko & Anak: Jaya + 1%" {
			want = "Toko & Anak  Jaya + 1%"
		}
		if key.Issuer() != want || key.AccountName() != c.userID || key.Type() != "totp" || key.Period() != 30 || parsed.Query().Get("digits") != "6" {
			t.Errorf("%q %q: read as %q %q", c.issuer, c.userID, key.Issuer(), key.AccountName())
		}
	}
}

func TestAnAppIsProvedByItsCode(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		pending := w.begun(me, method.AuthenticatorCode, nil)
		if _, err := w.confirm(me, method.AuthenticatorCode, "12345"); !problem.Has(err, problem.CodeFormat) {
			t.Errorf("five digits: %v", err)
		}
		_, err := w.s.Confirm(t.Context(), by(me), me, securityinfo.Confirm{Kind: method.AuthenticatorCode, Answer: w.totp(pending), Name: "a\x07b"})
		wantCode(t, "a name with a bell", err, problem.BadInput)
		clock.Advance(9 * time.Minute) // an app is installed meanwhile
		r, err := w.s.Confirm(t.Context(), by(me), me, securityinfo.Confirm{Kind: method.AuthenticatorCode, Answer: w.totp(pending), Name: " Ponsel "})
		if err != nil || r.Refused != nil || r.Method.Name != "Ponsel" {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.Token == "" {
			t.Error("the first factor did not prove the session")
		}
		if err := w.s.Fresh(t.Context(), me, method.Email); err != nil {
			t.Errorf("the session that added the first factor: %v", err)
		}
		second := w.begun(me, method.AuthenticatorCode, nil)
		if second.ID == pending.ID || string(second.Secret) == string(pending.Secret) {
			t.Error("the same secret twice")
		}
		if r := w.confirmed(me, method.AuthenticatorCode, w.totp(second)); r.Token != "" {
			t.Error("a second factor renewed the session's proof")
		}
	})
}

// A challenge of fifteen minutes ends before the hour of a registration does.
func TestAnAppMayTakeLongerThanAChallenge(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		app := w.app(first)
		me := w.who("alain@contoso.com", app.ID)
		pending := w.begun(me, method.AuthenticatorCode, nil)
		clock.Advance(20 * time.Minute)
		w.write(func(tx *store.Tx) error {
			_, err := w.sessions.Prove(t.Context(), tx, me.Session.ID, app.ID)
			return err
		})
		w.confirmed(me, method.AuthenticatorCode, w.totp(pending))
	})
}

func TestRecoveryCodesAreReplacedAsASet(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		email := w.email(me, "alain@example.net")
		r, err := w.begin(me, method.RecoveryCode, securityinfo.Form{"set": ""})
		if err != nil || len(r.Codes) != method.RecoveryCodes || r.Token == "" {
			t.Fatalf("%d codes, token %q, %v", len(r.Codes), r.Token, err)
		}
		same(t, "told", w.out.notices(), []string{"added recovery_code alain@example.net"})
		set := r.Method.ID
		_, err = w.begin(me, method.RecoveryCode, securityinfo.Form{"set": ""})
		wantCode(t, "the button pressed twice", err, problem.Conflict)
		same(t, "after that", w.counting(me), []string{email.ID, set})
		again, err := w.begin(me, method.RecoveryCode, securityinfo.Form{"set": set})
		if err != nil || again.Codes[0] == r.Codes[0] {
			t.Fatalf("new codes: %v", err)
		}
		same(t, "the new set", w.counting(me), []string{email.ID, again.Method.ID})
		same(t, "told", w.out.notices(), []string{"changed recovery_code alain@example.net"})
		hash, err := w.methods.HashRecoveryCode(t.Context(), again.Method.Secret, r.Codes[0])
		if _, ok := method.MatchRecoveryCode(again.Method.Secret, hash); ok || err != nil {
			t.Errorf("an old code is in the new set: %v", err)
		}
		sealed, err := w.s.SealCodes(me, again.Codes)
		if err != nil {
			t.Fatal(err)
		}
		if codes, err := w.s.OpenCodes(me, sealed); err != nil || len(codes) != len(again.Codes) || codes[3] != again.Codes[3] {
			t.Errorf("opened %d codes, %v", len(codes), err)
		}
		for name, who := range map[string]securityinfo.Who{"another session": w.who("alain@contoso.com", set), "another person": w.who("citra@contoso.com", "")} {
			_, err := w.s.OpenCodes(who, sealed)
			wantCode(t, name, err, problem.BadInput)
		}
		_, err = w.s.OpenCodes(me, "nonsense!")
		wantCode(t, "nonsense", err, problem.BadInput)
	})
}

// Of two presses at once one makes the codes that are shown and count.
func TestTwoPressesMakeOneSet(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		made := parallel(4, func(int) bool {
			r, err := w.begin(me, method.RecoveryCode, securityinfo.Form{"set": ""})
			if err != nil && !problem.Has(err, problem.Conflict) && !problem.Has(err, problem.StepUp) {
				t.Error(err)
			}
			return err == nil && len(r.Codes) > 0
		})
		if made != 1 || len(w.counting(me)) != 1 {
			t.Errorf("%d sets were shown, %d count", made, len(w.counting(me)))
		}
	})
}

func parallel(n int, do func(i int) bool) (yes int) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		group.Go(func() {
			if do(i) {
				mu.Lock()
				defer mu.Unlock()
				yes++
			}
		})
	}
	group.Wait()
	return yes
}

// The same right answer many times at once adds one method, once.
func TestParallelConfirmationsAddOneMethod(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		pending := w.begun(me, method.Email, securityinfo.Form{"email": "alain@example.net"})
		code := w.out.code()
		parallel(8, func(int) bool {
			r, err := w.s.Confirm(t.Context(), by(me), me, securityinfo.Confirm{Kind: method.Email, MethodID: pending.ID, Answer: code})
			if err != nil || r.Refused != nil || r.Method.ID != pending.ID {
				t.Errorf("%v, %v", r.Refused, err)
			}
			return true
		})
		same(t, "methods", w.counting(me), []string{pending.ID})
		same(t, "events", w.events(), []string{"method.added", "registration.completed"})
	})
}

func TestParallelRegistrationsKeepToTheLimit(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		first := w.who("alain@contoso.com", "")
		app := w.app(first)
		for range 3 {
			w.app(first)
		}
		var all []securityinfo.Who
		for range 6 {
			all = append(all, w.who("alain@contoso.com", app.ID))
		}
		parallel(len(all), func(i int) bool {
			for range 3 {
				r, err := w.begin(all[i], method.AuthenticatorCode, nil)
				if err != nil {
					if !problem.Has(err, problem.MethodLimit) {
						t.Error(err)
					}
					continue
				}
				r, err = w.confirm(all[i], method.AuthenticatorCode, w.totp(r.Method))
				if err != nil && !problem.Has(err, problem.MethodLimit) {
					t.Error(err)
				}
			}
			return true
		})
		if n := len(w.counting(first)); n != method.AuthenticatorCode.Limit() {
			t.Errorf("%d apps", n)
		}
	})
}

// Registration is complete when a reset would be possible, and said once.
func TestRegistrationIsCompleteOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock, func(d *org.Document) { d.Policy.Reset.Gates, d.Policy.NewMethodWaitingHours = 2, 48 })
		me := w.who("alain@contoso.com", "")
		view := func() securityinfo.Reset {
			t.Helper()
			v, err := w.s.View(t.Context(), me)
			if err != nil {
				t.Fatal(err)
			}
			return v.Reset
		}
		if r := view(); r.Enough || r.Missing != 2 || len(r.Add) > 0 || r.Gates != 2 {
			t.Errorf("nothing registered: %+v", r)
		}
		w.begun(me, method.Email, securityinfo.Form{"email": "alain@example.net"})
		w.confirmed(me, method.Email, w.out.code())
		if r := view(); r.Enough || r.Missing != 1 || len(r.Add) != 3 {
			t.Errorf("an address: %+v", r)
		}
		same(t, "events", w.events(), []string{"method.added"})
		added := clock.Now()
		app := w.begun(me, method.AuthenticatorCode, nil)
		w.confirmed(me, method.AuthenticatorCode, w.totp(app))
		if r := view(); r.Enough || !r.From.Equal(added.Add(48*time.Hour)) {
			t.Errorf("waiting: %+v", r)
		}
		if _, err := w.begin(me, method.RecoveryCode, nil); err != nil {
			t.Fatal(err)
		}
		same(t, "events", w.events(), []string{"method.added", "method.added", "registration.completed", "method.added"})
		clock.Advance(48 * time.Hour)
		me = w.who("alain@contoso.com", "")
		if r := view(); !r.Enough {
			t.Errorf("two days later: %+v", r)
		}
		w.policy(func(d *org.Document) { d.Policy.Reset.Scope = org.ScopeNone })
		if r := view(); !r.Off {
			t.Errorf("switched off: %+v", r)
		}
	})
}

func TestTheListSaysWhatCanBeAdded(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		w.email(me, "a@example.net")
		w.email(me, "b@example.net")
		w.begun(me, method.AuthenticatorCode, nil)
		v, err := w.s.View(t.Context(), me)
		if err != nil {
			t.Fatal(err)
		}
		offers := make(map[method.Kind]securityinfo.Offer)
		for _, o := range v.Kinds {
			offers[o.Kind] = o
		}
		if o := offers[method.Email]; !o.Full || o.Have != 2 {
			t.Errorf("two addresses: %+v", o)
		}
		if o := offers[method.AuthenticatorCode]; o.Full || !o.Pending {
			t.Errorf("an app that was begun: %+v", o)
		}
		if o, ok := offers[method.RecoveryCode]; !ok || o.Full {
			t.Errorf("codes: %+v", o)
		}
		if len(v.Methods) != 2 {
			t.Errorf("a pending method is listed: %+v", v.Methods)
		}
	})
}
