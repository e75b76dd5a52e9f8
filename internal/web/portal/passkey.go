package portal

import (
	"errors"
	"net/http"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// pushSays are those of a request on a device.
var pushSays = map[problem.Code]string{
	problem.CodeWrong: "push.wrong", problem.CodeExpired: "push.expired", problem.CodeFormat: "push.format", problem.Required: "push.format",
	problem.MethodDuplicate: "push.duplicate",
}

// proofSays gives what is said to a refusal of a kind instead of its own
// sentence; empty: its own fits.
func proofSays(k method.Kind, code problem.Code) string {
	switch k {
	case method.Passkey:
		return passkeySays[code]
	case method.AuthenticatorPush:
		return pushSays[code]
	}
	return ""
}

// passkeySays are the sentences of refusals that for other kinds speak of codes.
var passkeySays = map[problem.Code]string{
	problem.CodeWrong: "passkey.refused", problem.CodeUsed: "passkey.refused",
	problem.CodeExpired: "passkey.expired", problem.CodeFormat: "passkey.nothing", problem.Required: "passkey.nothing",
}

// refuseProof is refuse for the answer to a challenge: what is said about a
// passkey does not speak of digits.
func (p *Portal) refuseProof(w http.ResponseWriter, r *http.Request, template string, view page.Page, base *page.Base, refusal *problem.Error, kind method.Kind) error {
	base.Refuse(refusal, page.Lang(r))
	if says := proofSays(kind, refusal.Code); says != "" && !page.LastTry(refusal, printerOf(r)) {
		base.Alert.Text = printerOf(r).T(says)
	}
	return p.refused(w, r, template, view, refusal)
}

// refuseFactor is refuseStep for the answer to a second factor.
func (p *Portal) refuseFactor(w http.ResponseWriter, r *http.Request, view *signinVerifyPage, kind method.Kind, err error) error {
	if refusal := (*problem.Error)(nil); errors.As(err, &refusal) && proofSays(kind, refusal.Code) != "" {
		return p.refuseProof(w, r, "signin_verify", view, &view.Base, refusal, kind)
	}
	return p.refuseStep(w, r, "signin_verify", view, &view.Base, err)
}

// postPasskey signs in by passkey alone.
func (p *Portal) postPasskey(w http.ResponseWriter, r *http.Request, form page.Form) error {
	in, err := p.SignIn.Passkey(r.Context(), page.Actor(r), p.cookie(r, sessionCookie), p.cookie(r, VisitCookie), form["code"])
	if err == nil {
		return p.signedIn(w, r, in, form["next"])
	}
	shown := p.signinPage(r, "", form["next"])
	refusal := (*problem.Error)(nil)
	if !errors.As(err, &refusal) || passkeySays[refusal.Code] == "" {
		return p.refuseStep(w, r, "signin", shown, &shown.Base, err)
	}
	refusal.Field = "code"
	shown.Refuse(refusal, page.Lang(r))
	says := "passkey.signin.refused"
	if refusal.Code == problem.CodeExpired {
		says = passkeySays[refusal.Code]
	}
	shown.Alert.Text = printerOf(r).T(says)
	return p.refused(w, r, "signin", shown, refusal)
}
