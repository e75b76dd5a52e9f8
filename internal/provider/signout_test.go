package provider_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/provider/providertest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func (b *bench) write(t *testing.T, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := b.db.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// in is a session that began at the provider.
func (b *bench) in(t *testing.T, sessionID string) {
	t.Helper()
	id, err := b.finish(t, provider.Ask{UserID: alain})
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, func(tx *store.Tx) error {
		return b.Keep(t.Context(), tx, b.org.ID, "account-1", sessionID, id, tx.Now().Add(24*time.Hour))
	})
}

func (b *bench) leave(t *testing.T, sessionID string) (cookie string) {
	t.Helper()
	b.write(t, func(tx *store.Tx) (err error) { cookie, err = b.Leave(t.Context(), tx, sessionID); return err })
	return cookie
}

func (b *bench) signOut(t *testing.T, cookie string) *url.URL {
	t.Helper()
	text, err := b.SignOutAddress(t.Context(), b.org, cookie)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (b *bench) rows(t *testing.T) (n int, sealed []byte) {
	t.Helper()
	b.write(t, func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT sealed FROM provider_session`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for n = 0; rows.Next(); n++ {
			if err := rows.Scan(&sealed); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return n, sealed
}

// Whoever signs out here is sent to sign out at the provider with what it needs to
// know who it is about (RP-Initiated Logout 1.0, 2), and is known when they are back.
func TestSigningOutAtTheProvider(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := start(t, db, clock)
		b.in(t, "session-1")
		b.in(t, "session-1") // proved there once more
		cookie := b.leave(t, "session-1")
		address := b.signOut(t, cookie)
		query := address.Query()
		token := query.Get("id_token_hint")
		if !strings.HasPrefix(address.String(), b.op.URL+"/end?") || query.Get("tenant") != "1" || query.Get("client_id") != providertest.ClientID ||
			query.Get("post_logout_redirect_uri") != "https://kunci.contoso.com/signout/provider/contoso" || strings.Contains(address.String(), cookie) {
			t.Errorf("sent to %s", address)
		}
		if _, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256}); err != nil {
			t.Errorf("the hint is no ID token: %v", err)
		}
		if n, sealed := b.rows(t); n != 1 || token == "" || bytes.Contains(sealed, []byte(token)) || bytes.Contains(sealed, []byte(token[:40])) {
			t.Errorf("%d rows; the ID token is kept as it is", n)
		}
		came := func(cookie, state string) bool {
			t.Helper()
			back, err := b.CameBack(t.Context(), b.org, cookie, state)
			if err != nil {
				t.Fatal(err)
			}
			return back
		}
		state := query.Get("state")
		other := b.leave(t, "session-1")
		if other != "" || !came(cookie, state) {
			t.Errorf("left twice, or not known to be back: %q", other)
		}
		b.in(t, "session-2")
		other = b.leave(t, "session-2")
		for name, is := range map[string]bool{
			"no state": came(cookie, ""), "no browser": came("", state), "another browser": came(other, state),
			"a browser that nobody knows": came("made up", state),
		} {
			if is {
				t.Errorf("%s is taken for somebody who came back", name)
			}
		}
		if id, err := b.Left(t.Context(), cookie); err != nil || id != b.org.ID {
			t.Errorf("%q, %v", id, err)
		}
		elsewhere := *b.org
		elsewhere.ID = "org-2"
		if _, err := b.SignOutAddress(t.Context(), &elsewhere, cookie); !problem.Has(err, problem.Expired) {
			t.Errorf("for another organization: %v", err)
		}
		clock.Advance(provider.LeaveFor + time.Second)
		if _, err := b.Left(t.Context(), cookie); !problem.Has(err, problem.Expired) || came(cookie, state) {
			t.Errorf("a quarter of an hour later: %v", err)
		}
		b.write(t, func(tx *store.Tx) error { return b.Purge(t.Context(), tx) })
		if n, _ := b.rows(t); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// What signing out takes goes with the session's day, with the account, and with
// the link to the identity.
func TestWhatASessionBeganWithIsForgotten(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := start(t, db, clock)
		for name, end := range map[string]func(tx *store.Tx) error{
			"forgotten":          func(tx *store.Tx) error { return b.Forget(t.Context(), tx, "session-1") },
			"released, unlinked": func(tx *store.Tx) error { _, err := b.Release(t.Context(), tx, b.org.ID, "account-1"); return err },
			"a day later":        func(tx *store.Tx) error { return b.Purge(t.Context(), tx) },
		} {
			b.in(t, "session-1")
			if n, _ := b.rows(t); n != 1 {
				t.Fatalf("%s: %d rows before", name, n)
			}
			if name == "a day later" {
				clock.Advance(24*time.Hour + time.Second)
			}
			b.write(t, end)
			if n, _ := b.rows(t); n != 0 {
				t.Errorf("%s: %d rows are left", name, n)
			}
		}
		if cookie := b.leave(t, "session-1"); cookie != "" {
			t.Error("and there is something to leave")
		}
	})
}

// Where signing out there cannot be done, nobody is sent anywhere.
func TestWhereNobodyCanBeSignedOut(t *testing.T) {
	db, clock := sqlite(t)
	for name, c := range map[string]struct {
		faults providertest.Faults
		change func(b *bench)
	}{
		"the provider does not offer it": {providertest.Faults{Description: func(d map[string]any) { delete(d, "end_session_endpoint") }}, func(*bench) {}},
		"it is an address without https": {providertest.Faults{Description: func(d map[string]any) { d["end_session_endpoint"] = "http://login.contoso.com/end" }}, func(*bench) {}},
		"it is an address of a script":   {providertest.Faults{Description: func(d map[string]any) { d["end_session_endpoint"] = "javascript:alert(1)//" }}, func(*bench) {}},
		"the organization has another":   {providertest.Faults{}, func(b *bench) { b.org.IdentityProvider.Issuer = "https://login.fabrikam.com" }},
		"it is another client by now":    {providertest.Faults{}, func(b *bench) { b.org.IdentityProvider.ClientID = "another" }},
		"the organization has none":      {providertest.Faults{}, func(b *bench) { b.org.IdentityProvider.Issuer = "" }},
		"the provider is down for a day": {providertest.Faults{}, func(b *bench) { b.op.Be(providertest.Faults{Down: true}); b.clock.Advance(25 * time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, db, clock)
			b.op.Be(c.faults)
			b.in(t, "session-"+name)
			c.change(b)
			cookie := b.leave(t, "session-"+name)
			if cookie == "" {
				t.Fatal("nobody knows that it began there")
			}
			if address := b.signOut(t, cookie); address.String() != "" {
				t.Errorf("sent to %s", address)
			}
		})
	}
	// A token too long for an address stays here; the client says who asks.
	b := start(t, db, clock)
	b.op.SignIn("sub-1", map[string]any{"preferred_username": alain, "groups": strings.Repeat("a", 5000)})
	b.in(t, "long")
	if query := b.signOut(t, b.leave(t, "long")).Query(); query.Has("id_token_hint") || query.Get("client_id") != providertest.ClientID {
		t.Errorf("sent with %v", query)
	}
}

// Administrators see whether the provider is reached, since when, and why not.
func TestHowTheProviderIs(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := start(t, db, clock)
		state := func() (s provider.State) {
			t.Helper()
			b.write(t, func(tx *store.Tx) (err error) { s, err = b.State(t.Context(), tx, b.org); return err })
			return s
		}
		look := func() provider.State {
			t.Helper()
			clock.Advance(5 * time.Minute)
			if err := b.Look(t.Context(), []*org.Organization{b.org, {ID: "org-2", Slug: "fabrikam"}}); err != nil {
				t.Fatal(err)
			}
			s := state()
			if !s.LookedAt.Equal(clock.Now()) {
				t.Errorf("looked at %v, and it is %v", s.LookedAt, clock.Now())
			}
			return s
		}
		if s := state(); !s.LookedAt.IsZero() {
			t.Errorf("before anybody looked: %+v", s)
		}
		first := look()
		if !first.Reached || first.Reason != "" || !first.SignsOut || !first.Since.Equal(clock.Now()) {
			t.Errorf("reached: %+v", first)
		}
		if s := look(); !s.Since.Equal(first.Since) {
			t.Errorf("still: %+v", s)
		}
		b.op.Be(providertest.Faults{Down: true})
		down := look()
		if down.Reached || down.Reason != provider.Unreachable || !down.SignsOut || !down.Since.Equal(clock.Now()) {
			t.Errorf("down: %+v", down)
		}
		b.op.Be(providertest.Faults{NoKey: true, Keys: []jose.JSONWebKey{{Key: providertest.NewKey().Public(), KeyID: "e", Use: "enc"}}})
		if s := look(); s.Reached || s.Reason != provider.NoKeys || !s.Since.Equal(down.Since) {
			t.Errorf("no key that signs: %+v", s)
		}
		// Somebody who signs in finds it before the next look.
		b.op.Be(providertest.Faults{})
		clock.Advance(2 * time.Minute)
		if _, err := b.Begin(t.Context(), b.org, provider.Ask{UserID: alain}); err != nil {
			t.Fatal(err)
		}
		if s := state(); !s.Reached || !s.Since.Equal(clock.Now()) {
			t.Errorf("up: %+v", s)
		}
		b.org.IdentityProvider.Issuer += "/other"
		if s := state(); !s.LookedAt.IsZero() {
			t.Errorf("another provider has the state of the one before: %+v", s)
		}
		if s := look(); s.Reached || s.SignsOut || s.Reason != provider.Unreachable {
			t.Errorf("another provider: %+v", s)
		}
	})
}
