package portal

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/web/page"
)

// providerCookie binds a sign-in at an identity provider to its browser.
const providerCookie = "kunci-provider"

// signinProviderPage is what a browser shows for the moment until it is at the
// provider. A form's redirect may not lead to another site (our own policy for
// forms forbids it), and a page may.
type signinProviderPage struct {
	page.Base
	Provider, Address string
}

// postSignInProvider begins: a sign-in, or a proof once more.
func (p *Portal) postSignInProvider(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	if hasField(form, "stepup") {
		return p.provideAgain(w, r, form["next"])
	}
	pending, answered, err := p.pending(w, r)
	if answered || err != nil {
		return err
	}
	kept, err := p.SignIn.ToProvider(r.Context(), page.Actor(r), pending, form["again"] != "")
	if err != nil {
		shown := p.signinPasswordPage(r, pending)
		return p.refuseStep(w, r, "signin_password", shown, &shown.Base, err)
	}
	p.setCookie(w, providerCookie, kept, provider.For)
	return page.See(w, r, "/signin/provider")
}

func (p *Portal) provideAgain(w http.ResponseWriter, r *http.Request, next string) error {
	token := p.cookie(r, sessionCookie)
	kept, err := p.SignIn.ToProviderAgain(r.Context(), token, nextPath(next))
	if problem.Has(err, problem.SignedOut) {
		return page.See(w, r, withNext("/signin", next))
	}
	if err != nil {
		v, failed := p.SignIn.Verification(r.Context(), token, "")
		if failed != nil {
			return failed
		}
		shown := p.signinVerifyPage(v, next, false)
		return p.refuseStep(w, r, "signin_verify", shown, &shown.Base, err)
	}
	p.setCookie(w, providerCookie, kept, provider.For)
	return page.See(w, r, "/signin/provider")
}

// getSignInProvider sends the browser on. It changes nothing and may be asked for
// again.
func (p *Portal) getSignInProvider(w http.ResponseWriter, r *http.Request) error {
	at, err := p.SignIn.AtProvider(r.Context(), p.cookie(r, providerCookie))
	if problem.Has(err, problem.Expired) {
		return p.noLongerThere(w, r)
	}
	if problem.Has(err, problem.ProviderUnavailable) {
		return p.notThere(w, r, at.StepUp, at.Next, err)
	}
	if err != nil {
		return err
	}
	shown := &signinProviderPage{
		Base:     page.Base{Name: "signin-provider", Title: "signin.provider.title", Brand: page.BrandOf(at.Org), UserID: at.UserID},
		Provider: at.Org.IdentityProvider.Name, Address: at.Address,
	}
	w.Header().Set("Refresh", "0; url="+at.Address)
	return p.Pages.Write(w, r, http.StatusOK, "signin_provider", shown)
}

// getFromProvider takes what the provider sends a browser back with. It counts in
// the browser that asked, once; a program that opens links has no part in it. The
// answer is a redirect, so that the code stays in no history.
func (p *Portal) getFromProvider(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return problem.New(problem.WrongMethod)
	}
	back, err := provider.ReadBack(r.URL.Query())
	if err != nil {
		return err
	}
	in, ask, err := p.SignIn.FromProvider(r.Context(), page.Actor(r), p.cookie(r, sessionCookie), p.cookie(r, providerCookie), r.PathValue("organization"), back)
	switch {
	case problem.Has(err, problem.Expired):
		return p.noLongerThere(w, r)
	case problem.Has(err, problem.SignedOut):
		return page.See(w, r, withNext("/signin", ask.Next))
	}
	if refusal, ok := problem.As(err); ok {
		p.Log.Warn("a sign-in at the identity provider was refused", "code", string(refusal.Code), "why", provider.Why(err), "correlation", page.Correlation(r))
		p.setCookie(w, providerCookie, "", -time.Second)
		return p.notThere(w, r, ask.SessionID != "", ask.Next, err)
	}
	if err != nil {
		return err
	}
	p.setCookie(w, providerCookie, "", -time.Second)
	return p.signedIn(w, r, in, ask.Next)
}

// noLongerThere leads on where nothing waits for a provider's answer: it was given
// before, another browser asked, or it took too long.
func (p *Portal) noLongerThere(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.SignIn.Pending(r.Context(), p.cookie(r, signinCookie)); err == nil {
		return page.See(w, r, "/signin/password?"+url.Values{"refused": {string(problem.Expired)}}.Encode())
	}
	if home := p.Home(r); home != "/signin" {
		return page.See(w, r, home)
	}
	return page.See(w, r, "/signin?again")
}

// notThere leads back to the page that people came from, which says what happened.
func (p *Portal) notThere(w http.ResponseWriter, r *http.Request, stepUp bool, next string, err error) error {
	refusal, ok := problem.As(err)
	if !ok {
		return err
	}
	query, path := url.Values{"refused": {string(refusal.Code)}}, "/signin/password"
	if stepUp {
		path = "/signin/verify"
		if next = nextPath(next); next != "" {
			query.Set("next", next)
		}
	}
	return page.See(w, r, path+"?"+query.Encode())
}

// refusedThere are the refusals that an address may have a page say.
var refusedThere = []problem.Code{
	problem.ProviderUnavailable, problem.ProviderRefused, problem.ProviderInvalid, problem.ProviderUnknown, problem.ProviderOther,
	problem.ProviderTaken, problem.ProviderOld, problem.SignInLocked, problem.Disabled, problem.Expired, problem.MethodNotAllowed,
	problem.DirectoryUnavailable, problem.DirectoryRefused,
}

// sayRefused has a page say what became of going to the provider.
func sayRefused(r *http.Request, o *org.Organization, base *page.Base) problem.Code {
	code := problem.Code(r.URL.Query().Get("refused"))
	if o == nil || !o.IdentityProvider.On() || !slices.Contains(refusedThere, code) {
		return ""
	}
	base.Refuse(problem.New(code, "name", o.IdentityProvider.Name, "org", o.Name), page.Lang(r))
	return code
}

// providerOf is what the button of a sign-in's provider says; empty: there is none.
func providerOf(pending signin.Pending) string {
	if pending.Org == nil || !pending.Org.IdentityProvider.On() {
		return ""
	}
	return pending.Org.IdentityProvider.Name
}
