package securityinfo

import (
	"context"
	"encoding/base32"
	"net/url"
	"strings"

	"kunci.dev/kunci/internal/method"
)

// authenticatorCode is an app that is given a new secret and proves it by a code.
var authenticatorCode = registrar{
	draft: func(context.Context, *Service, facts, Form) (Draft, error) {
		seed, err := method.NewSeed()
		return Draft{Method: method.Method{Secret: seed}}, err
	},
}

// Base32 is how apps take a secret that is typed: RFC 4648 without padding.
func Base32(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// OTPAuth is the address by which authenticator apps take a secret, in the form
// they agree on (Key Uri Format of Google Authenticator): the issuer stands before the
// account and again as a parameter, and neither may hold a colon. Numbers that
// are the defaults are written out for apps that do not know them.
func OTPAuth(issuer, userID string, secret []byte) string {
	escape := func(s string) string {
		return strings.ReplaceAll(url.QueryEscape(strings.ReplaceAll(s, ":", " ")), "+", "%20")
	}
	return "otpauth://totp/" + escape(issuer) + ":" + escape(userID) +
		"?secret=" + Base32(secret) + "&issuer=" + escape(issuer) + "&algorithm=SHA1&digits=6&period=30"
}
