package provider

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// skew is how far a provider's clock and ours may be apart.
const skew = time.Minute

// severalFactors are the values of acr that say by themselves that several factors
// were proved: OpenID's older policy page and its newer profile for phishing
// resistance, REFEDS, and Okta.
var severalFactors = []string{
	"http://schemas.openid.net/pape/policies/2007/06/multi-factor", "phr", "phrh", "https://refeds.org/profile/mfa", "urn:okta:loa:2fa:any",
}

// Identity is who a provider says somebody is.
type Identity struct {
	Issuer, Subject string
	// UserID is what the organization's claim holds.
	UserID string
	// AuthTime is when the provider last asked the person; zero: it does not say.
	AuthTime time.Time
	// SeveralFactors tells that they proved more than one.
	SeveralFactors bool

	hint hint
}

// redeem turns a code into who it is. No transaction is open.
func (s *Service) redeem(ctx context.Context, o *org.Organization, k *known, p pending, code string) (Identity, error) {
	client, err := s.client(k, o)
	if err != nil {
		return Identity{}, unavailable(o, err)
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, k.client), 2*patience)
	defer cancel()
	token, err := client.Exchange(ctx, code, oauth2.VerifierOption(p.Verifier))
	if err != nil {
		// What the provider says about a code is its business; only the silence is told apart.
		if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.Response.StatusCode < 500 {
			return Identity{}, invalid(o, "code")
		}
		return Identity{}, unavailable(o, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Identity{}, invalid(o, "no-id-token")
	}
	now := s.d.DB.Now()
	keys := &noted{KeySet: k.keys}
	verifier := oidc.NewVerifier(p.Issuer, keys, &oidc.Config{
		// Times and the audience are judged below, more strictly.
		ClientID: p.ClientID, SupportedSigningAlgs: algorithms, SkipExpiryCheck: true,
	})
	checked, err := verifier.Verify(ctx, raw)
	if err != nil {
		if keys.unread() {
			return Identity{}, unavailable(o, keys.err)
		}
		return Identity{}, invalid(o, "id-token")
	}
	var c claims
	if err := checked.Claims(&c); err != nil {
		return Identity{}, invalid(o, "claims")
	}
	if why := c.judge(checked, p, now); why != "" {
		return Identity{}, invalid(o, why)
	}
	if checked.AccessTokenHash != "" && checked.VerifyAccessToken(token.AccessToken) != nil {
		return Identity{}, invalid(o, "at_hash")
	}
	id := Identity{Issuer: p.Issuer, Subject: checked.Subject, SeveralFactors: c.severalFactors(o.IdentityProvider)}
	if c.AuthTime != nil {
		id.AuthTime = time.Unix(*c.AuthTime, 0)
		if id.AuthTime.After(now) {
			id.AuthTime = now
		}
	}
	// A provider that was asked for a fresh proof says when it was (Core, 3.1.2.1).
	if p.SessionID != "" && (id.AuthTime.IsZero() || now.Sub(id.AuthTime) > MaxAge+skew) {
		return Identity{}, problem.New(problem.ProviderOld, "name", o.IdentityProvider.Name).Because(fault("auth_time"))
	}
	var why fault
	if id.UserID, why, err = s.userID(ctx, o, k, checked, token); err != nil {
		return Identity{}, err
	}
	if why != "" {
		return Identity{}, invalid(o, why)
	}
	id.hint, err = s.hold(k, p, raw)
	return id, err
}

// noted is a set of keys with why it refused: go-oidc makes a text of it.
type noted struct {
	oidc.KeySet
	err error
}

func (n *noted) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := n.KeySet.VerifySignature(ctx, jwt)
	n.err = err
	return payload, err
}

// unread tells whether the keys could not be read, so that nothing was judged.
func (n *noted) unread() bool {
	return n.err != nil && strings.HasPrefix(n.err.Error(), "fetching keys")
}

// claims are those of an ID token that go-oidc does not judge.
type claims struct {
	Azp       string   `json:"azp"`
	AuthTime  *int64   `json:"auth_time"`
	NotBefore *float64 `json:"nbf"`
	AMR       []string `json:"amr"`
	ACR       string   `json:"acr"`
}

// judge says why a token with a good signature does not count (Core, 3.1.3.7);
// empty: it does.
func (c claims) judge(t *oidc.IDToken, p pending, now time.Time) fault {
	switch {
	case t.Issuer != p.Issuer: // go-oidc makes an exception for one provider
		return "iss"
	case len(t.Audience) != 1 || t.Audience[0] != p.ClientID: // others it is for are nobody we trust
		return "aud"
	case c.Azp != "" && c.Azp != p.ClientID:
		return "azp"
	case subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(p.Nonce)) != 1:
		return "nonce"
	case !t.Expiry.After(now.Add(-skew)):
		return "exp"
	case t.IssuedAt.IsZero() || t.IssuedAt.Unix() <= 0 || t.IssuedAt.After(now.Add(skew)):
		return "iat"
	case c.NotBefore != nil && *c.NotBefore > float64(now.Add(skew).Unix()):
		return "nbf"
	case c.AuthTime != nil && (*c.AuthTime <= 0 || *c.AuthTime > now.Add(skew).Unix()):
		return "auth_time"
	case t.Subject == "" || len(t.Subject) > 255:
		return "sub"
	}
	return ""
}

func (c claims) severalFactors(p org.IdentityProvider) bool {
	return slices.Contains(c.AMR, "mfa") || // RFC 8176
		c.ACR != "" && (slices.Contains(severalFactors, c.ACR) || slices.Contains(p.SecondFactorACR, c.ACR))
}

// userID reads the claim that holds the user ID: from the ID token, or, where the
// provider keeps it out of it, from what it says about the same person.
func (s *Service) userID(ctx context.Context, o *org.Organization, k *known, t *oidc.IDToken, token *oauth2.Token) (string, fault, error) {
	all := make(map[string]json.RawMessage)
	if err := t.Claims(&all); err != nil {
		return "", "claims", nil
	}
	name := o.IdentityProvider.Claim()
	if _, there := all[name]; !there && k.provider.UserInfoEndpoint() != "" && org.AcceptableProviderURL(k.provider.UserInfoEndpoint()) {
		info, err := k.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return "", "", unavailable(o, err)
		}
		if info.Subject != t.Subject { // Core, 5.3.2
			return "", "userinfo", nil
		}
		clear(all)
		if err := info.Claims(&all); err != nil {
			return "", "userinfo", nil
		}
	}
	var value string
	if json.Unmarshal(all[name], &value) != nil || strings.TrimSpace(value) == "" {
		return "", "no-user-id", nil
	}
	if name == "email" && !verified(all["email_verified"]) {
		return "", "email", nil
	}
	return value, "", nil
}

// verified reads a claim that some providers write as text.
func verified(raw json.RawMessage) bool {
	return string(raw) == "true" || string(raw) == `"true"`
}
