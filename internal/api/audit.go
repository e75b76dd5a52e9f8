package api

import (
	"context"
	"slices"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

type eventsInput struct {
	orgPath
	Kind   string    `query:"kind" maxLength:"40"`
	From   time.Time `query:"from"`
	To     time.Time `query:"to"`
	Before string    `query:"before" maxLength:"40" doc:"next of the page before"`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type eventsOutput struct {
	Body struct {
		Events []audit.Record `json:"events"`
		Next   string         `json:"next,omitempty"`
	}
}

type checkpointOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *API) auditOperations() {
	get(a, "/audit/events", "list-events", "What was recorded, the newest first", admin.SeeAudit, a.events)
	get(a, "/audit/checkpoint", "get-checkpoint", "The newest signed head of the log (C2SP tlog-checkpoint)", admin.SeeAudit,
		func(ctx context.Context, _ *orgPath) (*checkpointOutput, error) {
			text, err := a.d.Audit.Checkpoint(ctx)
			if err == nil && text == "" {
				err = problem.New(problem.NotFound)
			}
			if err != nil {
				return nil, err
			}
			return &checkpointOutput{"text/plain; charset=utf-8", []byte(text)}, nil
		})
}

func (a *API) events(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	kind := audit.Kind(in.Kind)
	if kind != "" && !slices.Contains(audit.Kinds, kind) {
		return nil, problem.New(problem.BadInput).On("kind")
	}
	out := &eventsOutput{}
	err := a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		out.Body.Events, err = a.d.Audit.List(ctx, tx, audit.Query{
			Org: organization(ctx).ID, Kind: kind, From: in.From, To: in.To, Before: in.Before, Limit: in.Limit,
		})
		return err
	})
	if len(out.Body.Events) == in.Limit {
		out.Body.Next = out.Body.Events[in.Limit-1].ID
	}
	return out, err
}
