package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/web/page"
)

// passkeyPage says what a passkey is, then lets the browser make one.
type passkeyPage struct {
	addForm
	Passkey page.Passkey
}

func showPasskey(_ *Portal, _ *http.Request, s adding) (string, page.Page, *page.Base, error) {
	if s.pending != nil && s.pending.Options == "" {
		s.pending = nil // its challenge is gone: begin again
	}
	if s.pending == nil {
		shown := &passkeyPage{addForm: s.form("title")}
		return "securityinfo_passkey", shown, &shown.Base, nil
	}
	shown := &passkeyPage{addForm: s.form("verify.title"), Passkey: page.Passkey{Options: s.pending.Options, Make: true}}
	return "securityinfo_passkey", shown, &shown.Base, nil
}
