package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

type eventsInput struct {
	OrgPath
	Kind   string    `query:"kind" maxLength:"40"`
	Result string    `query:"outcome" enum:"success,failure,denied" doc:"Only these"`
	Code   string    `query:"support_code" maxLength:"64" doc:"Only the events of one request"`
	From   time.Time `query:"from"`
	To     time.Time `query:"to"`
	Cursor string    `query:"cursor" maxLength:"2000" doc:"next of the page before, of the same list"`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type eventsOutput struct {
	Body struct {
		Events []audit.Record `json:"events"`
		Next   string         `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type checkpointOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type findEventsInput struct {
	OrgPath
	Body struct {
		UserID string    `json:"user_id" minLength:"1" maxLength:"320" doc:"Whose events"`
		As     string    `json:"as,omitempty" enum:"target,administrator" doc:"What happened to them (target, when absent), or what they did as an administrator"`
		Kind   string    `json:"kind,omitempty" maxLength:"40"`
		Result string    `json:"outcome,omitempty" enum:"success,failure,denied"`
		From   time.Time `json:"from,omitempty"`
		To     time.Time `json:"to,omitempty"`
		Cursor string    `json:"cursor,omitempty" maxLength:"2000" doc:"next of the page before, of the same list"`
		Limit  int       `json:"limit,omitempty" minimum:"0" maximum:"1000" doc:"100 when absent"`
	}
}

type proofOutput struct {
	Body struct {
		Leaf       int64    `json:"leaf_index"`
		LeafHash   []byte   `json:"leaf_hash" doc:"SHA-256 of a byte of zero and the input (RFC 6962, 2.1)"`
		Data       []byte   `json:"leaf_hash_input" doc:"The event as it is hashed; what identifies people in it is sealed"`
		Hashes     [][]byte `json:"hashes" doc:"The audit path, from the leaf up (RFC 6962, 2.1.1)"`
		Checkpoint string   `json:"checkpoint" doc:"The signed head it leads to"`
		PublicKey  string   `json:"public_key" doc:"Checks the checkpoint; keep one of your own"`
	}
}

type consistencyInput struct {
	OrgPath
	Size int64 `query:"size" minimum:"0" required:"true" doc:"How many records the older checkpoint covers: its second line"`
}

type consistencyOutput struct {
	Body struct {
		Older      int64    `json:"older_size"`
		Hashes     [][]byte `json:"hashes" doc:"The consistency proof (RFC 6962, 2.1.2)"`
		Checkpoint string   `json:"checkpoint" doc:"The newest signed head"`
		PublicKey  string   `json:"public_key" doc:"Checks the checkpoint; keep one of your own"`
	}
}

func (a *API) auditOperations() {
	register(a, huma.Operation{
		OperationID: "find-events", Method: http.MethodPost, Path: "/audit/events/find", Summary: "What happened to one person, or what they did as an administrator, the newest first",
		Description: "A POST, so that user IDs stand in no address.",
	}, admin.SeeAudit, func(ctx context.Context, in *findEventsInput) (*eventsOutput, error) {
		person, err := a.d.Accounts.Find(ctx, organization(ctx), in.Body.UserID)
		if err != nil {
			return nil, err
		}
		limit := in.Body.Limit
		if limit == 0 {
			limit = usualEvents
		}
		q := audit.Query{Kind: audit.Kind(in.Body.Kind), Outcome: audit.Outcome(in.Body.Result), From: in.Body.From, To: in.Body.To, Limit: limit}
		list := "find-events " + person.ID
		if in.Body.As == "administrator" {
			q.By, list = person.ID, "find-events by "+person.ID
		} else {
			q.Target = person.ID
		}
		return a.listEvents(ctx, list, in.Body.Cursor, q)
	})
	get(a, "/audit/events/{id}/proof", "get-proof", "Proof that an event is in the log", admin.SeeAudit, a.proof)
	get(a, "/audit/consistency", "get-consistency", "Proof that the log continues an older checkpoint", admin.SeeAudit,
		func(ctx context.Context, in *consistencyInput) (*consistencyOutput, error) {
			c, err := a.d.Audit.Continues(ctx, in.Size)
			if err != nil {
				return nil, err
			}
			out := &consistencyOutput{}
			out.Body.Older, out.Body.Hashes, out.Body.Checkpoint = c.Older, c.Hashes, c.Checkpoint
			out.Body.PublicKey, err = a.d.Audit.PublicKey()
			return out, err
		})
	get(a, "/audit/events", "list-events", "What was recorded, the newest first", admin.SeeAudit, a.events)
	register(a, huma.Operation{
		OperationID: "get-checkpoint", Method: http.MethodGet, Path: "/audit/checkpoint", Summary: "The newest signed head of the log (C2SP tlog-checkpoint)",
		Responses: answeredAs("text/plain"),
	}, admin.SeeAudit, func(ctx context.Context, _ *OrgPath) (*checkpointOutput, error) {
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

// usualEvents is how many events a page holds when nobody says.
const usualEvents = 100

func (a *API) events(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	return a.listEvents(ctx, "list-events", in.Cursor, audit.Query{
		Kind: audit.Kind(in.Kind), Outcome: audit.Outcome(in.Result), Correlation: in.Code, From: in.From, To: in.To, Limit: in.Limit,
	})
}

func (a *API) listEvents(ctx context.Context, list, cursor string, q audit.Query) (*eventsOutput, error) {
	if q.Kind != "" && !slices.Contains(audit.Kinds, q.Kind) {
		return nil, problem.New(problem.BadInput).On("kind")
	}
	q.Org = organization(ctx).ID
	out := &eventsOutput{}
	var err error
	if q.Before, err = a.position(ctx, list, cursor); err != nil {
		return nil, err
	}
	err = a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		out.Body.Events, err = a.d.Audit.List(ctx, tx, q)
		return err
	})
	if err == nil && len(out.Body.Events) == q.Limit {
		out.Body.Next, err = a.cursor(ctx, list, out.Body.Events[q.Limit-1].ID)
	}
	return out, err
}

// proof is not there for an event that waits for its place, a second at most.
func (a *API) proof(ctx context.Context, in *ItemPath) (*proofOutput, error) {
	p, err := a.d.Audit.ProveFor(ctx, organization(ctx).ID, in.ID)
	if errors.Is(err, store.ErrNoRows) {
		return nil, problem.New(problem.NotFound)
	}
	if err != nil {
		return nil, err
	}
	out := &proofOutput{}
	b := &out.Body
	b.Leaf, b.LeafHash, b.Data, b.Hashes, b.Checkpoint = p.Leaf, p.LeafHash, p.Data, p.Hashes, p.Checkpoint
	b.PublicKey, err = a.d.Audit.PublicKey()
	return out, err
}
