package challenge_test

import (
	"encoding/base32"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// A step is accepted once, and none older than one that was (RFC 6238, 5.2).
func TestAnAuthenticatorStepIsAcceptedOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		seed, err := method.NewSeed()
		if err != nil {
			t.Fatal(err)
		}
		var m method.Method
		w.write(func(tx *store.Tx) (err error) {
			m, err = w.methods.Add(t.Context(), tx, method.Method{
				OrgID: w.org.ID, AccountID: w.account.ID, Kind: method.AuthenticatorCode, Secret: seed, Proved: true, ProvedBy: method.ByPerson,
			})
			return err
		})
		at := func(off time.Duration) string {
			code, err := totp.GenerateCode(base32.StdEncoding.EncodeToString(seed), clock.Now().Add(off))
			if err != nil {
				t.Fatal(err)
			}
			return code
		}
		for i, c := range []struct {
			off  time.Duration
			want challenge.Outcome
		}{
			{0, challenge.OutcomePassed},
			{0, challenge.OutcomeWrong},                 // again
			{-30 * time.Second, challenge.OutcomeWrong}, // older than an accepted one
			{30 * time.Second, challenge.OutcomePassed}, // the next
		} {
			var ch challenge.Challenge
			w.write(func(tx *store.Tx) (err error) {
				ch, err = w.s.Begin(t.Context(), tx, by, w.start(m, challenge.SignIn, "session-"+string(rune('a'+i))))
				return err
			})
			if r := w.answer(db, ch, m, at(c.off)); r.Outcome != c.want {
				t.Fatalf("answer %d: %+v", i, r)
			}
		}
	})
}
