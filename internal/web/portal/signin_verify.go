package portal

import (
	"net/http"
	"net/url"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/web/page"
)

// signinVerifyPage asks for the second factor, or to choose one.
type signinVerifyPage struct {
	page.Base
	Next    string
	StepUp  bool
	Choose  bool
	Choices []factorLine
	Chosen  factorLine
	Several bool
	delivery
	pushWait
	Numeric         bool // the code is digits
	Digits, Minutes int
	ByPassword      bool
	Unsent          bool // a factor is left, but nothing can be sent to it here
	OnPass          bool // a pass is what let the person in
	Passkey         page.Passkey
	OnlyProvider    bool
	Provider        string // where it can be proved instead; empty: nowhere
}

// factorLine is a method as it is shown.
type factorLine struct {
	ID     string
	Kind   method.Kind
	Name   string
	Masked string
}

func lineOf(m method.Method) factorLine { return factorLine{m.ID, m.Kind, m.Name, m.Masked()} }

func linesOf(all []method.Method) []factorLine {
	lines := make([]factorLine, len(all))
	for i, m := range all {
		lines[i] = lineOf(m)
	}
	return lines
}

func (p *Portal) signinVerifyPage(v signin.Verification, next string, choose bool) *signinVerifyPage {
	shown := &signinVerifyPage{
		Base: page.Base{Name: "signin-verify", Title: "signin.verify.title", Brand: page.BrandOf(v.Signed.Org), UserID: v.Signed.Account.Entry.UserID},
		Next: nextPath(next), StepUp: v.StepUp, ByPassword: v.ByPassword, OnPass: v.Signed.OnPass(), Provider: v.Provider, Choices: linesOf(v.Choices), Several: len(v.Choices) > 1,
	}
	switch {
	case v.ByPassword:
		shown.Title = "signin.verify.password.title"
	case len(v.Choices) == 0 && v.Provider != "" && !v.Signed.HasFactor():
		shown.OnlyProvider = true
	case len(v.Choices) == 0 && shown.OnPass:
		shown.Title = "signin.verify.pass.title"
	case len(v.Choices) == 0:
		shown.Title, shown.Unsent = "signin.verify.stuck.title", v.Unsent
	case choose && shown.Several:
		shown.Choose, shown.Title = true, "reset.choose.title"
	default:
		shown.Chosen, shown.About = lineOf(v.Chosen), helpFor(v.Chosen.Kind)
		shown.Passkey.Options = v.Options
		shown.Title = "reset.verify.title." + string(v.Chosen.Kind)
		shown.delivery = deliveryOf(v.Signed.Org, v.Chosen.Kind, v.Chosen.Masked(), v.Challenge, v.Progress, p.DB.Now())
		shown.pushWait = p.pushWait(v.Chosen.Kind, v.Number, v.Answered)
		shown.Numeric, shown.Digits, shown.Minutes = numeric(v.Chosen.Kind), v.Chosen.OATH.Digits, v.Challenge.MinutesLeft(p.DB.Now(), v.Signed.Org.Policy.Codes.Minutes)
		if shown.Sends {
			shown.Digits = v.Signed.Org.Policy.Codes.Digits
		}
	}
	return shown
}

func (p *Portal) getSignInVerify(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	v, err := p.SignIn.Verification(r.Context(), p.cookie(r, sessionCookie), query.Get("method"))
	if problem.Has(err, problem.SignedOut) {
		return page.See(w, r, withNext("/signin", query.Get("next")))
	}
	if err != nil {
		return err
	}
	shown := p.signinVerifyPage(v, query.Get("next"), query.Has("other"))
	sayRefused(r, v.Signed.Org, &shown.Base)
	return p.Pages.Write(w, r, http.StatusOK, "signin_verify", shown)
}

func (p *Portal) postSignInVerify(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	token, next := p.cookie(r, sessionCookie), form["next"]
	reply, to, err := p.verifyFactor(r, token, form)
	if problem.Has(err, problem.SignedOut) {
		// Perhaps the same form was sent twice and the first one let the person in:
		// the browser's newest cookie says so there.
		return page.See(w, r, "/")
	}
	if err == nil && reply.Code == "" {
		if reply.Token != "" {
			p.setSession(w, reply.Token)
			to = onward(reply.Step, next)
		}
		return page.See(w, r, to)
	}
	v, failed := p.SignIn.Verification(r.Context(), token, form["method"])
	if problem.Has(failed, problem.SignedOut) {
		return page.See(w, r, withNext("/signin", next))
	}
	if failed != nil {
		return failed
	}
	shown := p.signinVerifyPage(v, next, false)
	if err == nil {
		err = problem.New(reply.Code).On("code").After(reply.RetryAfter)
		if reply.Code == problem.CodeWrong && reply.Left > 0 && reply.Left < 3 {
			shown.Notice, shown.NoticeArgs = "reset.verify.left", []any{"count", reply.Left}
		}
	}
	return p.refuseFactor(w, r, shown, v.Chosen.Kind, err)
}

// verifyFactor does what the form asks for. Choosing a factor leads back to the
// page, with the factor in its address.
func (p *Portal) verifyFactor(r *http.Request, token string, form page.Form) (reply signin.Reply, to string, err error) {
	by, chosen := page.Actor(r), form["method"]
	switch {
	case form["action"] == "send" || form["action"] == "resend":
		reply, err = p.SignIn.SendBy(r.Context(), by, token, chosen, page.Lang(r), channelOf(form))
		query := url.Values{"method": {chosen}}
		if next := nextPath(form["next"]); next != "" {
			query.Set("next", next)
		}
		return reply, "/signin/verify?" + query.Encode(), err
	case form["action"] == "continue":
		reply, err = p.SignIn.Collect(r.Context(), by, token, chosen)
		return reply, "", err
	case hasField(form, "password"):
		reply, err = p.SignIn.PasswordAgain(r.Context(), by, token, form["password"])
		return reply, "", err
	case form["code"] == "":
		return signin.Reply{}, "", problem.New(problem.Required).On("code")
	case chosen == "":
		v, err := p.SignIn.Verification(r.Context(), token, "")
		if err != nil {
			return signin.Reply{}, "", err
		}
		chosen = v.Chosen.ID
	}
	reply, err = p.SignIn.Answer(r.Context(), by, token, chosen, form["code"])
	return reply, "", err
}

func hasField(form page.Form, name string) bool {
	_, ok := form[name]
	return ok
}
