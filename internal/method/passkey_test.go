package method_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const host = "kunci.contoso.com"

func TestPasskeyRows(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		keys := secrettest.NewTestKeyset(t)
		s, err := method.New(method.Deps{Keys: keys, RelyingParty: host})
		if err != nil {
			t.Fatal(err)
		}
		write := func(do func(tx *store.Tx) error) {
			t.Helper()
			if err := db.Write(t.Context(), do); err != nil {
				t.Fatal(err)
			}
		}
		bitwarden, err := hex.DecodeString("d548826e79b4db40a3d811116f7e8349")
		if err != nil {
			t.Fatal(err)
		}
		credential := method.Credential{ID: []byte("credential"), PublicKey: []byte("key"), Handle: []byte("handle"), RelyingParty: host, AAGUID: bitwarden}
		waiting := func(account string) (m method.Method) {
			t.Helper()
			write(func(tx *store.Tx) error {
				m, err = s.NewPasskey("contoso", account, nil)
				if err != nil {
					return err
				}
				m, err = s.Add(t.Context(), tx, m)
				return err
			})
			return m
		}
		mine := waiting("alain")
		write(func(tx *store.Tx) error {
			if _, err := s.ByCredential(t.Context(), tx, credential.ID); !problem.Has(err, problem.NotFound) {
				t.Errorf("found before it is made: %v", err)
			}
			if err := s.Enroll(t.Context(), tx, mine, method.Credential{ID: credential.ID}); err == nil {
				t.Error("half a credential was kept")
			}
			if err := s.Enroll(t.Context(), tx, mine, credential); err != nil {
				return err
			}
			if now, err := s.Get(t.Context(), tx, "contoso", "alain", mine.ID); err != nil || now.Name != "Bitwarden" {
				t.Errorf("called %q, %v", now.Name, err)
			}
			if _, err := s.ByCredential(t.Context(), tx, credential.ID); !problem.Has(err, problem.NotFound) {
				t.Errorf("found before it is proved: %v", err)
			}
			mine, err = s.SetProved(t.Context(), tx, "contoso", "alain", mine.ID, method.ByPerson)
			return err
		})
		// Nobody else's, in no account, not even after it was deleted.
		for _, account := range []string{"alain", "citra"} {
			theirs := waiting(account)
			write(func(tx *store.Tx) error {
				if err := s.Enroll(t.Context(), tx, theirs, credential); !problem.Has(err, problem.MethodDuplicate) {
					t.Errorf("%s: %v", account, err)
				}
				return nil
			})
		}
		// A count is kept by whoever saw the one before, and the name stays.
		write(func(tx *store.Tx) error {
			if err := s.SetName(t.Context(), tx, "contoso", "alain", mine.ID, "Laptop"); err != nil {
				return err
			}
			next := credential
			next.SignCount, next.BackedUp = 7, true
			if err := s.UpdateCredential(t.Context(), tx, mine, next); err != nil {
				return err
			}
			if err := s.UpdateCredential(t.Context(), tx, mine, next); !problem.Has(err, problem.Conflict) {
				t.Errorf("a count on an older one: %v", err)
			}
			found, err := s.ByCredential(t.Context(), tx, credential.ID)
			if err != nil {
				return err
			}
			if c, err := found.Credential(); err != nil || c.SignCount != 7 || !c.BackedUp || found.Name != "Laptop" || found.ID != mine.ID || !found.Usable() {
				t.Errorf("found %+v, %+v, %v", found, c, err)
			}
			return nil
		})
		write(func(tx *store.Tx) error {
			if _, err := s.Delete(t.Context(), tx, "contoso", "alain", mine.ID); err != nil {
				return err
			}
			if _, err := s.ByCredential(t.Context(), tx, credential.ID); !problem.Has(err, problem.NotFound) {
				t.Errorf("found after it was deleted: %v", err)
			}
			back, err := s.Undelete(t.Context(), tx, "contoso", "alain", mine.ID)
			if err != nil || !back.Usable() {
				t.Errorf("brought back: %+v, %v", back, err)
			}
			if err := s.Disable(t.Context(), tx, back); err != nil {
				return err
			}
			if back, err = s.Get(t.Context(), tx, "contoso", "alain", mine.ID); err != nil || back.Usable() {
				t.Errorf("disabled: %+v, %v", back, err)
			}
			return nil
		})
		clock.Advance(method.UndoFor)
	})
}

// However many accounts register one credential at once, one has it.
func TestACredentialIsRegisteredOnceAtOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, _ *storetest.Clock) {
		s, err := method.New(method.Deps{Keys: secrettest.NewTestKeyset(t), RelyingParty: host})
		if err != nil {
			t.Fatal(err)
		}
		var enrolled, refused atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				err := db.Write(t.Context(), func(tx *store.Tx) error {
					m, err := s.NewPasskey("contoso", fmt.Sprint("account ", i), nil)
					if err != nil {
						return err
					}
					if m, err = s.Add(t.Context(), tx, m); err != nil {
						return err
					}
					return s.Enroll(t.Context(), tx, m, method.Credential{ID: []byte("one"), PublicKey: []byte("key"), Handle: []byte{1}, RelyingParty: host})
				})
				switch {
				case err == nil:
					enrolled.Add(1)
				case problem.Has(err, problem.MethodDuplicate):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if enrolled.Load() != 1 || refused.Load() != 7 {
			t.Errorf("%d have it, %d were refused", enrolled.Load(), refused.Load())
		}
	})
}

// An account has one user.id, which tells nothing about it; without the keyset
// of this installation nobody could make it.
func TestUserHandles(t *testing.T) {
	here, err := method.New(method.Deps{Keys: secrettest.NewTestKeyset(t), RelyingParty: host})
	if err != nil {
		t.Fatal(err)
	}
	alain := here.UserHandle("contoso", "alain", nil)
	if len(alain) != 64 || bytes.Contains(alain, []byte("alain")) {
		t.Errorf("%q", alain)
	}
	if !bytes.Equal(alain, here.UserHandle("contoso", "alain", nil)) || bytes.Equal(alain, here.UserHandle("contoso", "citra", nil)) ||
		bytes.Equal(alain, here.UserHandle("fabrikam", "alain", nil)) {
		t.Error("one account has two, or two have one")
	}
	kept := method.Credential{Handle: bytes.Repeat([]byte{7}, 64), RelyingParty: host}
	secret, err := kept.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := here.UserHandle("contoso", "alain", []method.Method{{Kind: method.Email}, {Kind: method.Passkey, Secret: secret}}); !bytes.Equal(got, kept.Handle) {
		t.Error("it is not the one that the account's passkeys have")
	}
}

func TestOnePasskeyIsOfferedForAll(t *testing.T) {
	disabled := method.Method{ID: "1", Kind: method.Passkey, Proved: true}
	disabled.DisabledAt = disabled.DisabledAt.AddDate(1, 0, 0)
	app := method.Method{ID: "2", Kind: method.AuthenticatorCode, Proved: true}
	old, young := method.Method{ID: "3", Kind: method.Passkey, Proved: true}, method.Method{ID: "4", Kind: method.Passkey, Proved: true}
	elsewhere := method.Method{ID: "5", Kind: method.Passkey, Proved: true, Elsewhere: true}
	for _, c := range []struct {
		all  []method.Method
		want string
	}{
		{nil, ""}, {[]method.Method{app}, "2"}, {[]method.Method{old, app, young}, "32"}, {[]method.Method{disabled, app, old, young}, "23"},
		{[]method.Method{disabled, app}, "12"}, {[]method.Method{elsewhere, young}, "4"},
	} {
		got := ""
		for _, m := range method.Offered(c.all) {
			got += m.ID
		}
		if got != c.want {
			t.Errorf("offered %s, want %s", got, c.want)
		}
	}
}
