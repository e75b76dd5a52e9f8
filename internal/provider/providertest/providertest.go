// Package providertest is an OpenID provider for tests that does what a good one
// does, until it is told to do something else. It asks nobody: whoever comes is
// signed in as the Person.
package providertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What the clients of the provider are called, and their secret.
const (
	ClientID     = "kunci"
	ClientSecret = "not for the log"
)

// Provider is the provider, running.
type Provider struct {
	URL string
	// SecretFile and its Networks are what a client is configured with.
	SecretFile string
	Now        func() time.Time

	mu     sync.Mutex
	server *httptest.Server
	person map[string]any
	info   map[string]any
	asked  url.Values
	ended  url.Values
	codes  map[string]url.Values
	key    *ecdsa.PrivateKey
	kid    string
	keysAt int
	faults Faults
}

// Faults are what the provider does otherwise. All may be nil.
type Faults struct {
	Claims      func(claims map[string]any)        // changes an ID token before it is signed
	Sign        func(claims map[string]any) string // makes the token itself
	Answer      func(back url.Values)              // changes what the browser brings back
	Description func(d map[string]any)
	Token       func(w http.ResponseWriter) bool // answers instead of the token; true: it did
	Keys        []jose.JSONWebKey                // published beside its own
	NoKey       bool                             // its own is not published
	Moved       bool                             // its description is elsewhere, and a redirect says so
	InForm      bool                             // a client's secret is taken in the form alone
	Down        bool
}

// Start runs a provider until the test ends.
func Start(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	p := &Provider{Now: now, codes: make(map[string]url.Values), SecretFile: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(p.SecretFile, []byte(ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Rotate()
	p.server = httptest.NewServer(p)
	p.URL = p.server.URL
	t.Cleanup(p.server.Close)
	return p
}

// SignIn has the provider's person be somebody: claims beside sub, which go into
// the ID token.
func (p *Provider) SignIn(sub string, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.person = maps.Clone(claims)
	if p.person == nil {
		p.person = make(map[string]any)
	}
	p.person["sub"], p.info = sub, nil
}

// Info are the claims that the provider keeps for its userinfo endpoint.
func (p *Provider) Info(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info = claims
}

// Be has the provider do something else from now on.
func (p *Provider) Be(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Rotate gives the provider a new key, as it publishes from now on.
func (p *Provider) Rotate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.kid = NewKey(), rand.Text()
}

// Asked is what the last browser came with.
func (p *Provider) Asked() url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Ended is what the last browser came with to sign out.
func (p *Provider) Ended() url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// KeysRead is how often the keys were read.
func (p *Provider) KeysRead() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keysAt
}

// NewKey is a key that no provider published.
func NewKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // there is no randomness: nothing can be tested
	}
	return key
}

// Signed is a token under any key.
func Signed(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	options := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		panic(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return compact
}

// Key is the provider's own key and its name.
func (p *Provider) Key() (*ecdsa.PrivateKey, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key, p.kid
}

// ServeHTTP is the provider.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	f := p.faults
	p.mu.Unlock()
	if f.Down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		if f.Moved {
			http.Redirect(w, r, "/moved", http.StatusFound)
			return
		}
		p.describe(w, f)
	case "/moved":
		p.describe(w, f)
	case "/keys":
		p.keys(w, f)
	case "/authorize":
		p.authorize(w, r, f)
	case "/token":
		p.token(w, r, f)
	case "/userinfo":
		p.userinfo(w)
	case "/end":
		p.end(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) describe(w http.ResponseWriter, f Faults) {
	d := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/end?tenant=1", "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"authorization_response_iss_parameter_supported": true,
	}
	if f.InForm {
		d["token_endpoint_auth_methods_supported"] = []string{"client_secret_post", "private_key_jwt"}
	}
	if f.Description != nil {
		f.Description(d)
	}
	answer(w, d)
}

func (p *Provider) keys(w http.ResponseWriter, f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keysAt++
	own := jose.JSONWebKey{Key: p.key.Public(), KeyID: p.kid, Algorithm: "ES256", Use: "sig"}
	all := jose.JSONWebKeySet{Keys: append([]jose.JSONWebKey{own}, f.Keys...)}
	if f.NoKey {
		all.Keys = f.Keys
	}
	answer(w, all)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request, f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	p.asked = q
	if q.Get("response_type") != "code" || q.Get("client_id") != ClientID || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
		http.Error(w, "not a request of ours", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	if f.Answer != nil {
		f.Answer(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request, f Faults) {
	if f.Token != nil && f.Token(w) {
		return
	}
	user, pass, basic := r.BasicAuth()
	if basic == f.InForm {
		w.WriteHeader(http.StatusUnauthorized)
		answer(w, map[string]string{"error": "invalid_client"})
		return
	}
	if !basic {
		user, pass = r.PostFormValue("client_id"), url.QueryEscape(r.PostFormValue("client_secret"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if secret, err := url.QueryUnescape(pass); user != ClientID || err != nil || secret != ClientSecret || !known ||
		asked.Get("redirect_uri") != r.PostFormValue("redirect_uri") ||
		asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	now := p.Now()
	claims := map[string]any{
		"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": asked.Get("nonce"),
	}
	if asked.Get("max_age") != "" {
		claims["auth_time"] = now.Unix()
	}
	maps.Copy(claims, p.person)
	if f.Claims != nil {
		f.Claims(claims)
	}
	text := ""
	if f.Sign != nil {
		text = f.Sign(claims)
	} else {
		text = Signed(jose.ES256, p.key, p.kid, claims)
	}
	answer(w, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": text})
}

func (p *Provider) userinfo(w http.ResponseWriter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	claims := map[string]any{"sub": p.person["sub"]}
	maps.Copy(claims, p.info)
	answer(w, claims)
}

// end signs the browser out, which has to say whose client sends it.
func (p *Provider) end(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	p.ended = q
	if hint := q.Get("id_token_hint"); hint != "" {
		token, err := jose.ParseSignedCompact(hint, []jose.SignatureAlgorithm{jose.ES256})
		if err == nil {
			_, err = token.Verify(p.key.Public())
		}
		if err != nil {
			http.Error(w, "not a token of ours", http.StatusBadRequest)
			return
		}
	}
	if q.Get("client_id") != ClientID || q.Get("tenant") != "1" {
		http.Error(w, "not a client of ours", http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, q.Get("post_logout_redirect_uri")+"?"+url.Values{"state": {q.Get("state")}}.Encode(), http.StatusFound)
}
