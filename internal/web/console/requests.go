package console

import (
	"net/http"
	"net/url"
	"slices"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

type requestsPage struct {
	page.Base
	State    helpdesk.State
	Who      string // "", mine or nobody
	Problem  problem.Code
	Problems []problem.Code
	Requests []helpdesk.Request
	Next     string // the address of the next page; empty: there is none
}

const pageOfRequests = 50

// deadEnds are what a request can come from.
var deadEnds = []problem.Code{
	problem.NotEnabled, problem.NotVerified, problem.Blocked, problem.DirectoryUnavailable, problem.DirectoryRefused, problem.Expired,
	problem.Cookies, problem.UpdateBrowser, helpdesk.ProblemDispute, helpdesk.ProblemErasure,
}

func (c *Console) getRequests(w http.ResponseWriter, r *http.Request, d desk) error {
	asked := r.URL.Query()
	view := &requestsPage{Base: d.base(r, "requests", "requests"), State: helpdesk.StateOpen, Problems: deadEnds}
	q := helpdesk.Query{OrgID: d.Org.ID, Before: asked.Get("before"), Limit: pageOfRequests}
	if asked.Get("state") == string(helpdesk.StateResolved) {
		view.State = helpdesk.StateResolved
	}
	switch view.Who = asked.Get("who"); view.Who {
	case "mine":
		q.AssignedTo = d.as.By.Account
	case "nobody":
		q.AssignedTo = helpdesk.Nobody
	default:
		view.Who = ""
	}
	if code := problem.Code(asked.Get("problem")); slices.Contains(deadEnds, code) {
		view.Problem = code
	}
	q.State, q.Problem = view.State, view.Problem
	err := c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		view.Requests, err = c.Helpdesk.List(r.Context(), tx, q)
		return err
	})
	if err != nil {
		return err
	}
	if len(view.Requests) == pageOfRequests {
		view.Next = "/console/requests?" + url.Values{
			"state": {string(view.State)}, "who": {view.Who}, "problem": {string(view.Problem)}, "before": {view.Requests[pageOfRequests-1].ID},
		}.Encode()
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_requests", view)
}

type requestPage struct {
	page.Base
	Request helpdesk.Request
	Note    string
	Text    string // of an answer that was refused
	Mine    bool
	May     bool
	// Key leads to the person; empty where there is none any more.
	Key string
	// Addresses are where an answer can go.
	Addresses []admin.Method
}

func (c *Console) getRequest(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.request(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_request", view)
}

func (c *Console) request(r *http.Request, d desk) (*requestPage, error) {
	view := &requestPage{Base: d.base(r, "request", "requests"), May: d.as.May(admin.ResolveRequest)}
	err := c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		view.Request, err = c.Helpdesk.Get(r.Context(), tx, d.Org.ID, r.PathValue("id"))
		return err
	})
	if err != nil {
		return nil, err
	}
	view.Mine = view.Request.AssignedTo == d.as.By.Account
	a, err := c.Accounts.Load(r.Context(), d.Org, view.Request.AccountID)
	switch {
	case err == nil:
		view.Key = a.Entry.Key
	case !problem.Has(err, problem.NotFound) && !problem.Has(err, problem.DirectoryUnavailable):
		return nil, err
	}
	err = c.DB.Read(r.Context(), func(tx *store.Tx) error {
		all, err := c.Methods.List(r.Context(), tx, d.Org.ID, view.Request.AccountID)
		for _, m := range all {
			if m.Kind == method.Email && m.Proved {
				view.Addresses = append(view.Addresses, admin.Method{Method: method.Method{ID: m.ID, Kind: m.Kind}, Masked: m.Masked()})
			}
		}
		return err
	})
	return view, err
}

func (c *Console) postRequest(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	view, err := c.request(r, d)
	if err != nil {
		return err
	}
	to, done := "/console/requests/"+url.PathEscape(view.Request.ID), form["act"]
	switch done {
	case "answer":
		err = c.answer(r, d, view, form)
	case "assign", "release":
		work := c.Helpdesk.Assign
		if done == "release" {
			work = c.Helpdesk.Release
		}
		err = c.DB.Write(r.Context(), func(tx *store.Tx) error { return work(r.Context(), tx, d.as.By, d.Org.ID, view.Request.ID) })
	default:
		to, done = "/console/requests", string(admin.ResolveRequest)
		err = c.DB.Write(r.Context(), func(tx *store.Tx) error {
			return c.Helpdesk.Resolve(r.Context(), tx, d.as.By, d.Org.ID, view.Request.ID, form["note"])
		})
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view.Note, view.Text = form["note"], form["text"]
		return c.refuse(w, r, "console_request", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	return page.See(w, r, to+"?"+url.Values{"done": {done}}.Encode())
}

func (c *Console) answer(r *http.Request, d desk, view *requestPage, form page.Form) error {
	a, err := c.Accounts.Load(r.Context(), d.Org, view.Request.AccountID)
	if err != nil {
		return err
	}
	return c.DB.Write(r.Context(), func(tx *store.Tx) error {
		return c.Helpdesk.Answer(r.Context(), tx, d.as.By, helpdesk.Reply{
			Org: d.Org, Account: a, ID: view.Request.ID, MethodID: form["method"], Text: form["text"],
		})
	})
}
