package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// passkeySays are the sentences of refusals that for other kinds speak of codes.
var passkeySays = map[problem.Code]string{
	problem.CodeWrong: "passkey.refused", problem.CodeUsed: "passkey.refused",
	problem.CodeExpired: "passkey.expired", problem.CodeFormat: "passkey.nothing", problem.Required: "passkey.nothing",
}

// refuseProof is refuse for the answer to a challenge: what is said about a
// passkey does not speak of digits.
func (p *Portal) refuseProof(w http.ResponseWriter, r *http.Request, template string, view page.Page, base *page.Base, refusal *problem.Error, kind method.Kind) error {
	base.Refuse(refusal, page.Lang(r))
	if says := passkeySays[refusal.Code]; kind == method.Passkey && says != "" {
		base.Alert.Text = printerOf(r).T(says)
	}
	return p.refused(w, r, template, view, refusal)
}
