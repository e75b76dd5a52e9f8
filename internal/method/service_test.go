package method_test

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const (
	org   = "org-1"
	alain = "account-1"
)

// room is the service with a database and the checks its tests repeat.
type room struct {
	*method.Service
	t  *testing.T
	db *store.DB
}

func each(t *testing.T, fn func(t *testing.T, r room, clock *storetest.Clock)) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s, err := method.New(method.Deps{Keys: secrettest.NewTestKeyset(t)})
		if err != nil {
			t.Fatal(err)
		}
		fn(t, room{s, t, db}, clock)
	})
}

func (r room) write(fn func(tx *store.Tx) error) error {
	return r.db.Write(context.WithoutCancel(r.t.Context()), fn)
}

func (r room) add(m method.Method) (method.Method, error) {
	m.OrgID = org
	if m.AccountID == "" {
		m.AccountID = alain
	}
	err := r.write(func(tx *store.Tx) (err error) {
		m, err = r.Add(r.t.Context(), tx, m)
		return err
	})
	return m, err
}

func (r room) must(m method.Method, err error) method.Method {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r room) refuses(code problem.Code, err error) {
	r.t.Helper()
	if !problem.Has(err, code) {
		r.t.Errorf("want problem %s, got %v", code, err)
	}
}

func (r room) list() []method.Method {
	r.t.Helper()
	var all []method.Method
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		all, err = r.List(r.t.Context(), tx, org, alain)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

func (r room) prove(id string) (m method.Method, err error) {
	err = r.write(func(tx *store.Tx) (err error) {
		m, err = r.SetProved(r.t.Context(), tx, org, alain, id, method.ByPerson)
		return err
	})
	return m, err
}

func (r room) remove(id string) (m method.Method, err error) {
	err = r.write(func(tx *store.Tx) (err error) {
		m, err = r.Delete(r.t.Context(), tx, org, alain, id)
		return err
	})
	return m, err
}

func (r room) undelete(id string) (m method.Method, err error) {
	err = r.write(func(tx *store.Tx) (err error) {
		m, err = r.Undelete(r.t.Context(), tx, org, alain, id)
		return err
	})
	return m, err
}

func email(address string) method.Method {
	return method.Method{Kind: method.Email, Value: address}
}

func proved(m method.Method) method.Method {
	m.Proved, m.ProvedBy = true, method.ByAdministrator
	return m
}

func seed(b byte) method.Method {
	return method.Method{Kind: method.AuthenticatorCode, Secret: bytes.Repeat([]byte{b}, method.SeedBytes), Name: "App"}
}

func TestAddAndProve(t *testing.T) {
	each(t, func(t *testing.T, r room, clock *storetest.Clock) {
		m := r.must(r.add(email("Alain@Gmail.COM")))
		if m.Value != "Alain@gmail.com" || m.Usable() || m.ProvedBy != "" {
			t.Errorf("added: %+v", m)
		}
		got := r.must(r.prove(m.ID))
		if !got.Usable() || got.ProvedBy != method.ByPerson || !got.ProvedAt.Equal(clock.Now()) || got.Value != "Alain@gmail.com" {
			t.Errorf("proved: %+v", got)
		}
		pre := r.must(r.add(proved(method.Method{Kind: method.MobilePhone, Value: "+62 812 3456 7890"})))
		if !pre.Usable() || pre.ProvedBy != method.ByAdministrator {
			t.Errorf("pre-registered: %+v", pre)
		}
		if n := len(r.list()); n != 2 {
			t.Errorf("%d methods", n)
		}
		_, err := r.add(method.Method{Kind: method.Email, Value: "not an address"})
		r.refuses(problem.EmailInvalid, err)
		_, err = r.add(method.Method{Kind: "palm_reading", Value: "x"})
		r.refuses(problem.MethodKind, err)
	})
}

func TestValuesAreSealedForTheirRow(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		a := r.must(r.add(proved(email("alain@gmail.com"))))
		b := r.must(r.add(proved(email("alain@yahoo.com"))))
		err := r.write(func(tx *store.Tx) error {
			var sealed []byte
			if err := tx.QueryRow(t.Context(), `SELECT sealed FROM method WHERE id = $1`, a.ID).Scan(&sealed); err != nil {
				return err
			}
			if bytes.Contains(sealed, []byte("alain")) {
				t.Error("the address can be read from the row")
			}
			_, err := tx.Exec(t.Context(), `UPDATE method SET sealed = $2 WHERE id = $1`, b.ID, sealed)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = r.db.Read(t.Context(), func(tx *store.Tx) error {
			_, err := r.Get(t.Context(), tx, org, alain, b.ID)
			return err
		})
		if err == nil {
			t.Error("a value moved to another row opens")
		}
	})
}

func TestDuplicates(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		r.must(r.add(proved(email("alain@gmail.com"))))
		for _, again := range []string{"alain@gmail.com", "ALAIN@gmail.com", "alain+two@gmail.com"} {
			_, err := r.add(email(again))
			r.refuses(problem.MethodDuplicate, err)
		}
		r.must(r.add(proved(seed(1))))
		_, err := r.add(seed(1))
		r.refuses(problem.MethodDuplicate, err)
		// Another person may have the same telephone or mailbox.
		other := proved(email("alain@gmail.com"))
		other.AccountID = "account-2"
		r.must(r.add(other))
	})
}

func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		r.must(r.add(proved(email("a@gmail.com"))))
		first := r.must(r.add(proved(email("b@gmail.com"))))
		_, err := r.add(email("c@gmail.com"))
		r.refuses(problem.MethodLimit, err)
		// Apps and hardware tokens count together.
		for i := range 3 {
			r.must(r.add(proved(seed(byte(i)))))
		}
		for i := range 2 {
			r.must(r.add(proved(method.Method{Kind: method.HardwareToken, Secret: []byte{byte(i), 9}})))
		}
		_, err = r.add(seed(9))
		r.refuses(problem.MethodLimit, err)
		if _, err := r.remove(first.ID); err != nil {
			t.Fatal(err)
		}
		r.must(r.add(proved(email("c@gmail.com"))))
		_, err = r.undelete(first.ID)
		r.refuses(problem.MethodLimit, err)
	})
}

func TestLimitHoldsInParallel(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		var wg sync.WaitGroup
		var added atomic.Int64
		for i := range 12 {
			wg.Go(func() {
				if _, err := r.add(proved(email(string(rune('a'+i)) + "@gmail.com"))); err == nil {
					added.Add(1)
				} else if !problem.Has(err, problem.MethodLimit) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(r.list()); added.Load() != 2 || n != 2 {
			t.Errorf("%d added, %d stored", added.Load(), n)
		}
	})
}

func TestPendingMethods(t *testing.T) {
	each(t, func(t *testing.T, r room, clock *storetest.Clock) {
		typo := r.must(r.add(email("alian@gmail.com")))
		right := r.must(r.add(email("alain@gmail.com")))
		_, err := r.prove(typo.ID)
		r.refuses(problem.NotFound, err)
		clock.Advance(method.PendingFor)
		if n := len(r.list()); n != 0 {
			t.Errorf("%d methods after the time for the proof", n)
		}
		_, err = r.prove(right.ID)
		r.refuses(problem.NotFound, err)
		var purged int64
		if err := r.write(func(tx *store.Tx) (err error) { purged, err = r.Purge(t.Context(), tx); return err }); err != nil || purged != 1 {
			t.Errorf("purged %d, %v", purged, err)
		}
	})
}

func TestLimitIsJudgedAgainWithTheProof(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		waiting := r.must(r.add(seed(1)))
		for i := range 5 {
			r.must(r.add(proved(method.Method{Kind: method.HardwareToken, Secret: []byte{byte(i), 9}})))
		}
		_, err := r.prove(waiting.ID)
		r.refuses(problem.MethodLimit, err)
	})
}

func TestDeleteAndUndo(t *testing.T) {
	each(t, func(t *testing.T, r room, clock *storetest.Clock) {
		m := r.must(r.add(proved(seed(1))))
		if err := r.write(func(tx *store.Tx) error { return r.SetDefault(t.Context(), tx, org, alain, m.ID) }); err != nil {
			t.Fatal(err)
		}
		gone := r.must(r.remove(m.ID))
		if gone.DeletedAt.IsZero() || len(r.list()) != 0 {
			t.Errorf("deleted: %+v", gone)
		}
		_, err := r.remove(m.ID)
		r.refuses(problem.NotFound, err)
		clock.Advance(method.UndoFor - time.Second)
		back := r.must(r.undelete(m.ID))
		if !back.Usable() || !bytes.Equal(back.Secret, m.Secret) || back.Default {
			t.Errorf("back: %+v", back)
		}
		r.must(r.remove(m.ID))
		clock.Advance(method.UndoFor)
		_, err = r.undelete(m.ID)
		r.refuses(problem.UndoExpired, err)
		if err := r.write(func(tx *store.Tx) error { _, err := r.Purge(t.Context(), tx); return err }); err != nil {
			t.Fatal(err)
		}
		_, err = r.undelete(m.ID)
		r.refuses(problem.NotFound, err)
	})
}

func TestUndoAfterTheSameWasAddedAgain(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		m := r.must(r.add(proved(email("alain@gmail.com"))))
		r.must(r.remove(m.ID))
		r.must(r.add(proved(email("alain@gmail.com"))))
		_, err := r.undelete(m.ID)
		r.refuses(problem.MethodDuplicate, err)
	})
}

func TestOthersMethodsDoNotExist(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		m := r.must(r.add(proved(seed(1))))
		ctx := t.Context()
		for _, who := range [][2]string{{org, "account-2"}, {"org-2", alain}} {
			err := r.write(func(tx *store.Tx) error {
				_, err := r.Get(ctx, tx, who[0], who[1], m.ID)
				r.refuses(problem.NotFound, err)
				_, err = r.Delete(ctx, tx, who[0], who[1], m.ID)
				r.refuses(problem.NotFound, err)
				r.refuses(problem.NotFound, r.SetDefault(ctx, tx, who[0], who[1], m.ID))
				r.refuses(problem.NotFound, r.SetName(ctx, tx, who[0], who[1], m.ID, "mine"))
				_, err = r.Undelete(ctx, tx, who[0], who[1], m.ID)
				r.refuses(problem.NotFound, err)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := r.list(); len(got) != 1 || got[0].Name != "App" {
			t.Errorf("changed: %+v", got)
		}
	})
}

func TestDefaultAndName(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		a, b := r.must(r.add(proved(seed(1)))), r.must(r.add(proved(seed(2))))
		mail, waiting := r.must(r.add(proved(email("alain@gmail.com")))), r.must(r.add(seed(3)))
		setDefault := func(id string) error {
			return r.write(func(tx *store.Tx) error { return r.SetDefault(t.Context(), tx, org, alain, id) })
		}
		for _, id := range []string{a.ID, b.ID} {
			if err := setDefault(id); err != nil {
				t.Fatal(err)
			}
		}
		r.refuses(problem.MethodNotAllowed, setDefault(mail.ID))
		r.refuses(problem.MethodNotAllowed, setDefault(waiting.ID))
		for _, m := range r.list() {
			if m.Default != (m.ID == b.ID) {
				t.Errorf("%s default: %v", m.ID, m.Default)
			}
		}
		name := func(s string) error {
			return r.write(func(tx *store.Tx) error { return r.SetName(t.Context(), tx, org, alain, a.ID, s) })
		}
		if err := name("  Ponsel Alain "); err != nil {
			t.Fatal(err)
		}
		r.refuses(problem.TooLong, name(string(bytes.Repeat([]byte("a"), method.MaxName+1))))
		r.refuses(problem.BadInput, name("a\u202eb"))
		for _, m := range r.list() {
			if m.ID == a.ID && (m.Name != "Ponsel Alain" || !bytes.Equal(m.Secret, a.Secret)) {
				t.Errorf("named: %+v", m)
			}
		}
	})
}

func TestAStepIsAcceptedOnce(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		m := r.must(r.add(proved(seed(1))))
		use := func(step int64) (ok bool) {
			err := r.write(func(tx *store.Tx) (err error) { ok, err = r.UseStep(context.Background(), tx, m.ID, step); return err })
			if err != nil {
				t.Error(err)
			}
			return ok
		}
		if n := parallel(20, func(int) bool { return use(100) }); n != 1 {
			t.Errorf("one step was accepted %d times", n)
		}
		if use(99) || use(100) || !use(101) {
			t.Error("steps do not only rise")
		}
	})
}

func TestARecoveryCodeIsBurntOnce(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		m := r.must(r.add(proved(method.Method{Kind: method.RecoveryCode, Secret: []byte("set one")})))
		use := func(i int) (ok bool) {
			err := r.write(func(tx *store.Tx) (err error) { ok, err = r.RecoveryUse(context.Background(), tx, m.ID, i); return err })
			if err != nil {
				t.Error(err)
			}
			return ok
		}
		if n := parallel(20, func(int) bool { return use(3) }); n != 1 {
			t.Errorf("one code was accepted %d times", n)
		}
		if n := parallel(10, func(i int) bool { return use(i) }); n != 9 {
			t.Errorf("%d of the other nine were accepted", n)
		}
		if left := r.list()[0].CodesLeft(); left != 0 {
			t.Errorf("%d left", left)
		}
		next := r.must(r.add(method.Method{Kind: method.RecoveryCode, Secret: []byte("set two")}))
		if n := len(r.list()); n != 2 {
			t.Errorf("before its proof the new set took the old one's place: %d", n)
		}
		r.must(r.prove(next.ID))
		if all := r.list(); len(all) != 1 || all[0].ID != next.ID || all[0].CodesLeft() != method.RecoveryCodes {
			t.Errorf("after: %+v", all)
		}
		if use(5) {
			t.Error("a code of the replaced set was accepted")
		}
	})
}

func TestAHundredFailuresDisable(t *testing.T) {
	each(t, func(t *testing.T, r room, _ *storetest.Clock) {
		m := r.must(r.add(proved(email("alain@gmail.com"))))
		other := r.must(r.add(proved(seed(1))))
		fail := func(id string) (n int) {
			err := r.write(func(tx *store.Tx) (err error) { n, err = r.CountFailure(context.Background(), tx, id); return err })
			if err != nil {
				t.Error(err)
			}
			return n
		}
		succeed := func(id string) error {
			return r.write(func(tx *store.Tx) error { return r.CountSuccess(t.Context(), tx, id) })
		}
		fail(m.ID)
		fail(other.ID)
		if err := succeed(m.ID); err != nil {
			t.Fatal(err)
		}
		parallel(99, func(int) bool { fail(m.ID); return true })
		for _, x := range r.list() {
			if !x.Usable() || (x.ID == m.ID && x.ConsecutiveFailures != 99) || (x.ID == other.ID && x.ConsecutiveFailures != 1) {
				t.Errorf("after 99: %+v", x)
			}
		}
		if n := fail(m.ID); n != method.DisableAfter {
			t.Errorf("count %d", n)
		}
		r.refuses(problem.NotFound, succeed(m.ID))
		for _, x := range r.list() {
			if x.ID == m.ID && (x.Usable() || x.DisabledAt.IsZero()) {
				t.Errorf("after 100: %+v", x)
			}
		}
		again := r.must(r.add(email("alain@gmail.com")))
		r.must(r.prove(again.ID))
		if all := r.list(); len(all) != 2 {
			t.Errorf("registered again: %+v", all)
		}
	})
}

func parallel(n int, fn func(i int) bool) int64 {
	var wg sync.WaitGroup
	var yes atomic.Int64
	for i := range n {
		wg.Go(func() {
			if fn(i) {
				yes.Add(1)
			}
		})
	}
	wg.Wait()
	return yes.Load()
}

func TestRecoverySet(t *testing.T) {
	s, err := method.New(method.Deps{Keys: secrettest.NewTestKeyset(t)})
	if err != nil {
		t.Fatal(err)
	}
	codes, set, err := s.NewRecoverySet(t.Context())
	if err != nil || len(codes) != method.RecoveryCodes {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	seen := map[string]bool{}
	for _, c := range codes {
		if seen[c] || bytes.Contains(set, []byte(c)) {
			t.Errorf("%s twice, or stored", c)
		}
		seen[c] = true
	}
	for i, typed := range map[int]string{0: codes[0], 9: codes[9], 4: " " + string(bytes.ToUpper([]byte(codes[4]))) + " "} {
		hash, err := s.HashRecoveryCode(t.Context(), set, typed)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := method.MatchRecoveryCode(set, hash); !ok || at != i {
			t.Errorf("code %d is found as %d, %v", i, at, ok)
		}
	}
	hash, err := s.HashRecoveryCode(t.Context(), set, "0000-0000-0000-0000")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := method.MatchRecoveryCode(set, hash); ok {
		t.Error("a wrong code is right")
	}
	for _, typed := range []string{"", "1234", codes[0] + "0", "uuuu-uuuu-uuuu-uuuu", string(bytes.Repeat([]byte("0"), 1000))} {
		if _, err := s.HashRecoveryCode(t.Context(), set, typed); !problem.Has(err, problem.CodeFormat) {
			t.Errorf("%.20q: %v", typed, err)
		}
	}
	if _, err := s.HashRecoveryCode(t.Context(), set[:40], codes[0]); err == nil {
		t.Error("a damaged set was used")
	}
	if got, ok := method.NormalizeRecoveryCode("OIL0-1234-5678-9abc"); !ok || got != "0110123456789abc" {
		t.Errorf("normalized to %q, %v", got, ok)
	}
}
