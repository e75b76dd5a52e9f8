package challenge

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Why an address is none that passkeys work at.
const (
	AddressIsNumber   = "number"   // an IP address: a passkey belongs to a host name
	AddressIsInsecure = "insecure" // http, and not this machine itself
)

// RelyingParty gives the host name that passkeys are bound to (the RP ID), or
// why there can be none. It comes from the public address alone, never from what
// a browser says.
func RelyingParty(publicURL string) (host, why string) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return "", AddressIsNumber
	}
	host = strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil || protocol.ValidateRPID(host) != nil {
		return "", AddressIsNumber
	}
	if u.Scheme != "https" && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		return "", AddressIsInsecure
	}
	return host, ""
}

// algorithms are what a new passkey may sign with: ES256, EdDSA and RS256, which
// together every authenticator in use has one of.
var algorithms = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: -7},
	{Type: protocol.PublicKeyCredentialType, Algorithm: -8},
	{Type: protocol.PublicKeyCredentialType, Algorithm: -257},
}

// webAuthn gives the judge of WebAuthn answers; nil where passkeys cannot work.
// The origin of the public address and those that the operator named beside it
// (WebAuthn Level 3, 5.11), no frames, no other top origin.
func webAuthn(publicURL string, related []string) (*webauthn.WebAuthn, error) {
	host, why := RelyingParty(publicURL)
	if why != "" {
		return nil, nil //nolint:nilnil // no passkeys here is an answer
	}
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: host, RPOrigins: append([]string{u.Scheme + "://" + u.Host}, related...),
		AttestationPreference: protocol.PreferNoAttestation,
		// Browsers and password managers add outputs that nobody asked for. They are
		// never looked at, so they need not stop anybody (WebAuthn Level 3, 7.2, step 19).
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return w, nil
}

// person is one account with one passkey, as the library asks for it.
type person struct {
	handle     []byte
	credential webauthn.Credential
}

func (p person) WebAuthnID() []byte          { return p.handle }
func (p person) WebAuthnName() string        { return "" }
func (p person) WebAuthnDisplayName() string { return "" }
func (p person) WebAuthnCredentials() []webauthn.Credential {
	return []webauthn.Credential{p.credential}
}
