package portal

import (
	"net/http"
	"slices"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/web/page"
)

func printerOf(r *http.Request) *i18n.Printer { return i18n.For(page.Lang(r)) }

// problemPage is a dead end, with the way out of it.
type problemPage struct {
	page.Base
	Org     string
	Wait    time.Duration
	Contact bool   // a request can be sent
	Again   string // where to try again, empty: nowhere
	Restart bool   // starting again helps
}

func (p *Portal) getProblem(w http.ResponseWriter, r *http.Request) error {
	flow, err := p.Reset.Open(r.Context(), p.cookie(r, resetCookie))
	if problem.Has(err, problem.Cookies) || problem.Has(err, problem.Expired) {
		return p.noFlow(w, r)
	}
	if err != nil {
		return err
	}
	code, again := flow.Problem, ""
	if flow.State != reset.Problem {
		why := problem.Code(r.URL.Query().Get("why"))
		if !slices.Contains(faults, why) {
			return page.See(w, r, p.pathOf(r, flow))
		}
		code, again = why, p.stepPath(r, flow)
	}
	view, err := p.Reset.View(r.Context(), flow)
	if err != nil {
		view.Flow = flow
	}
	shown := &problemPage{
		Base: baseOf(view, string(reset.PageProblem), "reset.problem."+string(code)+".title"), Org: orgName(view.Org),
		Wait: waitLeft(flow, p.DB.Now()), Again: again,
		Contact: !flow.Hidden() && flow.Contactable(),
		Restart: code == problem.Expired || code == problem.Blocked,
	}
	shown.Problem = string(code)
	page.RetryAfter(w, shown.Wait)
	status := http.StatusOK
	if code == problem.Blocked {
		status = http.StatusTooManyRequests
	}
	return p.Pages.Write(w, r, status, "reset_problem", shown)
}

// stepPath is where a flow goes on once the fault is over.
func (p *Portal) stepPath(r *http.Request, flow reset.Flow) string {
	if view, err := p.Reset.View(r.Context(), flow); err == nil {
		return view.Step.Path
	}
	if flow.State == reset.ChoosingPassword || flow.State == reset.Writing {
		return "/reset/password"
	}
	return "/reset/verify"
}

// noFlow tells a browser that keeps no cookies from one whose time is over.
func (p *Portal) noFlow(w http.ResponseWriter, r *http.Request) error {
	code := problem.Expired
	if p.cookie(r, VisitCookie) == "" {
		code = problem.Cookies
	}
	only := p.onlyOrg(r.Context())
	shown := &problemPage{
		Base: page.Base{Name: string(reset.PageProblem), Title: "reset.problem." + string(code) + ".title", Brand: page.BrandOf(only)},
		Org:  orgName(only), Restart: true,
	}
	shown.Problem = string(code)
	return p.Pages.Write(w, r, http.StatusOK, "reset_problem", shown)
}

// contactPage sends a request to whoever can help.
type contactPage struct {
	page.Base
	Org     string
	Message string
	Sent    bool
}

func (p *Portal) contact(w http.ResponseWriter, r *http.Request) (reset.View, *contactPage, error) {
	flow, answered, err := p.flow(w, r)
	if answered || err != nil {
		return reset.View{}, nil, err
	}
	view, err := p.Reset.View(r.Context(), flow)
	if err != nil {
		return reset.View{}, nil, p.failed(w, r, err)
	}
	if !flow.Contactable() {
		return reset.View{}, nil, page.See(w, r, view.Step.Path)
	}
	shown := &contactPage{Base: baseOf(view, "reset-contact", "reset.contact.title"), Org: orgName(view.Org)}
	shown.BackTo = "/reset/problem"
	if flow.Hidden() {
		shown.BackTo = view.Step.Path
	}
	return view, shown, nil
}

func (p *Portal) getContact(w http.ResponseWriter, r *http.Request) error {
	_, shown, err := p.contact(w, r)
	if shown == nil || err != nil {
		return err
	}
	if r.URL.Query().Has("sent") {
		shown.Name, shown.Title, shown.Sent = "reset-contact-sent", "reset.contact.sent.title", true
	}
	return p.Pages.Write(w, r, http.StatusOK, "reset_contact", shown)
}

func (p *Portal) postContact(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	view, shown, err := p.contact(w, r)
	if shown == nil || err != nil {
		return err
	}
	err = p.Reset.Contact(r.Context(), page.Actor(r), view.Flow, form["message"])
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		shown.Message = form["message"]
		return p.refuse(w, r, "reset_contact", shown, &shown.Base, refusal.On("message"))
	}
	if err != nil {
		return err
	}
	return page.See(w, r, "/reset/contact?sent")
}

// disputePage is behind the link "this wasn't me".
type disputePage struct {
	page.Base
	Org string

	Frozen bool
}

func (p *Portal) getDispute(w http.ResponseWriter, r *http.Request) error {
	found, err := p.Reset.Dispute(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return p.Pages.Write(w, r, http.StatusOK, "reset_dispute", p.disputePage(found))
}

func (p *Portal) disputePage(d reset.Dispute) *disputePage {
	shown := &disputePage{
		Base: page.Base{Name: "reset-dispute", Title: "reset.dispute.title", Brand: page.BrandOf(d.Org), UserID: d.UserID},
		Org:  orgName(d.Org), Frozen: !d.UsedAt.IsZero(),
	}
	if !d.UsedAt.IsZero() {
		shown.Name, shown.Title = "reset-dispute-done", "reset.dispute.done.title"
	}
	return shown
}

func (p *Portal) postDispute(w http.ResponseWriter, r *http.Request) error {
	if _, err := page.ReadForm(r); err != nil {
		return err
	}
	if _, err := p.Reset.ConfirmDispute(r.Context(), page.Actor(r), r.PathValue("token")); err != nil {
		return err
	}
	return page.See(w, r, r.URL.Path)
}
