package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/problem"
)

type passInput struct {
	PersonPath
	Body struct {
		Minutes  int       `json:"minutes,omitempty" minimum:"0" maximum:"100000" doc:"How long it counts; as the policy says when absent"`
		Starts   time.Time `json:"starts,omitempty" doc:"When it begins to count; now when absent"`
		Reusable bool      `json:"reusable,omitempty" doc:"Works more than once, where the policy allows it"`
	}
}

type passOutput struct {
	Body struct {
		ID      string    `json:"id"`
		Pass    string    `json:"pass" doc:"Told once and kept nowhere"`
		Starts  time.Time `json:"starts"`
		Ends    time.Time `json:"ends"`
		OneTime bool      `json:"one_time"`
	}
}

type methodInput struct {
	PersonPath
	Body struct {
		MethodID string `json:"method_id,omitempty" maxLength:"40"`
	}
}

type valueOutput struct {
	Body struct {
		MethodID string `json:"method_id"`
		Value    string `json:"value"`
	}
}

type codeInput struct {
	PersonPath
	Body struct {
		Code string `json:"code,omitempty" maxLength:"64" doc:"What the person read out"`
	}
}

type callerOutput struct {
	Body struct {
		SentTo     string     `json:"sent_to,omitempty" doc:"The method a code went to, masked"`
		SentAt     *time.Time `json:"sent_at,omitempty"`
		VerifiedAt *time.Time `json:"verified_at,omitempty" doc:"Counts for ten minutes, for this key alone"`
	}
}

func (a *API) helpOperations() {
	register(a, huma.Operation{
		OperationID: "issue-pass", Method: http.MethodPost, Path: "/people/{id}/pass", Summary: "Issue a Temporary Access Pass",
		Description: "Takes the place of one issued before. The person is told by mail. A key of the helpdesk has to verify the caller first.",
	}, admin.IssuePass, a.issuePass)
	register(a, huma.Operation{
		OperationID: "see-value", Method: http.MethodPost, Path: "/people/{id}/value", Summary: "The whole address or number of a method",
		Description: "A POST, because it is recorded.",
	}, admin.SeeValues, func(ctx context.Context, in *methodInput) (*valueOutput, error) {
		p, err := a.d.Admin.ByKey(ctx, authority(ctx), organization(ctx), in.Key)
		if err != nil {
			return nil, err
		}
		out := &valueOutput{}
		out.Body.MethodID = in.Body.MethodID
		out.Body.Value, err = a.d.Admin.Value(ctx, authority(ctx), organization(ctx), p, in.Body.MethodID)
		return out, err
	})
	register(a, huma.Operation{
		OperationID: "ask-caller", Method: http.MethodPost, Path: "/people/{id}/caller", Summary: "Send a code that a caller reads out",
	}, admin.VerifyCaller, func(ctx context.Context, in *methodInput) (*callerOutput, error) {
		return a.caller(ctx, in.Key, func(p admin.Person) error {
			return a.d.Admin.AskCaller(ctx, authority(ctx), organization(ctx), p, in.Body.MethodID)
		})
	})
	register(a, huma.Operation{
		OperationID: "verify-caller", Method: http.MethodPost, Path: "/people/{id}/caller/verify", Summary: "Check what a caller read out",
		Description: "Wrong codes count as they do everywhere.",
	}, admin.VerifyCaller, func(ctx context.Context, in *codeInput) (*callerOutput, error) {
		if in.Body.Code == "" {
			return nil, problem.New(problem.Required).On("code")
		}
		return a.caller(ctx, in.Key, func(p admin.Person) error {
			return a.d.Admin.VerifyCaller(ctx, authority(ctx), organization(ctx), p, in.Body.Code)
		})
	})
}

func (a *API) caller(ctx context.Context, key string, do func(admin.Person) error) (*callerOutput, error) {
	p, err := a.d.Admin.ByKey(ctx, authority(ctx), organization(ctx), key)
	if err != nil {
		return nil, err
	}
	if err := do(p); err != nil {
		return nil, err
	}
	c, err := a.d.Admin.Caller(ctx, authority(ctx), p)
	if err != nil {
		return nil, err
	}
	out := &callerOutput{}
	out.Body.SentTo, out.Body.SentAt, out.Body.VerifiedAt = c.SentTo.Masked, some(c.SentAt), some(c.VerifiedAt)
	return out, nil
}

func (a *API) issuePass(ctx context.Context, in *passInput) (*passOutput, error) {
	o, as := organization(ctx), authority(ctx)
	p, err := a.d.Admin.ByKey(ctx, as, o, in.Key)
	if err != nil {
		return nil, err
	}
	pass, err := a.d.Admin.IssuePass(ctx, as, o, p, in.Body.Starts, in.Body.Minutes, in.Body.Reusable)
	if err != nil {
		return nil, err
	}
	out := &passOutput{}
	out.Body.ID, out.Body.Pass, out.Body.OneTime = pass.ID, pass.Code, pass.OneTime
	out.Body.Starts, out.Body.Ends = pass.Starts.UTC(), pass.Ends.UTC()
	return out, nil
}
