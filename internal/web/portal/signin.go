package portal

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

func (p *Portal) signinRoutes() []Route {
	return []Route{
		{"GET /signin", p.getSignIn},
		{"POST /signin", p.postSignIn},
		{"GET /signin/password", p.getSignInPassword},
		{"POST /signin/password", p.postSignInPassword},
		{"GET /signin/pass", p.getSignInPass},
		{"POST /signin/pass", p.postSignInPass},
		{"GET /signin/provider", p.getSignInProvider},
		{"POST /signin/provider", p.postSignInProvider},
		{"GET " + provider.ReturnPath + "{organization}", p.getFromProvider},
		{"GET /signin/verify", p.getSignInVerify},
		{"POST /signin/verify", p.postSignInVerify},
		{"GET /accounts", p.getAccounts},
		{"POST /accounts", p.postAccounts},
		{"POST /signout", p.postSignOut},
		{"GET " + leftPath, p.getLeft},
		{"GET " + provider.LeftPath + "{organization}", p.getOutAtProvider},
		{"GET /interrupt", p.getInterrupt},
		{"POST /interrupt", p.postInterrupt},
		{"GET /password", p.getPassword},
		{"POST /password", p.postPassword},
	}
}

// signinCookie keeps who signs in until the password comes, sealed.
const signinCookie = "kunci-signin"

// setSession gives the browser its token. The cookie lives as long as the
// browser runs: how long a session lives is the server's to say.
func (p *Portal) setSession(w http.ResponseWriter, token string) {
	p.setCookie(w, sessionCookie, token, 0)
}

// signinPage asks who signs in.
type signinPage struct {
	page.Base
	Typed, Next string
	Picker      bool // the browser remembers accounts to choose from
	Passkey     page.Passkey
}

func (p *Portal) signinPage(r *http.Request, typed, next string) *signinPage {
	known, err := p.SignIn.Picker(r.Context(), p.cookie(r, sessionCookie))
	if err != nil {
		p.Log.Warn("the accounts of a browser cannot be listed", "error", err)
	}
	greeting, err := p.SignIn.Greeting(p.cookie(r, VisitCookie))
	if err != nil {
		p.Log.Warn("a passkey cannot be asked for", "error", err)
	}
	return &signinPage{
		Passkey: page.Passkey{Options: greeting, Secondary: true},
		Base:    page.Base{Name: "signin", Title: "signin.title", Brand: page.BrandOf(p.onlyOrg(r.Context()))},
		Typed:   typed, Next: nextPath(next), Picker: len(known) > 0,
	}
}

// getSignIn plants the visit's cookie, so that the next page finds out whether
// the browser keeps any.
func (p *Portal) getSignIn(w http.ResponseWriter, r *http.Request) error {
	var err error
	visit := p.cookie(r, VisitCookie)
	if visit == "" {
		visit = cmp.Or(page.NewVisit(r), store.NewToken())
	}
	shown := p.signinPage(r, "", r.URL.Query().Get("next"))
	if shown.Passkey.Options, err = p.SignIn.Greeting(visit); err != nil {
		return err
	}
	if r.URL.Query().Has("again") {
		code := problem.Expired
		if p.cookie(r, VisitCookie) == "" {
			code = problem.Cookies
		}
		shown.Refuse(problem.New(code), page.Lang(r))
	}
	p.setCookie(w, VisitCookie, visit, time.Hour)
	return p.Pages.Write(w, r, http.StatusOK, "signin", shown)
}

func (p *Portal) postSignIn(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	if _, ok := form["code"]; ok {
		return p.postPasskey(w, r, form)
	}
	err = p.toPassword(w, r, form["user_id"], nextPath(form["next"]))
	if refusal, ok := problem.As(err); ok {
		shown := p.signinPage(r, form["user_id"], form["next"])
		return p.refuse(w, r, "signin", shown, &shown.Base, refusal)
	}
	return err
}

// toPassword begins a sign-in and goes to its password, whoever it is.
func (p *Portal) toPassword(w http.ResponseWriter, r *http.Request, userID, next string) error {
	kept, err := p.SignIn.Start(userID, next)
	if err != nil {
		return err
	}
	p.setCookie(w, signinCookie, kept, signin.PendingFor)
	return page.See(w, r, "/signin/password")
}

// signinPasswordPage asks for the password.
type signinPasswordPage struct {
	page.Base
	Forgot   bool   // somebody of the organization can reset
	Provider string // where people can sign in instead; empty: nowhere
	Again    bool   // the provider is to ask who it is
	Wrong    bool   // the password was, or the account is locked, which is not told
}

// pending opens the sign-in of the browser. The second result tells that the
// answer has been given: there is none any more.
func (p *Portal) pending(w http.ResponseWriter, r *http.Request) (signin.Pending, bool, error) {
	pending, err := p.SignIn.Pending(r.Context(), p.cookie(r, signinCookie))
	if problem.Has(err, problem.Expired) {
		return pending, true, page.See(w, r, "/signin?again")
	}
	return pending, err != nil, err
}

func (p *Portal) signinPasswordPage(r *http.Request, pending signin.Pending) *signinPasswordPage {
	o := pending.Org
	if o == nil {
		o = p.onlyOrg(r.Context())
	}
	return &signinPasswordPage{
		Base: page.Base{
			Name: "signin-password", Title: "signin.password.title", Brand: page.BrandOf(o), UserID: pending.UserID,
			BackTo: withNext("/signin", pending.Next),
		},
		Forgot: o != nil && o.Policy.Reset.Scope != org.ScopeNone, Provider: providerOf(pending),
	}
}

func (p *Portal) getSignInPassword(w http.ResponseWriter, r *http.Request) error {
	pending, answered, err := p.pending(w, r)
	if answered || err != nil {
		return err
	}
	shown := p.signinPasswordPage(r, pending)
	refused := sayRefused(r, pending.Org, &shown.Base)
	shown.Again = refused == problem.ProviderOther || refused == problem.ProviderTaken
	return p.Pages.Write(w, r, http.StatusOK, "signin_password", shown)
}

func (p *Portal) postSignInPassword(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	pending, answered, err := p.pending(w, r)
	if answered || err != nil {
		return err
	}
	in, err := p.SignIn.Password(r.Context(), page.Actor(r), p.cookie(r, sessionCookie), pending, form["password"])
	if err != nil {
		shown := p.signinPasswordPage(r, pending)
		shown.Wrong = problem.Has(err, problem.SignInWrong)
		return p.refuseStep(w, r, "signin_password", shown, &shown.Base, err)
	}
	return p.signedIn(w, r, in, pending.Next)
}

// signedIn is how every way in ends: the browser gets its session, forgets who
// was about to sign in, and goes on.
func (p *Portal) signedIn(w http.ResponseWriter, r *http.Request, in signin.In, next string) error {
	p.setSession(w, in.Token)
	p.setCookie(w, signinCookie, "", -time.Second)
	return page.See(w, r, onward(in.Step, next))
}

// refuseStep shows a refusal on its page, those of what is underneath too: the
// directory does not answer, too much is asked at once. Other errors are ours.
func (p *Portal) refuseStep(w http.ResponseWriter, r *http.Request, template string, view page.Page, base *page.Base, err error) error {
	var refusal *problem.Error
	if !errors.As(err, &refusal) {
		return err
	}
	if refusal.Cause != nil {
		p.Log.Warn("a sign-in page was refused", "code", string(refusal.Code), "correlation", page.Correlation(r), "error", err)
	}
	return p.refuse(w, r, template, view, base, refusal)
}

// onward is the page of a step; where everything is done it is the page that
// was asked for.
func onward(step signin.Step, next string) string {
	next = nextPath(next)
	switch step {
	case signin.StepVerify:
		return withNext("/signin/verify", next)
	case signin.StepPassword:
		return "/password"
	case signin.StepInterrupt:
		return withNext("/interrupt", next)
	}
	if next == "" || next == "/interrupt" {
		return "/security-info"
	}
	return next
}

func withNext(path, next string) string {
	if next = nextPath(next); next == "" {
		return path
	}
	return path + "?" + url.Values{"next": {next}}.Encode()
}
