package embedded_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/directorytest"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// testKeys counts slow hashes: each ends in a keyed one.
type testKeys struct{ hashes *atomic.Int64 }

func (k testKeys) Derive(purpose string, data ...[]byte) []byte {
	if purpose == "password.hash" {
		k.hashes.Add(1)
	}
	m := hmac.New(sha256.New, []byte("key of the test\x00"+purpose))
	for _, d := range data {
		m.Write([]byte{byte(len(d))})
		m.Write(d)
	}
	return m.Sum(nil)
}

func open(t *testing.T, db *store.DB, memory uint32) *embedded.Service {
	t.Helper()
	return counted(t, db, memory, new(atomic.Int64))
}

func counted(t *testing.T, db *store.DB, memory uint32, hashes *atomic.Int64) *embedded.Service {
	t.Helper()
	h, err := password.New(password.HasherDeps{Keys: testKeys{hashes}, Params: password.Params{Memory: memory, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := embedded.New(embedded.Deps{DB: db, Hasher: h})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, db *store.DB, d *embedded.Directory, r embedded.Record, pw string) embedded.Put {
	t.Helper()
	if pw != "" {
		p, err := d.PreparePassword(t.Context(), r.UserID, pw)
		if err != nil {
			t.Fatal(err)
		}
		r.Password = p
	}
	var done embedded.Put
	err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
		done, err = d.Put(t.Context(), tx, r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestConformance(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			directorytest.Run(t, func(t *testing.T) directorytest.Fixture {
				clock := storetest.NewClock()
				db := storetest.Open(t, kind, store.Options{Now: clock.Now})
				d := open(t, db, 64).For("org", embedded.Settings{LockoutThreshold: 4, LockoutFor: time.Minute})
				return directorytest.Fixture{
					Directory: d, Advance: clock.Advance, Threshold: 4, LockFor: time.Minute,
					Add: func(t *testing.T, a directorytest.Account) string {
						if a.Source == "" {
							a.Source = directory.Managed
						}
						return put(t, db, d, embedded.Record{
							UserID: a.UserID, DisplayName: &a.DisplayName, Language: &a.Language, Groups: &a.Groups,
							Source: &a.Source, Disabled: &a.Disabled, MustChange: &a.MustChange,
						}, a.Password).Key
					},
					Remove: func(t *testing.T, key string) {
						err := db.Write(t.Context(), func(tx *store.Tx) error { return d.Remove(t.Context(), tx, key) })
						if err != nil {
							t.Fatal(err)
						}
					},
				}
			})
		})
	}
}

const (
	alain = "alain@contoso.com"
	first = "hijau daun telaga"
)

func result(t *testing.T, d *embedded.Directory, key, pw string) directory.CheckResult {
	t.Helper()
	r, err := d.CheckPassword(t.Context(), key, pw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpenFollowsThePolicy(t *testing.T) {
	p := org.Defaults()
	p.Lockout = org.Lockout{Threshold: 3, Seconds: 90}
	p.Password.History, p.Password.ExpiresAfterDays = 4, 2
	want := embedded.Settings{LockoutThreshold: 3, LockoutFor: 90 * time.Second, History: 4, ExpiresAfter: 48 * time.Hour}
	if got := embedded.SettingsOf(p); got != want {
		t.Errorf("%+v", got)
	}
	s := open(t, storetest.Open(t, store.SQLite, store.Options{}), 64)
	o := &org.Organization{ID: "org", Directory: org.DirectoryConfig{Kind: org.Embedded}, Policy: p}
	if d, err := s.Open(o); err != nil || !d.Capabilities().SetPassword {
		t.Errorf("embedded: %v", err)
	}
	o.Directory.Kind = "ldap"
	if _, err := s.Open(o); err == nil {
		t.Error("an LDAP directory was opened as an embedded one")
	}
}

// Every answer but "locked" costs one slow hash, so time tells nothing about who
// exists; and so does a new password with its history.
func TestEachStepCostsOneHash(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var hashes atomic.Int64
		d := counted(t, db, 64, &hashes).For("org", embedded.Settings{LockoutThreshold: 2, History: 5})
		key := put(t, db, d, embedded.Record{UserID: alain}, first).Key
		none := put(t, db, d, embedded.Record{UserID: "new@contoso.com"}, "").Key
		costs := func(name string, want int64, fn func() error) {
			hashes.Store(0)
			if err := fn(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n := hashes.Load(); n != want {
				t.Errorf("%s: %d hashes, want %d", name, n, want)
			}
		}
		check := func(key, pw string) func() error {
			return func() error { _, err := d.CheckPassword(t.Context(), key, pw); return err }
		}
		costs("unknown", 1, check("nobody", first))
		costs("no password", 1, check(none, first))
		costs("right", 1, check(key, first))
		for _, pw := range []string{"biru langit gunung", "merah bata jembatan", "kuning pasir pantai"} {
			costs("set with history", 1, func() error {
				return d.SetPassword(t.Context(), key, pw, directory.SetOptions{History: 5})
			})
		}
		costs("wrong", 1, check(key, "wrong 1"))
		costs("wrong", 1, check(key, "wrong 2"))
		costs("locked", 0, check(key, "wrong 3"))
	})
}

func TestOrganizationsAreApart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := open(t, db, 64)
		a, b := s.For("a", embedded.Settings{}), s.For("b", embedded.Settings{})
		key := put(t, db, a, embedded.Record{UserID: alain}, first).Key
		if _, err := b.LookUp(t.Context(), alain); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("look up: %v", err)
		}
		if _, err := b.Get(t.Context(), key); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
		if r := result(t, b, key, first); r != directory.Wrong {
			t.Errorf("check: %s", r)
		}
		if err := b.SetPassword(t.Context(), key, "x", directory.SetOptions{}); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("set: %v", err)
		}
		if other := put(t, db, b, embedded.Record{UserID: alain}, ""); !other.Created || other.Key == key {
			t.Errorf("the same user ID elsewhere: %+v", other)
		}
	})
}

func TestSeveralAreThoseThatAreThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := open(t, db, 64)
		a, b := s.For("a", embedded.Settings{}), s.For("b", embedded.Settings{})
		var keys []string
		for _, userID := range []string{"zaki@contoso.com", alain, "citra@contoso.com"} {
			keys = append(keys, put(t, db, a, embedded.Record{UserID: userID}, "").Key)
		}
		keys = append(keys, put(t, db, b, embedded.Record{UserID: alain}, "").Key, "nobody's")
		for i := range directory.MaxPage { // more than one statement takes
			keys = append(keys, fmt.Sprintf("gone %d", i))
		}
		found, err := a.Several(t.Context(), keys)
		var all []string
		for _, e := range found {
			all = append(all, e.UserID)
		}
		if got := strings.Join(all, " "); err != nil || got != alain+" citra@contoso.com zaki@contoso.com" {
			t.Errorf("%s, %v", got, err)
		}
		if found, err := a.Several(t.Context(), nil); err != nil || len(found) != 0 {
			t.Errorf("none: %v, %v", found, err)
		}
	})
}

func TestHashIsRenewedAtTheNextSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const fromElsewhere = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
		d := open(t, db, 64).For("org", embedded.Settings{})
		key := put(t, db, d, embedded.Record{UserID: alain}, fromElsewhere).Key
		stored := func() (s string) {
			err := db.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT password FROM embedded_account`).Scan(&s)
			})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if r := result(t, d, key, "wrong"); r != directory.Wrong || stored() != fromElsewhere {
			t.Errorf("wrong: %s, renewed %v", r, stored() != fromElsewhere)
		}
		changed, _ := d.Get(t.Context(), key)
		if r := result(t, d, key, "password"); r != directory.OK || !strings.HasPrefix(stored(), "$kunci-argon2id$v=1$m=64,") {
			t.Errorf("right: %s, %.30s", r, stored())
		}
		if e, _ := d.Get(t.Context(), key); !e.PasswordChangedAt.Equal(changed.PasswordChangedAt) {
			t.Error("a renewed hash is no new password")
		}
		d = open(t, db, 128).For("org", embedded.Settings{})
		if r := result(t, d, key, "password"); r != directory.OK || !strings.HasPrefix(stored(), "$kunci-argon2id$v=1$m=128,") {
			t.Errorf("after a change of costs: %s, %.30s", r, stored())
		}
		if put(t, db, d, embedded.Record{UserID: alain}, fromElsewhere).Changed {
			t.Error("the file says what it said, and still the account changes")
		}
	})
}

func TestFileIsReadAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db, 64).For("org", embedded.Settings{History: 5})
		name, must := "Alain", true
		rec := embedded.Record{UserID: alain, DisplayName: &name, MustChange: &must}
		key := put(t, db, d, rec, first).Key
		if again := put(t, db, d, rec, first); again.Changed || again.Created || again.Key != key {
			t.Errorf("the same again: %+v", again)
		}
		if err := d.ChangePassword(t.Context(), key, first, "biru langit gunung", directory.ChangeOptions{History: 5}); err != nil {
			t.Fatal(err)
		}
		if again := put(t, db, d, rec, first); again.Changed {
			t.Error("the file undid its owner's change")
		}
		if r := result(t, d, key, "biru langit gunung"); r != directory.OK {
			t.Errorf("the owner's password: %s", r)
		}
		if p := put(t, db, d, rec, "merah bata jembatan"); !p.Changed {
			t.Error("another password in the file changes nothing")
		}
		if r := result(t, d, key, "merah bata jembatan"); r != directory.MustChange {
			t.Errorf("the file's new password: %s", r)
		}
		err := d.ChangePassword(t.Context(), key, "merah bata jembatan", "biru langit gunung", directory.ChangeOptions{History: 5})
		if r, ok := directory.Refused(err); !ok || r.Rule != directory.RuleHistory {
			t.Errorf("a password of before the file: %v", err)
		}
	})
}

func TestExternalAccountWithAHash(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		d := open(t, db, 64).For("org", embedded.Settings{ExpiresAfter: time.Hour})
		external := directory.External
		key := put(t, db, d, embedded.Record{UserID: alain, Source: &external}, first).Key
		clock.Advance(2 * time.Hour)
		if r := result(t, d, key, first); r != directory.OK {
			t.Errorf("right: %s", r)
		}
		err := d.ChangePassword(t.Context(), key, first, "biru langit gunung", directory.ChangeOptions{})
		if r, ok := directory.Refused(err); !ok || r.Rule != directory.RuleExternal {
			t.Errorf("change: %v", err)
		}
	})
}

func TestExpiry(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		d := open(t, db, 64).For("org", embedded.Settings{ExpiresAfter: 24 * time.Hour})
		key := put(t, db, d, embedded.Record{UserID: alain}, first).Key
		clock.Advance(24*time.Hour - time.Second)
		if r := result(t, d, key, first); r != directory.OK {
			t.Errorf("before: %s", r)
		}
		clock.Advance(time.Second)
		if r := result(t, d, key, first); r != directory.Expired {
			t.Errorf("after: %s", r)
		}
		if err := d.SetPassword(t.Context(), key, "biru langit gunung", directory.SetOptions{}); err != nil {
			t.Fatal(err)
		}
		if r := result(t, d, key, "biru langit gunung"); r != directory.OK {
			t.Errorf("a new one: %s", r)
		}
	})
}

func TestLockEndsWithinAnHour(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		d := open(t, db, 64).For("org", embedded.Settings{LockoutThreshold: 1, LockoutFor: time.Minute})
		key := put(t, db, d, embedded.Record{UserID: alain}, first).Key
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			if r := result(t, d, key, "guess "+string(rune('a'+i))); r != directory.Wrong {
				t.Fatalf("guess %d: %s", i, r)
			}
			e, err := d.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.LockedUntil.Sub(clock.Now()); got != want*time.Minute {
				t.Errorf("lock %d lasts %v", i, got)
			}
			clock.Set(e.LockedUntil)
		}
	})
}

func TestNothingOfAPasswordIsStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := open(t, db, 64).For("org", embedded.Settings{History: 3})
		key := put(t, db, d, embedded.Record{UserID: alain}, first).Key
		_ = result(t, d, key, "a wrong one")
		if err := d.SetPassword(t.Context(), key, "biru langit gunung", directory.SetOptions{History: 3}); err != nil {
			t.Fatal(err)
		}
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			var a, b, c string
			if err := tx.QueryRow(t.Context(), `SELECT password, past_passwords, file_password FROM embedded_account`).Scan(&a, &b, &c); err != nil {
				return err
			}
			for _, s := range []string{first, "biru", "wrong"} {
				if strings.Contains(a+b+c, s) {
					t.Errorf("%q is stored", s)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
