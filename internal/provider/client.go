package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kunci.dev/kunci/internal/egress"
	"kunci.dev/kunci/internal/org"
)

const (
	// patience is how long one answer of a provider may take.
	patience = 10 * time.Second
	// mostAnswer bounds an answer: key sets of large providers have some 20 kB.
	mostAnswer = 1 << 20
	// knownFor is how long a provider's description and keys are used without
	// looking again; an unknown key is looked for at once.
	knownFor = time.Hour
	// trustedFor is how long they serve while looking again fails.
	trustedFor = 24 * time.Hour
)

// algorithms are the signatures that count. None of them can be made with what a
// client knows: neither "none" nor HMAC is here (RFC 8725, 3.1 and 3.2).
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// known is a provider as it described itself.
type known struct {
	client   *http.Client
	provider *oidc.Provider
	keys     *oidc.RemoteKeySet
	meta     metadata
	at       time.Time
}

// metadata is what go-oidc does not show of a description.
type metadata struct {
	JWKS       string   `json:"jwks_uri"`
	SendsIss   bool     `json:"authorization_response_iss_parameter_supported"`
	ClientAuth []string `json:"token_endpoint_auth_methods_supported"`
	// EndSession is where people sign out (RP-Initiated Logout 1.0, 2.1); empty: nowhere.
	EndSession string `json:"end_session_endpoint"`
}

// discover gives a provider's description, read again every hour, and notes how it
// went.
func (s *Service) discover(ctx context.Context, o *org.Organization) (*known, error) {
	p := o.IdentityProvider
	key := strings.Join(slices.Concat([]string{p.Issuer, p.CAFile}, p.AllowedNetworks), "\n")
	now := s.d.DB.Now()
	s.mu.Lock()
	k := s.known[key]
	s.mu.Unlock()
	if k != nil && now.Sub(k.at) < knownFor {
		return k, nil
	}
	fresh, err := describe(ctx, p, now)
	if ctx.Err() == nil { // somebody who does not wait says nothing about the provider
		if failed := s.note(ctx, o, fresh, err); failed != nil {
			s.d.Log.WarnContext(ctx, "how the identity provider is cannot be noted", "error", failed)
		}
	}
	if err != nil {
		if k != nil && now.Sub(k.at) < trustedFor {
			s.d.Log.WarnContext(ctx, "the identity provider's description cannot be read again", "issuer", p.Issuer, "reason", reasonOf(err))
			return k, nil
		}
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[key] = fresh
	return fresh, nil
}

func describe(ctx context.Context, p org.IdentityProvider, now time.Time) (*known, error) {
	client, err := newClient(p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, client), patience)
	defer cancel()
	k := &known{client: client, at: now}
	if k.provider, err = oidc.NewProvider(ctx, p.Issuer); err != nil {
		return nil, err
	}
	if err := k.provider.Claims(&k.meta); err != nil {
		return nil, err
	}
	e := k.provider.Endpoint()
	for _, address := range []string{e.AuthURL, e.TokenURL, k.meta.JWKS} {
		if !org.AcceptableProviderURL(address) {
			return nil, fault("description")
		}
	}
	if !org.AcceptableProviderURL(k.meta.EndSession) {
		k.meta.EndSession = "" // people are sent to no other address than one we would ask ourselves
	}
	k.keys = oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), client), k.meta.JWKS)
	return k, nil
}

// newClient gives a client that reaches public addresses and the allowed networks
// alone. What a name leads to is known when the connection is made.
func newClient(p org.IdentityProvider) (*http.Client, error) {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: patience, Control: egress.Guard(p.Networks()).Safe}).DialContext,
		TLSHandshakeTimeout: patience, ResponseHeaderTimeout: patience, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 4,
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
	}
	if p.CAFile != "" {
		pem, err := os.ReadFile(p.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the provider's ca_file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("the provider's ca_file holds no certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{
		Transport: bounded{transport}, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// bounded cuts answers off that are longer than they may be.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = http.MaxBytesReader(nil, response.Body, mostAnswer)
	return response, nil
}

// client is this installation as the provider knows it.
func (s *Service) client(k *known, o *org.Organization) (oauth2.Config, error) {
	p := o.IdentityProvider
	secret, err := readSecret(p.ClientSecretFile)
	if err != nil {
		return oauth2.Config{}, err
	}
	e := k.provider.Endpoint()
	// OpenID Connect Discovery, 3: where nothing is said it is client_secret_basic.
	e.AuthStyle = oauth2.AuthStyleInHeader
	if a := k.meta.ClientAuth; len(a) > 0 && !slices.Contains(a, "client_secret_basic") {
		e.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{ClientID: p.ClientID, ClientSecret: secret, Endpoint: e, RedirectURL: s.ReturnURL(o), Scopes: p.Scope()}, nil
}

func readSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the provider's client_secret_file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, 4096))
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("the provider's client_secret_file: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", errors.New("the provider's client_secret_file is empty")
	}
	return secret, nil
}
