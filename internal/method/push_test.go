package method_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func subscription(t testing.TB, endpoint string) string {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"endpoint":%q,"expirationTime":null,"keys":{"p256dh":%q,"auth":%q}}`, endpoint, encode(key.PublicKey().Bytes()), encode(make([]byte, 16)))
}

func TestSubscriptionsAreRead(t *testing.T) {
	good := subscription(t, "https://push.example/send/x?y=z")
	s, err := method.ParseSubscription(good)
	if err != nil || s.Endpoint != "https://push.example/send/x?y=z" || len(s.Key) != 65 || len(s.Auth) != 16 {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, raw := range map[string]string{
		"nothing": "", "no object": "[]", "http": subscription(t, "http://push.example/x"), "no host": subscription(t, "https:///x"),
		"a name and password": subscription(t, "https://a:b@push.example/x"), "a fragment": subscription(t, "https://push.example/x#y"),
		"a path": subscription(t, "/push"), "a file": subscription(t, "file:///etc/passwd"), "too long": subscription(t, "https://push.example/"+strings.Repeat("x", 2048)),
		"no point": strings.Replace(good, `"p256dh":"B`, `"p256dh":"C`, 1), "a short secret": strings.Replace(good, "AAAAAAAA", "", 1),
		"much more": good + strings.Repeat(" ", 4096),
	} {
		if _, err := method.ParseSubscription(raw); !problem.Has(err, problem.BadInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseSubscription(f *testing.F) {
	f.Add(subscription(f, "https://push.example/send"))
	f.Add(`{"endpoint":"https://[::1]/","keys":{"p256dh":"","auth":""}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := method.ParseSubscription(raw)
		if err == nil && (!strings.HasPrefix(strings.ToLower(s.Endpoint), "https://") || len(s.Key) != 65 || len(s.Auth) != 16) {
			t.Errorf("%q is read as %+v", raw, s)
		}
	})
}

func TestADeviceIsKnownByItsToken(t *testing.T) {
	each(t, func(t *testing.T, r room, clock *storetest.Clock) {
		read := func(tokens string) (all []method.Method) {
			t.Helper()
			if err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
				all, err = r.Devices(t.Context(), tx, tokens)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return all
		}
		keep := func(tokens, fresh string) (kept string) {
			t.Helper()
			if err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
				kept, err = r.KeepDevice(t.Context(), tx, tokens, fresh)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return kept
		}
		waiting, token := r.NewDevice(org, alain)
		waiting.Name = "Ponsel"
		m := r.must(r.add(waiting))
		if len(read(token)) != 0 {
			t.Error("a device counts before it is proved")
		}
		if err := r.write(func(tx *store.Tx) error {
			_, err := r.SetProved(t.Context(), tx, org, alain, m.ID, method.ByPerson)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		other, second := r.NewDevice(org, "account-2")
		other.AccountID, other.Proved, other.ProvedBy = "account-2", true, method.ByPerson
		r.must(r.add(other))
		both := keep(token, second)
		if all := read(both); len(all) != 2 || all[0].ID != m.ID || all[0].Name != "Ponsel" {
			t.Fatalf("the browser of two accounts: %+v", all)
		}
		if !r.Holds(m, both) || r.Holds(m, second) || r.Holds(m, "") || r.Holds(m, token+"x") || r.Holds(method.Method{Kind: method.Email, Secret: m.Secret}, token) {
			t.Error("a device is known by the wrong token, or not by its own")
		}
		if len(read("x."+strings.Repeat("y", 9000))) != 0 || len(read("..")) != 0 {
			t.Error("nonsense is a device")
		}
		// What belongs to nothing is not kept; neither is more than a browser needs.
		if kept := keep(token+".forgotten", "new"); kept != token+".new" {
			t.Errorf("kept %q", kept)
		}
		to, err := method.ParseSubscription(subscription(t, "https://push.example/1"))
		if err != nil {
			t.Fatal(err)
		}
		subscribe := func(to method.Subscription) error {
			return r.write(func(tx *store.Tx) error { return r.SetSubscription(t.Context(), tx, m, to) })
		}
		if err := subscribe(to); err != nil {
			t.Fatal(err)
		}
		if err := r.write(func(tx *store.Tx) error { return r.SetName(t.Context(), tx, org, alain, m.ID, "Ponsel baru") }); err != nil {
			t.Fatal(err)
		}
		if got := read(token)[0]; !got.Subscription.Equal(to) || got.Name != "Ponsel baru" {
			t.Errorf("%+v", got)
		}
		if err := subscribe(method.Subscription{}); err != nil || read(token)[0].Subscribed() {
			t.Errorf("still subscribed: %v", err)
		}
		if err := r.write(func(tx *store.Tx) error { _, err := r.Delete(t.Context(), tx, org, alain, m.ID); return err }); err != nil {
			t.Fatal(err)
		}
		if len(read(token)) != 0 {
			t.Error("a deleted device counts")
		}
		if keep(token, "new") != token+".new" {
			t.Error("a device that can be brought back is forgotten")
		}
		clock.Advance(method.UndoFor + time.Hour)
		if err := r.write(func(tx *store.Tx) error { _, err := r.Purge(t.Context(), tx); return err }); err != nil {
			t.Fatal(err)
		}
		if keep(token, "new") != "new" {
			t.Error("a device that is gone is kept")
		}
	})
}
