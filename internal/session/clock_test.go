package session_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// What was written while a clock ran ahead would never grow old once it is right
// again. Nodes differ by seconds, and nobody is signed out for those.
func TestWhatAWrongClockWroteDoesNotLiveOn(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := setUp(t, db)
		clock.Advance(time.Minute)
		token, _ := b.signIn("", "alain", session.Full)
		clock.Advance(-time.Minute)
		if _, err := b.current(token); err != nil {
			t.Fatalf("begun on a node that is a minute ahead: %v", err)
		}
		clock.Advance(10 * 24 * time.Hour)
		token, _ = b.signIn("", "alain", session.Full)
		clock.Advance(-10 * 24 * time.Hour)
		b.signedOut(token, "begun ten days from now")

		token, s := b.signIn("", "bianca", session.Full)
		clock.Advance(20 * time.Hour)
		b.do(func(tx *store.Tx) error { return b.s.Touch(t.Context(), tx, s.ID) })
		clock.Advance(-20 * time.Hour)
		b.signedOut(token, "last used hours from now")
	})
}

func TestAProofOfTomorrowIsNotFresh(t *testing.T) {
	now := storetest.NewClock().Now()
	for in, want := range map[time.Duration]bool{0: true, time.Minute: true, time.Hour: false, 24 * time.Hour: false} {
		s := session.Session{Level: session.Full, ProvedAt: now.Add(in), FactorAt: now.Add(in)}
		if got := s.Fresh(now, true, 10*time.Minute); got != want {
			t.Errorf("proved in %v: fresh %v", in, got)
		}
	}
}
