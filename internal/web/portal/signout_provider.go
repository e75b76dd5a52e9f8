package portal

import (
	"net/http"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

const (
	// leftCookie binds what is left to do at an identity provider to the browser of
	// somebody who signed out here.
	leftCookie = "kunci-left"
	leftPath   = "/signout/provider"
)

// signoutProviderPage says that the session here has ended, and what is with the one
// at the identity provider. Signing out there ends what people do elsewhere too, so
// that it is their own choice; the address is a link, since our policy for forms
// keeps them, and their redirects, on this site.
type signoutProviderPage struct {
	page.Base
	Provider string
	Address  string // empty: nobody can be signed out there from here
	Out      bool   // they were there, and came back
}

func signoutProvider(o *org.Organization, provider string) *signoutProviderPage {
	return &signoutProviderPage{
		Base:     page.Base{Name: "signout-provider", Title: "signout.provider.title", Brand: page.BrandOf(o)},
		Provider: provider,
	}
}

// getLeft offers to go on. It changes nothing and may be asked for again.
func (p *Portal) getLeft(w http.ResponseWriter, r *http.Request) error {
	left, err := p.SignIn.LeftAtProvider(r.Context(), p.cookie(r, leftCookie))
	if problem.Has(err, problem.Expired) {
		return page.See(w, r, "/signin")
	}
	if err != nil {
		return err
	}
	shown := signoutProvider(left.Org, left.Provider)
	shown.Address = left.Address
	return p.Pages.Write(w, r, http.StatusOK, "signout_provider", shown)
}

// getOutAtProvider is where a provider sends people back to who signed out there.
// Whoever comes without having gone is led to the first page.
func (p *Portal) getOutAtProvider(w http.ResponseWriter, r *http.Request) error {
	states := r.URL.Query()["state"]
	if len(states) != 1 {
		return page.See(w, r, "/signin")
	}
	o, err := p.SignIn.OutAtProvider(r.Context(), p.cookie(r, leftCookie), r.PathValue("organization"), states[0])
	if problem.Has(err, problem.Expired) {
		return page.See(w, r, "/signin")
	}
	if err != nil {
		return err
	}
	p.setCookie(w, leftCookie, "", -time.Second)
	shown := signoutProvider(o, o.IdentityProvider.Name)
	shown.Out = true
	return p.Pages.Write(w, r, http.StatusOK, "signout_provider", shown)
}
