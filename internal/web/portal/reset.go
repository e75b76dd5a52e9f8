package portal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

func (p *Portal) resetRoutes() []Route {
	return []Route{
		{"GET /logo/{org}", p.logo},
		{"GET /brand/{file}", p.brandStyle},
		{"GET /unsupported-browser", p.getUnsupported},
		{"GET /reset", p.getReset},
		{"POST /reset", p.postReset},
		{"GET /reset/verify", p.getVerify},
		{"POST /reset/verify", p.postVerify},
		{"GET /reset/password", p.getNewPassword},
		{"POST /reset/password", p.postNewPassword},
		{"GET /reset/done", p.getDone},
		{"GET /reset/problem", p.getProblem},
		{"GET /reset/contact", p.getContact},
		{"POST /reset/contact", p.postContact},
		{"GET " + reset.DisputePath + "{token}", p.getDispute},
		{"POST " + reset.DisputePath + "{token}", p.postDispute},
	}
}

// identifyPage asks who somebody is and why they cannot sign in.
type identifyPage struct {
	page.Base
	Typed   string
	Reason  string
	Reasons []string
	// Altcha is the proof of work to do, as JSON; Wait is sent where no script runs.
	Altcha, Wait string
	WaitSeconds  int
}

var reasons = []string{string(reset.Forgot), string(reset.NeverReceived), string(reset.Locked)}

func (p *Portal) identify(o *org.Organization, typed, reason string) *identifyPage {
	if reason == "" {
		reason = string(reset.Forgot)
	}
	return &identifyPage{
		Base:  page.Base{Name: "reset-identify", Title: "reset.identify.title", Brand: page.BrandOf(o)},
		Typed: typed, Reason: reason, Reasons: reasons,
	}
}

// getReset also plants a cookie, so that the next step finds out at once, and
// not at the end, whether the browser keeps any.
func (p *Portal) getReset(w http.ResponseWriter, r *http.Request) error {
	visit := p.cookie(r, VisitCookie)
	if visit == "" {
		visit = cmp.Or(page.NewVisit(r), store.NewToken())
	}
	p.setCookie(w, VisitCookie, visit, time.Hour)
	userID := r.URL.Query().Get("user_id")
	if len(userID) > 320 {
		userID = ""
	}
	if pending, err := p.SignIn.Pending(r.Context(), p.cookie(r, signinCookie)); err == nil && userID == "" {
		userID = pending.UserID // they come from the page that asked for their password
	}
	o := p.onlyOrg(r.Context())
	view := p.identify(o, userID, r.URL.Query().Get("reason"))
	if userID == "" && r.URL.RawQuery == "" {
		version := ""
		if o != nil {
			version = fmt.Sprint(o.ID, " ", o.Version)
		}
		return p.Pages.WriteSame(w, r, "reset_identify", version, view)
	}
	return p.Pages.Write(w, r, http.StatusOK, "reset_identify", view)
}

func (p *Portal) postReset(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	if p.cookie(r, VisitCookie) == "" {
		return page.See(w, r, "/reset/problem")
	}
	refused, err := p.captcha(r, form)
	if err != nil {
		return err
	}
	if refused != nil {
		return p.askForWork(w, r, form, refused)
	}
	flow, token, err := p.Reset.Start(r.Context(), page.Actor(r), reset.StartInput{
		UserID: form["user_id"], Reason: reset.Reason(form["reason"]), Lang: page.Lang(r), Instead: p.cookie(r, resetCookie),
	})
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view := p.identify(p.onlyOrg(r.Context()), form["user_id"], form["reason"])
		return p.refuse(w, r, "reset_identify", view, &view.Base, refusal)
	}
	if err != nil {
		return p.failed(w, r, err)
	}
	p.setCookie(w, resetCookie, token, reset.Life)
	// Where a flow begins needs no look at it: that would take longer for some.
	return page.See(w, r, reset.Next(flow, 0, 0).Path)
}

// captcha counts a start and gives the refusal when a proof is needed and missing.
// A form without a user ID starts nothing, and hears that first.
func (p *Portal) captcha(r *http.Request, form page.Form) (refused *problem.Error, err error) {
	if directory.NormalizeUserID(form["user_id"]) == "" {
		return nil, nil
	}
	err = p.DB.Write(r.Context(), func(tx *store.Tx) error {
		refused = nil
		o, err := p.Orgs.ForUserID(r.Context(), tx, form["user_id"])
		if err != nil && !problem.Has(err, problem.NotFound) {
			return err
		}
		needed, err := p.Captcha.Needed(r.Context(), tx, o, page.Address(r))
		if err != nil || !needed {
			return err
		}
		err = p.Captcha.Verify(r.Context(), tx, form["altcha"])
		if found, ok := problem.As(err); ok {
			refused = found // a refusal commits: its count must survive
			return nil
		}
		return err
	})
	return refused, err
}

func (p *Portal) askForWork(w http.ResponseWriter, r *http.Request, form page.Form, refused *problem.Error) error {
	challenge, err := p.Captcha.Challenge(p.DB.Now())
	if err != nil {
		return err
	}
	text, err := json.Marshal(challenge)
	if err != nil {
		return err
	}
	view := p.identify(p.onlyOrg(r.Context()), form["user_id"], form["reason"])
	view.Altcha, view.Wait, view.WaitSeconds = string(text), challenge.Wait, int(captcha.Wait.Seconds())
	if refused.RetryAfter > 0 {
		view.Wait = form["altcha"] // go on waiting for the one that runs
		view.WaitSeconds = int(refused.RetryAfter.Seconds()) + 1
	}
	refused.RetryAfter = 0 // the page says it in seconds
	return p.refuse(w, r, "reset_identify", view, &view.Base, refused)
}

// refuse answers with the same page and the refusal in place.
func (p *Portal) refuse(w http.ResponseWriter, r *http.Request, template string, view page.Page, base *page.Base, refusal *problem.Error) error {
	base.Refuse(refusal, page.Lang(r))
	return p.refused(w, r, template, view, refusal)
}

func (p *Portal) refused(w http.ResponseWriter, r *http.Request, template string, view page.Page, refusal *problem.Error) error {
	status := refusal.Code.Status()
	if status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge {
		status = http.StatusUnprocessableEntity
	}
	page.RetryAfter(w, refusal.RetryAfter)
	return p.Pages.Write(w, r, status, template, view)
}

// pathOf is the page where a flow stands.
func (p *Portal) pathOf(r *http.Request, flow reset.Flow) string {
	view, err := p.Reset.View(r.Context(), flow)
	if err != nil {
		return "/reset/problem?why=" + string(whyOf(err))
	}
	return view.Step.Path
}

// faults are the refusals of things underneath. They are shown on the page of
// dead ends, and the flow stands where it stood.
var faults = []problem.Code{problem.DirectoryUnavailable, problem.DirectoryRefused, problem.Busy}

func whyOf(err error) problem.Code {
	for _, code := range faults {
		if problem.Has(err, code) {
			return code
		}
	}
	return problem.Unavailable
}

// failed shows a fault underneath as a dead end; any other error is ours.
func (p *Portal) failed(w http.ResponseWriter, r *http.Request, err error) error {
	for _, code := range []problem.Code{problem.DirectoryUnavailable, problem.DirectoryRefused} {
		if problem.Has(err, code) {
			p.Log.Warn("the directory did not do it", "correlation", page.Correlation(r), "error", err)
			return page.See(w, r, "/reset/problem?why="+string(code))
		}
	}
	return err
}

// flow opens the flow of the browser. The second result tells that the answer
// has been given: there is none, or it is over.
func (p *Portal) flow(w http.ResponseWriter, r *http.Request) (reset.Flow, bool, error) {
	flow, err := p.Reset.Open(r.Context(), p.cookie(r, resetCookie))
	if problem.Has(err, problem.Cookies) || problem.Has(err, problem.Expired) {
		return flow, true, page.See(w, r, "/reset/problem")
	}
	return flow, err != nil, err
}

// view opens the flow and what its page shows; a page that is not the flow's
// own sends to the one that is.
func (p *Portal) view(w http.ResponseWriter, r *http.Request) (reset.View, bool, error) {
	flow, answered, err := p.flow(w, r)
	if answered || err != nil {
		return reset.View{}, true, err
	}
	return p.viewOf(w, r, flow)
}

func (p *Portal) viewOf(w http.ResponseWriter, r *http.Request, flow reset.Flow) (reset.View, bool, error) {
	view, err := p.Reset.View(r.Context(), flow)
	if err != nil {
		return reset.View{}, true, p.failed(w, r, err)
	}
	if view.Step.Path != r.URL.Path {
		return view, true, page.See(w, r, view.Step.Path)
	}
	return view, false, nil
}

func baseOf(v reset.View, name, title string) page.Base {
	return page.Base{Name: name, Title: title, Brand: page.BrandOf(v.Org), UserID: v.Flow.UserID, BackTo: "/reset"}
}

func orgName(o *org.Organization) string {
	if o == nil {
		return "Kunci"
	}
	return o.Name
}
