package console

import (
	"net/http"
	"net/url"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

type requestsPage struct {
	page.Base
	State    helpdesk.State
	Requests []helpdesk.Request
	Next     string
}

const pageOfRequests = 50

func (c *Console) getRequests(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &requestsPage{Base: d.base(r, "requests", "requests"), State: helpdesk.StateOpen}
	if r.URL.Query().Get("state") == string(helpdesk.StateResolved) {
		view.State = helpdesk.StateResolved
	}
	err := c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		view.Requests, err = c.Helpdesk.List(r.Context(), tx, helpdesk.Query{
			OrgID: d.Org.ID, State: view.State, Before: r.URL.Query().Get("before"), Limit: pageOfRequests,
		})
		return err
	})
	if err != nil {
		return err
	}
	if len(view.Requests) == pageOfRequests {
		view.Next = view.Requests[pageOfRequests-1].ID
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_requests", view)
}

type requestPage struct {
	page.Base
	Request helpdesk.Request
	Note    string
	May     bool
	// Key leads to the person; empty where there is none any more.
	Key string
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
	a, err := c.Accounts.Load(r.Context(), d.Org, view.Request.AccountID)
	switch {
	case err == nil:
		view.Key = a.Entry.Key
	case !problem.Has(err, problem.NotFound) && !problem.Has(err, problem.DirectoryUnavailable):
		return nil, err
	}
	return view, nil
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
	err = c.DB.Write(r.Context(), func(tx *store.Tx) error {
		return c.Helpdesk.Resolve(r.Context(), tx, d.as.By, d.Org.ID, view.Request.ID, form["note"])
	})
	if refusal, ok := problem.As(err); ok && page.Status(refusal.Code) < http.StatusInternalServerError {
		view.Note = form["note"]
		return c.refuse(w, r, "console_request", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	return page.See(w, r, "/console/requests?"+url.Values{"done": {"resolve_request"}}.Encode())
}
