package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/web/page"
)

// signinPassPage asks for a Temporary Access Pass instead of the password. It is
// there for everybody: who has one, it does not tell.
type signinPassPage struct {
	page.Base
}

func (p *Portal) signinPassPage(r *http.Request, pending signin.Pending) *signinPassPage {
	shown := &signinPassPage{p.signinPasswordPage(r, pending).Base}
	shown.Name, shown.Title = "signin-pass", "signin.pass.title"
	return shown
}

func (p *Portal) getSignInPass(w http.ResponseWriter, r *http.Request) error {
	pending, answered, err := p.pending(w, r)
	if answered || err != nil {
		return err
	}
	return p.Pages.Write(w, r, http.StatusOK, "signin_pass", p.signinPassPage(r, pending))
}

func (p *Portal) postSignInPass(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	pending, answered, err := p.pending(w, r)
	if answered || err != nil {
		return err
	}
	in, err := p.SignIn.Pass(r.Context(), page.Actor(r), p.cookie(r, sessionCookie), pending, form["pass"])
	if err != nil {
		shown := p.signinPassPage(r, pending)
		return p.refuseStep(w, r, "signin_pass", shown, &shown.Base, err)
	}
	return p.signedIn(w, r, in, pending.Next)
}
