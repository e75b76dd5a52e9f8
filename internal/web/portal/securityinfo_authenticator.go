package portal

import (
	"html/template"
	"net/http"
	"strings"

	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

// authenticatorPage shows the secret for an app, then asks for a code.
type authenticatorPage struct {
	addForm
	QR     QRCode
	Secret string
	// Link opens an app on the same device. It is ours alone: its parts are escaped
	// by securityinfo.OTPAuth.
	Link   template.URL
	Issuer string
}

func showAuthenticator(_ *Portal, _ *http.Request, s adding) (string, page.Page, *page.Base, error) {
	if s.pending == nil {
		shown := &authenticatorPage{addForm: s.form("title")}
		return "securityinfo_authenticator", shown, &shown.Base, nil
	}
	secret := s.pending.Method.Secret
	address := securityinfo.OTPAuth(s.v.Org.Name, s.v.Account.Entry.UserID, secret)
	code, err := drawQR(address)
	shown := &authenticatorPage{
		addForm: s.form("verify.title"), QR: code, Secret: fours(securityinfo.Base32(secret)), Link: template.URL(address), //nolint:gosec // built of escaped parts
		Issuer: s.v.Org.Name,
	}
	return "securityinfo_authenticator", shown, &shown.Base, err
}

// fours writes a secret in groups, as people can type it.
func fours(s string) string {
	var groups []string
	for len(s) > 4 {
		groups, s = append(groups, s[:4]), s[4:]
	}
	return strings.Join(append(groups, s), " ")
}
