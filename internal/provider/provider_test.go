package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/provider/providertest"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const alain = "alain@contoso.com"

// bench is a client and its provider.
type bench struct {
	*provider.Service
	op    *providertest.Provider
	org   *org.Organization
	db    *store.DB
	clock *storetest.Clock
}

func start(t *testing.T, db *store.DB, clock *storetest.Clock) *bench {
	t.Helper()
	op := providertest.Start(t, clock.Now)
	op.SignIn("sub-1", map[string]any{"preferred_username": alain})
	s, err := provider.New(provider.Deps{DB: db, Keys: secrettest.NewTestKeyset(t), PublicURL: "https://kunci.contoso.com/"})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{s, op, contoso(op), db, clock}
}

func sqlite(t *testing.T) (*store.DB, *storetest.Clock) {
	t.Helper()
	clock := storetest.NewClock()
	return storetest.Open(t, store.SQLite, store.Options{Now: clock.Now}), clock
}

func contoso(op *providertest.Provider) *org.Organization {
	return &org.Organization{ID: "org-1", Slug: "contoso", IdentityProvider: org.IdentityProvider{
		Name: "Contoso ID", Issuer: op.URL, ClientID: providertest.ClientID, ClientSecretFile: op.SecretFile, AllowedNetworks: []string{"127.0.0.0/8"},
	}}
}

// there goes to the provider as a browser does and gives what it comes back with.
func (b *bench) there(t *testing.T, ask provider.Ask) (cookie string, back provider.Back) {
	t.Helper()
	cookie, err := b.Begin(t.Context(), b.org, ask)
	if err != nil {
		t.Fatal(err)
	}
	address, err := b.Address(t.Context(), b.org, cookie)
	if err != nil {
		t.Fatal(err)
	}
	return cookie, visit(t, address)
}

func visit(t *testing.T, address string) provider.Back {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	to, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	if got := to.Scheme + "://" + to.Host + to.Path; got != "https://kunci.contoso.com/signin/provider/contoso" {
		t.Fatalf("the provider sends back to %s", got)
	}
	back, err := provider.ReadBack(to.Query())
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func (b *bench) finish(t *testing.T, ask provider.Ask) (provider.Identity, error) {
	t.Helper()
	cookie, back := b.there(t, ask)
	id, _, err := b.Finish(t.Context(), b.org, cookie, back)
	return id, err
}

func want(t *testing.T, err error, code problem.Code, why string) {
	t.Helper()
	if !problem.Has(err, code) || provider.Why(err) != why {
		t.Fatalf("got %v (%s), want %s (%s)", err, provider.Why(err), code, why)
	}
}

func TestAnAnswerOfTheProviderSaysWhoItIs(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := start(t, db, clock)
		ask := provider.Ask{UserID: alain, Next: "/password"}
		cookie, back := b.there(t, ask)
		asked := b.op.Asked()
		for name, want := range map[string]string{
			"response_mode": "query", "code_challenge_method": "S256", "login_hint": alain, "scope": "openid profile email",
			"redirect_uri": "https://kunci.contoso.com/signin/provider/contoso", "max_age": "", "prompt": "",
		} {
			if got := asked.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		id, got, err := b.Finish(t.Context(), b.org, cookie, back)
		if err != nil || id.Subject != "sub-1" || id.UserID != alain || id.SeveralFactors || !id.AuthTime.IsZero() {
			t.Fatalf("%+v, %v", id, err)
		}
		if ask.OrgID = "org-1"; got != ask {
			t.Errorf("the answer is for %+v", got)
		}
		// A second sign-in asks neither for the description nor for the keys again.
		if _, err := b.finish(t, ask); err != nil {
			t.Fatal(err)
		}
		if b.op.KeysRead() != 1 {
			t.Errorf("the keys were read %d times", b.op.KeysRead())
		}
	})
}

// Each token is good but for one thing.
func TestATokenThatIsNotRightIsNotBelieved(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	now := clock.Now()
	other := providertest.NewKey()
	public, err := json.Marshal(jose.JSONWebKey{Key: func() any { k, _ := b.op.Key(); return k.Public() }()})
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, value any) providertest.Faults {
		return providertest.Faults{Claims: func(c map[string]any) {
			if value == nil {
				delete(c, name)
			} else {
				c[name] = value
			}
		}}
	}
	sign := func(f func(map[string]any) string) providertest.Faults { return providertest.Faults{Sign: f} }
	_, kid := b.op.Key()
	for name, c := range map[string]struct {
		faults providertest.Faults
		why    string
	}{
		"another issuer":          {set("iss", "https://login.fabrikam.com"), "id-token"},
		"another audience":        {set("aud", "another"), "id-token"},
		"one audience more":       {set("aud", []string{providertest.ClientID, "another"}), "aud"},
		"no audience":             {set("aud", nil), "id-token"},
		"another party":           {set("azp", "another"), "azp"},
		"another nonce":           {set("nonce", "another"), "nonce"},
		"no nonce":                {set("nonce", nil), "nonce"},
		"expired":                 {set("exp", now.Add(-61*time.Second).Unix()), "exp"},
		"never expires":           {set("exp", nil), "exp"},
		"from the future":         {set("iat", now.Add(2*time.Minute).Unix()), "iat"},
		"from no time":            {set("iat", nil), "iat"},
		"not yet":                 {set("nbf", now.Add(2*time.Minute).Unix()), "nbf"},
		"asked in the future":     {set("auth_time", now.Add(2*time.Minute).Unix()), "auth_time"},
		"nobody":                  {set("sub", ""), "sub"},
		"no user ID":              {set("preferred_username", ""), "no-user-id"},
		"a user ID that is none":  {set("preferred_username", 7), "no-user-id"},
		"a hash of another token": {set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"},
		"unsigned": {sign(func(c map[string]any) string {
			text, _ := json.Marshal(c)
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
		}), "id-token"},
		"signed with what is public": {sign(func(c map[string]any) string { return providertest.Signed(jose.HS256, public, kid, c) }), "id-token"},
		"signed with the secret": {sign(func(c map[string]any) string {
			return providertest.Signed(jose.HS256, []byte(strings.Repeat(providertest.ClientSecret, 3)), "", c)
		}), "id-token"},
		"another key by its name": {sign(func(c map[string]any) string { return providertest.Signed(jose.ES256, other, kid, c) }), "id-token"},
		"a key nobody knows":      {sign(func(c map[string]any) string { return providertest.Signed(jose.ES256, other, "another", c) }), "id-token"},
		"a key that came along": {sign(func(c map[string]any) string {
			signer, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: other}, &jose.SignerOptions{EmbedJWK: true})
			text, _ := json.Marshal(c)
			signed, _ := signer.Sign(text)
			compact, _ := signed.CompactSerialize()
			return compact
		}), "id-token"},
		"signed with a secret that it publishes": {providertest.Faults{
			Keys: []jose.JSONWebKey{{Key: []byte(strings.Repeat(providertest.ClientSecret, 3)), KeyID: "shared"}},
			Sign: func(c map[string]any) string {
				return providertest.Signed(jose.HS256, []byte(strings.Repeat(providertest.ClientSecret, 3)), "shared", c)
			},
		}, "id-token"},
		"no token": {providertest.Faults{Token: func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			_, err := w.Write([]byte(`{"access_token":"a","token_type":"Bearer"}`))
			return err == nil
		}}, "no-id-token"},
		"another issuer's answer":   {providertest.Faults{Answer: func(v url.Values) { v.Set("iss", "https://login.fabrikam.com") }}, "iss"},
		"an answer of no issuer":    {providertest.Faults{Answer: func(v url.Values) { v.Del("iss") }}, "iss"},
		"no code":                   {providertest.Faults{Answer: func(v url.Values) { v.Del("code") }}, "code"},
		"a code that was not given": {providertest.Faults{Answer: func(v url.Values) { v.Set("code", "another") }}, "code"},
	} {
		t.Run(name, func(t *testing.T) {
			b.op.Be(c.faults)
			_, err := b.finish(t, provider.Ask{UserID: alain})
			want(t, err, problem.ProviderInvalid, c.why)
		})
	}
	for name, faults := range map[string]providertest.Faults{
		"a clock that is behind":      set("exp", now.Add(-59*time.Second).Unix()),
		"a clock that is ahead":       set("iat", now.Add(59*time.Second).Unix()),
		"the party that it is for":    set("azp", providertest.ClientID),
		"the one audience, as a list": set("aud", []string{providertest.ClientID}),
	} {
		t.Run(name, func(t *testing.T) {
			b.op.Be(faults)
			if _, err := b.finish(t, provider.Ask{UserID: alain}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAnAnswerCountsOnceInItsOwnBrowser(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := start(t, db, clock)
		ask := provider.Ask{UserID: alain}
		cookie, back := b.there(t, ask)
		stranger, other := b.there(t, ask)
		for name, c := range map[string]struct {
			cookie string
			back   provider.Back
		}{
			"no browser":                {"", back},
			"another browser":           {"a browser that nobody knows", back},
			"another sign-in's browser": {stranger, back},
			"no state":                  {cookie, provider.Back{Code: back.Code, Issuer: back.Issuer}},
			"another sign-in's state":   {cookie, provider.Back{State: other.State, Code: back.Code, Issuer: back.Issuer}},
		} {
			if _, asked, err := b.Finish(t.Context(), b.org, c.cookie, c.back); !problem.Has(err, problem.Expired) || asked != (provider.Ask{}) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// None of them used it up; of many at once, one counts.
		var wait sync.WaitGroup
		good := make(chan provider.Identity, 8)
		for range cap(good) {
			wait.Go(func() {
				if id, _, err := b.Finish(t.Context(), b.org, cookie, back); err == nil {
					good <- id
				} else if !problem.Has(err, problem.Expired) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if len(good) != 1 {
			t.Fatalf("%d of %d count", len(good), cap(good))
		}
		// The code of a used answer, in a new sign-in: the provider's verifier refuses it.
		again, fresh := b.there(t, ask)
		_, _, err := b.Finish(t.Context(), b.org, again, provider.Back{State: fresh.State, Code: back.Code, Issuer: back.Issuer})
		want(t, err, problem.ProviderInvalid, "code")
		// A code of another sign-in, injected: it was asked for with another verifier.
		mine, own := b.there(t, ask)
		_, _, err = b.Finish(t.Context(), b.org, mine, provider.Back{State: own.State, Code: other.Code, Issuer: own.Issuer})
		want(t, err, problem.ProviderInvalid, "code")

		late, last := b.there(t, ask)
		clock.Advance(provider.For)
		if _, _, err := b.Finish(t.Context(), b.org, late, last); !problem.Has(err, problem.Expired) {
			t.Fatalf("after %s: %v", provider.For, err)
		}
		if _, err := b.Address(t.Context(), b.org, late); !problem.Has(err, problem.Expired) {
			t.Fatalf("the address after %s: %v", provider.For, err)
		}
	})
}

// What belongs to one organization's provider is nothing at another's (RFC 9700, 4.4).
func TestProvidersAreNotMixedUp(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	evil := providertest.Start(t, clock.Now)
	fabrikam := contoso(evil)
	fabrikam.ID, fabrikam.Slug = "org-2", "fabrikam"
	cookie, err := b.Begin(t.Context(), fabrikam, provider.Ask{UserID: "mallory@fabrikam.com"})
	if err != nil {
		t.Fatal(err)
	}
	address, err := b.Address(t.Context(), fabrikam, cookie)
	if err != nil {
		t.Fatal(err)
	}
	there, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	// The evil provider sends the browser on to the good one, in our name, with our state.
	_, back := b.there(t, provider.Ask{UserID: alain})
	mixed := provider.Back{State: there.Query().Get("state"), Code: back.Code, Issuer: back.Issuer}
	_, _, err = b.Finish(t.Context(), b.org, cookie, mixed)
	want(t, err, problem.ProviderInvalid, "organization")

	// The same with the evil organization's own address to come back to.
	if cookie, err = b.Begin(t.Context(), fabrikam, provider.Ask{UserID: "mallory@fabrikam.com"}); err != nil {
		t.Fatal(err)
	}
	if address, err = b.Address(t.Context(), fabrikam, cookie); err != nil {
		t.Fatal(err)
	}
	if there, err = url.Parse(address); err != nil {
		t.Fatal(err)
	}
	mixed.State = there.Query().Get("state")
	_, _, err = b.Finish(t.Context(), fabrikam, cookie, mixed)
	want(t, err, problem.ProviderInvalid, "iss")

	// An organization that changed its provider meanwhile.
	cookie, back = b.there(t, provider.Ask{UserID: alain})
	b.org.IdentityProvider.ClientID = "another"
	_, _, err = b.Finish(t.Context(), b.org, cookie, back)
	want(t, err, problem.ProviderInvalid, "organization")
}

func TestAnAddressThatIsNotVerifiedIsNobody(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	b.org.IdentityProvider.UserIDClaim = "email"
	for _, c := range []struct {
		verified any
		why      string
	}{{nil, "email"}, {false, "email"}, {"false", "email"}, {1, "email"}, {true, ""}, {"true", ""}} {
		b.op.SignIn("sub-1", map[string]any{"email": alain, "email_verified": c.verified})
		id, err := b.finish(t, provider.Ask{UserID: alain})
		if c.why != "" {
			want(t, err, problem.ProviderInvalid, c.why)
		} else if err != nil || id.UserID != alain {
			t.Errorf("%v: %+v, %v", c.verified, id, err)
		}
	}
}

func TestClaimsThatAreNotInTheTokenAreAskedFor(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	b.op.SignIn("sub-1", nil)
	b.op.Info(map[string]any{"preferred_username": alain})
	if id, err := b.finish(t, provider.Ask{UserID: alain}); err != nil || id.UserID != alain {
		t.Fatalf("%+v, %v", id, err)
	}
	b.op.Info(map[string]any{"preferred_username": alain, "sub": "somebody else"})
	_, err := b.finish(t, provider.Ask{UserID: alain})
	want(t, err, problem.ProviderInvalid, "userinfo")
}

func TestAFreshProofHasItsTime(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	ask := provider.Ask{UserID: alain, SessionID: "session-1"}
	if id, err := b.finish(t, ask); err != nil || !id.AuthTime.Equal(clock.Now().Truncate(time.Second)) {
		t.Fatalf("%+v, %v", id, err)
	}
	if got := b.op.Asked().Get("max_age"); got != "300" {
		t.Errorf("max_age is %q", got)
	}
	for _, value := range []any{nil, clock.Now().Add(-provider.MaxAge - 2*time.Minute).Unix()} {
		b.op.Be(providertest.Faults{Claims: func(c map[string]any) {
			delete(c, "auth_time")
			if value != nil {
				c["auth_time"] = value
			}
		}})
		_, err := b.finish(t, ask)
		want(t, err, problem.ProviderOld, "auth_time")
	}
	b.op.Be(providertest.Faults{})
	if _, err := b.finish(t, provider.Ask{UserID: alain, Again: true}); err != nil || b.op.Asked().Get("prompt") != "login" {
		t.Errorf("prompt is %q, %v", b.op.Asked().Get("prompt"), err)
	}
}

func TestSeveralFactorsAreSaidInWordsThatWeKnow(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	b.org.IdentityProvider.SecondFactor, b.org.IdentityProvider.SecondFactorACR = org.TrustAMR, []string{"gold"}
	for _, c := range []struct {
		claims map[string]any
		want   bool
	}{
		{map[string]any{}, false}, {map[string]any{"amr": []string{"pwd"}}, false}, {map[string]any{"amr": []string{"pwd", "otp"}}, false},
		{map[string]any{"amr": []string{"pwd", "mfa"}}, true}, {map[string]any{"acr": "0"}, false}, {map[string]any{"acr": "gold"}, true}, {map[string]any{"acr": "phr"}, true},
	} {
		c.claims["preferred_username"] = alain
		b.op.SignIn("sub-1", c.claims)
		if id, err := b.finish(t, provider.Ask{UserID: alain}); err != nil || id.SeveralFactors != c.want {
			t.Errorf("%v: %+v, %v", c.claims, id, err)
		}
	}
	if got := b.op.Asked().Get("acr_values"); got != "gold" {
		t.Errorf("acr_values is %q", got)
	}
}

func TestKeysAreRenewed(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	ask := provider.Ask{UserID: alain}
	if _, err := b.finish(t, ask); err != nil {
		t.Fatal(err)
	}
	old, kid := b.op.Key()
	b.op.Rotate()
	if _, err := b.finish(t, ask); err != nil {
		t.Fatalf("after the provider changed its key: %v", err)
	}
	// What it took back counts no more once the keys are read again.
	b.op.Be(providertest.Faults{Sign: func(c map[string]any) string { return providertest.Signed(jose.ES256, old, kid, c) }})
	_, err := b.finish(t, ask)
	want(t, err, problem.ProviderInvalid, "id-token")
}

func TestAProviderThatIsDown(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	ask := provider.Ask{UserID: alain}
	b.op.Be(providertest.Faults{Down: true})
	_, err := b.Begin(t.Context(), b.org, ask)
	want(t, err, problem.ProviderUnavailable, "unreachable")
	b.op.Be(providertest.Faults{})
	cookie, back := b.there(t, ask)
	b.op.Be(providertest.Faults{Down: true})
	_, _, err = b.Finish(t.Context(), b.org, cookie, back)
	want(t, err, problem.ProviderUnavailable, "unreachable")
	// Its description serves on while it is down, for a day.
	clock.Advance(23 * time.Hour)
	if _, err := b.Begin(t.Context(), b.org, ask); err != nil {
		t.Fatal(err)
	}
	clock.Advance(2 * time.Hour)
	if _, err := b.Begin(t.Context(), b.org, ask); !problem.Has(err, problem.ProviderUnavailable) {
		t.Fatal(err)
	}
}

func TestWhatIsNotAProviderIsNotAsked(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	ask := provider.Ask{UserID: alain}
	for name, c := range map[string]struct {
		change func()
		why    string
	}{
		"networks that are not allowed": {func() { b.org.IdentityProvider.AllowedNetworks = nil }, "not-public"},
		"another issuer's description": {func() {
			b.op.Be(providertest.Faults{Description: func(d map[string]any) { d["issuer"] = "https://login.fabrikam.com" }})
		}, "issuer"},
		"a redirect": {func() { b.op.Be(providertest.Faults{Moved: true}) }, "unreachable"},
		"tokens in the open": {func() {
			b.op.Be(providertest.Faults{Description: func(d map[string]any) { d["token_endpoint"] = "http://login.contoso.com/token" }})
		}, "description"},
		"a description without keys": {func() {
			b.op.Be(providertest.Faults{Description: func(d map[string]any) { delete(d, "jwks_uri") }})
		}, "description"},
		"a description without end": {func() {
			b.op.Be(providertest.Faults{Description: func(d map[string]any) { d["padding"] = strings.Repeat("a", 2<<20) }})
		}, "unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			b.org = contoso(b.op)
			b.op.Be(providertest.Faults{})
			c.change()
			_, err := b.Begin(t.Context(), b.org, ask)
			want(t, err, problem.ProviderUnavailable, c.why)
			if _, err := b.Check(t.Context(), b.org); provider.Reason(err) != c.why {
				t.Errorf("found wrong with it: %v", err)
			}
		})
	}
	b.org = contoso(b.op)
	b.op.Be(providertest.Faults{})
	if found, err := b.Check(t.Context(), b.org); err != nil || found != (provider.Found{Keys: 1, SignsOut: true}) {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := os.WriteFile(b.op.SecretFile, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Check(t.Context(), b.org); provider.Reason(err) != provider.BadFile {
		t.Errorf("an empty secret is none: %v", err)
	}
}

// A provider that takes a client's secret in the form alone gets it there.
func TestTheSecretGoesWhereTheProviderTakesIt(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	b.op.Be(providertest.Faults{InForm: true})
	if _, err := b.finish(t, provider.Ask{UserID: alain}); err != nil {
		t.Fatal(err)
	}
}

func TestARefusalIsSaidInOurWords(t *testing.T) {
	db, clock := sqlite(t)
	b := start(t, db, clock)
	for code, why := range map[string]string{"access_denied": "access_denied", "<script>": "other"} {
		b.op.Be(providertest.Faults{Answer: func(v url.Values) { v.Del("code"); v.Set("error", code) }})
		_, err := b.finish(t, provider.Ask{UserID: alain})
		want(t, err, problem.ProviderRefused, why)
	}
	if _, err := provider.ReadBack(url.Values{"state": {"a", "b"}}); !problem.Has(err, problem.BadInput) {
		t.Errorf("two states: %v", err)
	}
}

func TestAnAccountBelongsToOneIdentity(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		b := start(t, db, clock)
		bind := func(orgID, accountID, issuer, sub string) (bound provider.Bound) {
			t.Helper()
			if err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
				bound, err = b.Bind(t.Context(), tx, orgID, accountID, provider.Identity{Issuer: issuer, Subject: sub})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return bound
		}
		for i, c := range []struct {
			org, account, issuer, sub string
			want                      provider.Bound
		}{
			{"org-1", "alain", "a", "1", provider.First},
			{"org-1", "alain", "a", "1", provider.Before},
			{"org-1", "alain", "a", "2", provider.Taken}, // the name was given to somebody else
			{"org-1", "citra", "a", "1", provider.Taken}, // somebody took another's name
			{"org-1", "citra", "a", "2", provider.First},
			{"org-1", "alain", "b", "2", provider.First}, // the organization moved to another provider
			{"org-2", "alain", "a", "1", provider.First}, // another organization's account
		} {
			if got := bind(c.org, c.account, c.issuer, c.sub); got != c.want {
				t.Errorf("%d: %v, want %v", i, got, c.want)
			}
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			if had, err := b.Release(t.Context(), tx, "org-1", "alain"); err != nil || !had {
				t.Errorf("release: %v, %v", had, err)
			}
			if bound, err := b.IsBound(t.Context(), tx, "org-2", "alain"); err != nil || !bound {
				t.Errorf("another organization's: %v, %v", bound, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := bind("org-1", "alain", "a", "3"); got != provider.First {
			t.Errorf("after it was released: %v", got)
		}
	})
}
