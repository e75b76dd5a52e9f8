package captcha_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func service(t testing.TB) *captcha.Service {
	t.Helper()
	s, err := captcha.New(secrettest.NewTestKeyset(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// solve does what a browser does, independently of the server's own code.
func solve(t testing.TB, c captcha.Challenge) map[string]any {
	t.Helper()
	for n := range c.MaxNumber + 1 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s%d", c.Salt, n))
		if hex.EncodeToString(sum[:]) == c.Challenge {
			return map[string]any{"algorithm": c.Algorithm, "challenge": c.Challenge, "number": n, "salt": c.Salt, "signature": c.Signature}
		}
	}
	t.Fatal("no number fits the challenge")
	return nil
}

func pack(t testing.TB, proof map[string]any) string {
	t.Helper()
	data, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(data)
}

func verify(ctx context.Context, db *store.DB, s *captcha.Service, sent string) error {
	return db.Write(ctx, func(tx *store.Tx) error { return s.Verify(ctx, tx, sent) })
}

func TestAProofFitsOneChallengeOnceInItsTime(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := service(t)
		fresh := func() map[string]any {
			c, err := s.Challenge(clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return solve(t, c)
		}
		for name, change := range map[string]func(map[string]any){
			"another number":    func(p map[string]any) { p["number"] = p["number"].(int) + 1 },
			"a negative number": func(p map[string]any) { p["number"] = -1 },
			"another algorithm": func(p map[string]any) { p["algorithm"] = "SHA-1" },
			"no signature":      func(p map[string]any) { p["signature"] = "" },
			"a longer time":     func(p map[string]any) { p["salt"] = p["salt"].(string) + "9" },
			"a made-up challenge": func(p map[string]any) {
				sum := sha256.Sum256([]byte("salt?expires=99999999997"))
				p["salt"], p["number"], p["challenge"] = "salt?expires=9999999999", 7, hex.EncodeToString(sum[:])
			},
		} {
			p := fresh()
			change(p)
			if err := verify(t.Context(), db, s, pack(t, p)); !problem.Has(err, problem.CaptchaNeeded) {
				t.Errorf("%s passed: %v", name, err)
			}
		}
		for _, sent := range []string{"", "wait.", "wait.x.1.y", "%%%", base64.StdEncoding.EncodeToString([]byte("{")), strings.Repeat("A", 5000)} {
			if err := verify(t.Context(), db, s, sent); !problem.Has(err, problem.CaptchaNeeded) {
				t.Errorf("%.20q passed: %v", sent, err)
			}
		}
		good := pack(t, fresh())
		if err := verify(t.Context(), db, s, good); err != nil {
			t.Errorf("a right proof: %v", err)
		}
		if err := verify(t.Context(), db, s, good); !problem.Has(err, problem.CaptchaNeeded) {
			t.Errorf("the same proof again: %v", err)
		}
		late := pack(t, fresh())
		clock.Advance(captcha.Life + time.Second)
		if err := verify(t.Context(), db, s, late); !problem.Has(err, problem.CaptchaNeeded) {
			t.Errorf("a late proof: %v", err)
		}
		if err := verify(t.Context(), db, service(t), pack(t, fresh())); !problem.Has(err, problem.CaptchaNeeded) {
			t.Errorf("another installation's proof: %v", err)
		}
	})
}

func TestWithoutScriptsWaitingIsEnough(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := service(t)
		c, err := s.Challenge(clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(captcha.Wait - time.Second)
		err = verify(t.Context(), db, s, c.Wait)
		if p, ok := problem.As(err); !ok || p.Code != problem.CaptchaNeeded || p.RetryAfter != time.Second {
			t.Fatalf("too early: %v", err)
		}
		clock.Advance(time.Second)
		if err := verify(t.Context(), db, s, c.Wait); err != nil {
			t.Fatalf("after the wait: %v", err)
		}
		if err := verify(t.Context(), db, s, c.Wait); !problem.Has(err, problem.CaptchaNeeded) {
			t.Errorf("the same wait again: %v", err)
		}
	})
}

func TestOneProofAtOnceFromManyPassesOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := service(t)
		c, err := s.Challenge(clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		sent := pack(t, solve(t, c))
		var passed atomic.Int32
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if verify(t.Context(), db, s, sent) == nil {
					passed.Add(1)
				}
			})
		}
		group.Wait()
		if passed.Load() != 1 {
			t.Errorf("passed %d times", passed.Load())
		}
	})
}

func TestTheHurdleComesUpWithUse(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := service(t)
		contoso := &org.Organization{ID: "contoso", Policy: org.Defaults()}
		needed := func(o *org.Organization, ip string) (n bool) {
			t.Helper()
			err := db.Write(t.Context(), func(tx *store.Tx) (err error) { n, err = s.Needed(t.Context(), tx, o, ip); return err })
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for n := range 10 {
			if needed(contoso, fmt.Sprintf("2001:db8:0:1::%d", n)) {
				t.Fatalf("asked at start %d", n+1)
			}
		}
		for _, ip := range []string{"2001:db8:0:1::ffff", "2001:db8:0:1:ffff::"} {
			if !needed(contoso, ip) || !needed(nil, ip) {
				t.Errorf("%s, of the same network, is not asked", ip)
			}
		}
		for _, ip := range []string{"2001:db8:0:2::1", "192.0.2.1", "::ffff:192.0.2.2", "garbage"} {
			if needed(contoso, ip) {
				t.Errorf("%s is asked", ip)
			}
		}
		always, off := *contoso, *contoso
		always.Policy.Captcha, off.Policy.Captcha = org.CaptchaAlways, org.CaptchaOff
		if !needed(&always, "192.0.2.9") || needed(&off, "2001:db8:0:1::1") {
			t.Error("the policy's always or off does not hold")
		}
		clock.Advance(31 * time.Minute)
		if needed(contoso, "2001:db8:0:1::1") {
			t.Error("asked for ever")
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add("wait.AAAA.1.ff")
	f.Add("eyJhbGdvcml0aG0iOiJTSEEtMjU2In0=")
	db := storetest.Open(f, store.SQLite, store.Options{})
	s := service(f)
	f.Fuzz(func(t *testing.T, sent string) {
		if err := verify(t.Context(), db, s, sent); !problem.Has(err, problem.CaptchaNeeded) {
			t.Errorf("%q: %v", sent, err)
		}
	})
}
