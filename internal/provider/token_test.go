package provider

import (
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// The library lets one provider leave out https:// in its tokens; we let nobody.
func TestTheIssuerIsTheIssuer(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := pending{Issuer: "https://accounts.google.com", ClientID: "kunci", Nonce: "n"}
	token := &oidc.IDToken{Issuer: p.Issuer, Audience: []string{"kunci"}, Nonce: "n", Subject: "1", IssuedAt: now, Expiry: now.Add(time.Minute)}
	if why := (claims{}).judge(token, p, now); why != "" {
		t.Fatalf("a good token: %s", why)
	}
	token.Issuer = "accounts.google.com"
	if why := (claims{}).judge(token, p, now); why != "iss" {
		t.Errorf("%q", why)
	}
}
