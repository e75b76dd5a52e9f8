package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

type request struct {
	ID          string     `json:"id"`
	UserID      string     `json:"user_id"`
	Problem     string     `json:"problem" doc:"The dead end they stood at, or dispute"`
	Message     string     `json:"message,omitempty" doc:"What they wrote; nobody has checked who it was"`
	State       string     `json:"state"`
	SupportCode string     `json:"support_code"`
	OpenedAt    time.Time  `json:"opened_at"`
	ResolvedAt  *time.Time `json:"resolved_at,omitempty"`
	ResolvedBy  string     `json:"resolved_by,omitempty"`
	Note        string     `json:"note,omitempty"`
	AssignedTo  string     `json:"assigned_to,omitempty" doc:"User ID of who works on it"`
	Answers     []answered `json:"answers,omitempty"`
}

type answered struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	To   string    `json:"to" doc:"Masked"`
	Text string    `json:"text"`
}

type requestsInput struct {
	OrgPath
	State string `query:"state" enum:"open,resolved"`
	Who   string `query:"assigned" enum:"me,nobody" doc:"Those this key works on, or nobody does"`
	Why   string `query:"problem" maxLength:"40" doc:"Only those from this dead end"`
	Paging
}

type requestsOutput struct {
	Body struct {
		Requests []request `json:"requests"`
		Next     string    `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type resolveInput struct {
	ItemPath
	Body struct {
		Note string `json:"note,omitempty" maxLength:"1000" doc:"What was done; for colleagues"`
	}
}

type answerInput struct {
	ItemPath
	Body struct {
		MethodID string `json:"method_id,omitempty" maxLength:"40" doc:"A registered address of the person; their first when absent"`
		Text     string `json:"text,omitempty" maxLength:"1000" doc:"Words only: no link, no address"`
	}
}

type requestOutput struct {
	Body request

	account string
}

func (a *API) requestOperations() {
	get(a, "/requests", "list-requests", "Requests for help, the newest first", admin.SeeRequests, a.listRequests)
	get(a, "/requests/{id}", "get-request", "One request", admin.SeeRequests, func(ctx context.Context, in *ItemPath) (*requestOutput, error) {
		return a.request(ctx, in.ID)
	})
	register(a, huma.Operation{
		OperationID: "resolve-request", Method: http.MethodPost, Path: "/requests/{id}/resolve", Summary: "Mark a request as done",
	}, admin.ResolveRequest, func(ctx context.Context, in *resolveInput) (*requestOutput, error) {
		err := a.d.DB.Write(ctx, func(tx *store.Tx) error {
			return a.d.Helpdesk.Resolve(ctx, tx, authority(ctx).By, organization(ctx).ID, in.ID, in.Body.Note)
		})
		if err != nil {
			return nil, err
		}
		return a.request(ctx, in.ID)
	})
	a.work("assign", "Work on a request", func(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, id string) error {
		return a.d.Helpdesk.Assign(ctx, tx, by, orgID, id)
	})
	a.work("release", "Work on a request no more", func(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, id string) error {
		return a.d.Helpdesk.Release(ctx, tx, by, orgID, id)
	})
	register(a, huma.Operation{
		OperationID: "answer-request", Method: http.MethodPost, Path: "/requests/{id}/answer", Summary: "Answer a request by mail",
		Description: "Goes to a registered address of the person, never to one that the request names.",
	}, admin.ResolveRequest, a.answer)
}

// work adds an operation that changes who works on a request.
func (a *API) work(name, summary string, do func(context.Context, *store.Tx, audit.Actor, string, string) error) {
	register(a, huma.Operation{
		OperationID: name + "-request", Method: http.MethodPost, Path: "/requests/{id}/" + name, Summary: summary,
	}, admin.ResolveRequest, func(ctx context.Context, in *ItemPath) (*requestOutput, error) {
		err := a.d.DB.Write(ctx, func(tx *store.Tx) error { return do(ctx, tx, authority(ctx).By, organization(ctx).ID, in.ID) })
		if err != nil {
			return nil, err
		}
		return a.request(ctx, in.ID)
	})
}

func (a *API) answer(ctx context.Context, in *answerInput) (*requestOutput, error) {
	o := organization(ctx)
	found, err := a.request(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	person, err := a.d.Accounts.Load(ctx, o, found.account)
	if err != nil {
		return nil, err
	}
	err = a.d.DB.Write(ctx, func(tx *store.Tx) error {
		return a.d.Helpdesk.Answer(ctx, tx, authority(ctx).By, helpdesk.Reply{Org: o, Account: person, ID: in.ID, MethodID: in.Body.MethodID, Text: in.Body.Text})
	})
	if err != nil {
		return nil, err
	}
	return a.request(ctx, in.ID)
}

func (a *API) listRequests(ctx context.Context, in *requestsInput) (*requestsOutput, error) {
	out := &requestsOutput{}
	out.Body.Requests = []request{}
	before, err := a.position(ctx, "list-requests", in.Cursor)
	if err != nil {
		return nil, err
	}
	err = a.d.DB.Read(ctx, func(tx *store.Tx) error {
		all, err := a.d.Helpdesk.List(ctx, tx, helpdesk.Query{
			OrgID: organization(ctx).ID, State: helpdesk.State(in.State), Before: before, Limit: in.Limit,
			AssignedTo: map[string]string{"me": authority(ctx).By.Account, "nobody": helpdesk.Nobody}[in.Who], Problem: problem.Code(in.Why),
		})
		for _, r := range all {
			out.Body.Requests = append(out.Body.Requests, requestOf(r))
		}
		if err == nil && len(all) == in.Limit {
			out.Body.Next, err = a.cursor(ctx, "list-requests", all[len(all)-1].ID)
		}
		return err
	})
	return out, err
}

func (a *API) request(ctx context.Context, id string) (*requestOutput, error) {
	var found helpdesk.Request
	err := a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = a.d.Helpdesk.Get(ctx, tx, organization(ctx).ID, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &requestOutput{Body: requestOf(found), account: found.AccountID}, nil
}

func requestOf(r helpdesk.Request) request {
	var answers []answered
	for _, a := range r.Answers {
		answers = append(answers, answered{a.At.UTC(), a.By, a.To, a.Text})
	}
	return request{
		ID: r.ID, UserID: r.UserID, Problem: string(r.Problem), Message: r.Message, State: string(r.State),
		SupportCode: r.SupportCode, OpenedAt: r.OpenedAt.UTC(), ResolvedAt: some(r.ResolvedAt), ResolvedBy: r.ResolvedBy, Note: r.Note,
		AssignedTo: r.Assignee, Answers: answers,
	}
}
