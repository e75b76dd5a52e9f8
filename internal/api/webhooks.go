package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

// Receiver is a webhook as it is shown: neither its address nor its secret.
type Receiver struct {
	ID           string        `json:"id"`
	Host         string        `json:"host"`
	People       bool          `json:"people" doc:"With user IDs, internet addresses and browsers"`
	State        webhook.State `json:"state" enum:"live,failing,paused"`
	FailingSince *time.Time    `json:"failing_since,omitempty" doc:"Since when nothing went through"`
	PausedAt     *time.Time    `json:"paused_at,omitempty"`
	PausedFor    webhook.Pause `json:"paused_for,omitempty" enum:"by-hand,failing,gone"`
	LastError    string        `json:"last_error,omitempty" doc:"A short code: status-500, timeout, no-answer, unreachable, not-public"`
	DeliveredAt  *time.Time    `json:"delivered_at,omitempty" doc:"When something last arrived"`
	SetAside     int           `json:"set_aside" doc:"How many events it refused for so long that they were set aside"`
	CreatedAt    time.Time     `json:"created_at"`
}

func receiverOf(h webhook.Hook) Receiver {
	return Receiver{
		ID: h.ID, Host: h.Host, People: h.People, State: h.State(), FailingSince: some(h.FailingSince), PausedAt: some(h.PausedAt),
		PausedFor: h.PausedFor, LastError: h.LastError, DeliveredAt: some(h.DeliveredAt), SetAside: h.SetAside, CreatedAt: h.CreatedAt.UTC(),
	}
}

type receiversOutput struct {
	Body struct {
		Webhooks []Receiver `json:"webhooks"`
		Next     string     `json:"next,omitempty"`
	}
}

type receiverOutput struct {
	Body Receiver
}

type newReceiverOutput struct {
	Body struct {
		Receiver
		Secret string `json:"secret" doc:"What signs events, as Standard Webhooks writes it; told once"`
	}
}

type receiverInput struct {
	OrgPath
	Body struct {
		URL    string `json:"url,omitempty" maxLength:"2048" doc:"Begins with https:// and is reachable from the internet"`
		People bool   `json:"people,omitempty" doc:"With user IDs, internet addresses and browsers"`
	}
}

type triedOutput struct {
	Body struct {
		Arrived bool   `json:"arrived"`
		Error   string `json:"error,omitempty" doc:"Why it did not, a short code"`
	}
}

// asideEvent is an event that was set aside, without what it says.
type asideEvent struct {
	ID         string     `json:"id" doc:"The event's, and its webhook-id"`
	Type       audit.Kind `json:"type"`
	Leaf       int64      `json:"leaf" doc:"Its place in the log"`
	Tries      int        `json:"tries"`
	LastError  string     `json:"last_error"`
	SetAsideAt time.Time  `json:"set_aside_at"`
	TriedAt    time.Time  `json:"tried_at"`
	NextTryAt  *time.Time `json:"next_try_at,omitempty" doc:"Absent: it waits to be sent again"`
}

type asideInput struct {
	ItemPath
	Paging
}

type asideOutput struct {
	Body struct {
		Events []asideEvent `json:"events"`
		Next   string       `json:"next,omitempty"`
	}
}

type asidePath struct {
	OrgPath
	ID    string `path:"id" maxLength:"40"`
	Event string `path:"event" minLength:"1" maxLength:"40"`
}

type discardedOutput struct {
	Body struct {
		Events int64 `json:"events" doc:"How many were given up"`
	}
}

type againInput struct {
	ItemPath
	Body struct {
		Events []string `json:"events,omitempty" maxItems:"200" doc:"Identifiers of events; without them all that were set aside"`
	}
}

type againOutput struct {
	Body struct {
		Events int64 `json:"events" doc:"How many are sent again, within seconds; what arrives leaves the list"`
	}
}

func (a *API) webhookOperations() {
	get(a, "/webhooks", "list-webhooks", "Where events are sent, and how that goes", admin.SeeSettings, func(ctx context.Context, in *pagedInput) (*receiversOutput, error) {
		var all []webhook.Hook
		err := a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			all, err = a.d.Webhooks.List(ctx, tx, organization(ctx).ID)
			return err
		})
		if err != nil {
			return nil, err
		}
		out := &receiversOutput{}
		page, next, err := pageOf(ctx, a, "list-webhooks", in.Paging, all, func(h webhook.Hook) string { return h.ID })
		out.Body.Webhooks, out.Body.Next = []Receiver{}, next
		for _, h := range page {
			out.Body.Webhooks = append(out.Body.Webhooks, receiverOf(h))
		}
		return out, err
	})
	get(a, "/webhooks/{id}", "get-webhook", "One webhook", admin.SeeSettings, a.webhook)
	register(a, huma.Operation{
		OperationID: "create-webhook", Method: http.MethodPost, Path: "/webhooks", DefaultStatus: http.StatusOK,
		Summary:     "Send events somewhere from now on",
		Description: "Only addresses that are public are connected to; others fail with not-public. The operator adds those of an own network on the server.",
	}, admin.ManageWebhooks, func(ctx context.Context, in *receiverInput) (*newReceiverOutput, error) {
		h, secret, err := a.d.Webhooks.Add(ctx, authority(ctx).By, organization(ctx), webhook.Order{URL: in.Body.URL, People: in.Body.People})
		if err != nil {
			return nil, err
		}
		out := &newReceiverOutput{}
		out.Body.Receiver, out.Body.Secret = receiverOf(h), secret
		return out, nil
	})
	a.webhookAct("pause", "Send nothing to a webhook until it is resumed", "What happens meanwhile waits.", func(ctx context.Context, in *ItemPath) (*receiverOutput, error) {
		if err := a.d.Webhooks.Pause(ctx, authority(ctx).By, organization(ctx), in.ID); err != nil {
			return nil, err
		}
		return a.webhook(ctx, in)
	})
	a.webhookAct("resume", "Send to a webhook again, from where it stopped", "One that waits after a failure is asked at once.", func(ctx context.Context, in *ItemPath) (*receiverOutput, error) {
		if err := a.d.Webhooks.Resume(ctx, authority(ctx).By, organization(ctx), in.ID); err != nil {
			return nil, err
		}
		return a.webhook(ctx, in)
	})
	register(a, huma.Operation{
		OperationID: "test-webhook", Method: http.MethodPost, Path: "/webhooks/{id}/test", DefaultStatus: http.StatusOK, Summary: "Send a webhook an event that means nothing, now",
		Description: "One that arrives resumes a webhook that was paused because it failed. One organization has 30 tests in ten minutes.",
	}, admin.ManageWebhooks, func(ctx context.Context, in *ItemPath) (*triedOutput, error) {
		failed, err := a.d.Webhooks.Test(ctx, authority(ctx).By, organization(ctx), in.ID)
		out := &triedOutput{}
		out.Body.Arrived, out.Body.Error = err == nil && failed == "", failed
		return out, err
	})
	get(a, "/webhooks/{id}/set-aside", "list-set-aside", "Events that a webhook refused for so long that they were set aside, in the order of the log", admin.SeeSettings, a.setAside)
	register(a, huma.Operation{
		OperationID: "send-again", Method: http.MethodPost, Path: "/webhooks/{id}/send-again", DefaultStatus: http.StatusOK, Summary: "Send events that were set aside again",
		Description: "A paused webhook gets them when it is resumed.",
	}, admin.ManageWebhooks, func(ctx context.Context, in *againInput) (*againOutput, error) {
		n, err := a.d.Webhooks.SendAgain(ctx, authority(ctx).By, organization(ctx), in.ID, in.Body.Events...)
		if err != nil {
			return nil, err
		}
		out := &againOutput{}
		out.Body.Events = n
		return out, nil
	})
	register(a, huma.Operation{
		OperationID: "discard-set-aside", Method: http.MethodDelete, Path: "/webhooks/{id}/set-aside/{event}", DefaultStatus: http.StatusNoContent,
		Summary: "Give up an event that was set aside", Description: "It is not sent to this webhook any more. The audit log keeps it.",
	}, admin.ManageWebhooks, func(ctx context.Context, in *asidePath) (*struct{}, error) {
		_, err := a.d.Webhooks.Discard(ctx, authority(ctx).By, organization(ctx), in.ID, in.Event)
		return nil, err
	})
	register(a, huma.Operation{
		OperationID: "discard-all-set-aside", Method: http.MethodDelete, Path: "/webhooks/{id}/set-aside", DefaultStatus: http.StatusOK,
		Summary: "Give up all events that were set aside", Description: "They are not sent to this webhook any more. The audit log keeps them.",
	}, admin.ManageWebhooks, func(ctx context.Context, in *ItemPath) (*discardedOutput, error) {
		n, err := a.d.Webhooks.Discard(ctx, authority(ctx).By, organization(ctx), in.ID, "")
		if err != nil {
			return nil, err
		}
		out := &discardedOutput{}
		out.Body.Events = n
		return out, nil
	})
	register(a, huma.Operation{
		OperationID: "delete-webhook", Method: http.MethodDelete, Path: "/webhooks/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Send nothing more to a webhook, and forget it", Description: "The audit log keeps every event.",
	}, admin.ManageWebhooks, func(ctx context.Context, in *ItemPath) (*struct{}, error) {
		return nil, a.d.Webhooks.Remove(ctx, authority(ctx).By, organization(ctx), in.ID)
	})
}

func (a *API) webhookAct(act, summary, description string, do func(context.Context, *ItemPath) (*receiverOutput, error)) {
	register(a, huma.Operation{
		OperationID: act + "-webhook", Method: http.MethodPost, Path: "/webhooks/{id}/" + act, DefaultStatus: http.StatusOK,
		Summary: summary, Description: description,
	}, admin.ManageWebhooks, do)
}

func (a *API) webhook(ctx context.Context, in *ItemPath) (*receiverOutput, error) {
	out := &receiverOutput{}
	err := a.d.DB.Read(ctx, func(tx *store.Tx) error {
		h, err := a.d.Webhooks.One(ctx, tx, organization(ctx).ID, in.ID)
		out.Body = receiverOf(h)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (a *API) setAside(ctx context.Context, in *asideInput) (*asideOutput, error) {
	list := "list-set-aside|" + in.ID
	position, err := a.position(ctx, list, in.Cursor)
	if err != nil {
		return nil, err
	}
	after := int64(-1)
	if position != "" {
		if after, err = strconv.ParseInt(position, 10, 64); err != nil {
			return nil, problem.New(problem.CursorWrong).On("cursor").Because(err)
		}
	}
	var all []webhook.Aside
	err = a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = a.d.Webhooks.SetAside(ctx, tx, organization(ctx).ID, in.ID, after, in.Limit+1)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &asideOutput{}
	out.Body.Events = []asideEvent{}
	for i, e := range all {
		if i == in.Limit {
			out.Body.Next, err = a.cursor(ctx, list, strconv.FormatInt(all[i-1].Leaf, 10))
			break
		}
		out.Body.Events = append(out.Body.Events, asideEvent{
			ID: e.EventID, Type: e.Kind, Leaf: e.Leaf, Tries: e.Tries, LastError: e.LastError, SetAsideAt: e.SetAsideAt, TriedAt: e.TriedAt, NextTryAt: some(e.NextAt),
		})
	}
	return out, err
}
