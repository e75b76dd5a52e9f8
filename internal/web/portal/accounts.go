package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/web/page"
)

// accountsPage lets one choose among the accounts of this browser.
type accountsPage struct {
	page.Base
	Accounts []session.Account
}

func (p *Portal) getAccounts(w http.ResponseWriter, r *http.Request) error {
	all, err := p.SignIn.Picker(r.Context(), p.cookie(r, sessionCookie))
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return page.See(w, r, "/signin")
	}
	return p.Pages.Write(w, r, http.StatusOK, "accounts", &accountsPage{
		Base:     page.Base{Name: "accounts", Title: "accounts.title", Brand: page.BrandOf(p.onlyOrg(r.Context()))},
		Accounts: all,
	})
}

func (p *Portal) postAccounts(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	token := p.cookie(r, sessionCookie)
	switch {
	case form["forget"] != "":
		err = p.SignIn.Forget(r.Context(), page.Actor(r), token, form["forget"])
		if err == nil || gone(err) {
			return page.See(w, r, "/accounts")
		}
		return err
	case form["account"] == "":
		return page.See(w, r, "/signin")
	}
	fresh, userID, err := p.SignIn.Pick(r.Context(), token, form["account"])
	switch {
	case gone(err):
		return page.See(w, r, "/accounts")
	case err != nil:
		return err
	case userID != "":
		return p.toPassword(w, r, userID, "")
	}
	p.setSession(w, fresh)
	return page.See(w, r, "/security-info")
}

// gone tells that the browser does not know the account, perhaps not any more.
func gone(err error) bool {
	return problem.Has(err, problem.NotFound) || problem.Has(err, problem.SignedOut)
}

// postSignOut ends the session and has the browser drop what it kept of our
// pages. Its cookies and its storage stay: the first hold the other accounts of
// this browser, the second a device's approval of sign-ins, and neither opens
// anything that was signed out.
func (p *Portal) postSignOut(w http.ResponseWriter, r *http.Request) error {
	if _, err := page.ReadForm(r); err != nil {
		return err
	}
	out, err := p.SignIn.SignOut(r.Context(), page.Actor(r), p.cookie(r, sessionCookie))
	if err != nil {
		return err
	}
	if out.Token != "" {
		p.setSession(w, out.Token)
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	if out.AtProvider != "" {
		p.setCookie(w, leftCookie, out.AtProvider, provider.LeaveFor)
		return page.See(w, r, leftPath)
	}
	return page.See(w, r, "/signin")
}
