package api

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

type policyOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body policyDocument
}

type policyInput struct {
	OrgPath
	IfMatch
	RawBody []byte `contentType:"application/json"`
}

type changesOutput struct {
	ETag string `header:"ETag"`
	Body struct {
		Changes []org.Change `json:"changes"`
	}
}

// effectOutput says what a policy would do.
type effectOutput struct {
	Body struct {
		Changes  []org.Change `json:"changes"`
		Before   int          `json:"capable_before" doc:"People who can reset now"`
		After    int          `json:"capable_after" doc:"People who could reset with it"`
		Stranded int          `json:"stranded" doc:"People who can reset now and could no more"`
		Partial  bool         `json:"partial" doc:"The directory cannot be listed: only people whom Kunci has met are counted"`
	}
}

func (a *API) policyOperations() {
	get(a, "/policy", "get-policy", "The policy, with every key", admin.SeePolicy, func(ctx context.Context, _ *OrgPath) (*policyOutput, error) {
		o := organization(ctx)
		data, err := config.EncodeJSON(o.Policy)
		if err != nil {
			return nil, err
		}
		return &policyOutput{ETag: etag(o), Body: policyDocument{data}}, nil
	})
	register(a, huma.Operation{
		OperationID: "put-policy", Method: http.MethodPut, Path: "/policy",
		Summary:     "Replace the policy",
		Description: "The document begins from its preset: what it does not name is the preset's value.",
		RequestBody: a.policyBody(), SkipValidateBody: true, // org.ParsePolicy says everything that is wrong, by key
	}, admin.ChangePolicy, a.putPolicy)
	register(a, huma.Operation{
		OperationID: "try-policy", Method: http.MethodPost, Path: "/policy/try",
		Summary:     "What a policy would do to people, without saving it",
		RequestBody: a.policyBody(), SkipValidateBody: true,
	}, admin.SeePolicy, a.tryPolicy)
	register(a, huma.Operation{
		OperationID: "policy-from-entra", Method: http.MethodPost, Path: fromEntra,
		Summary:     "The policy that does what one of Microsoft Entra does, without saving it",
		Description: "Takes the JSON object that the pages of Entra's portal fetch. What it does not say is off; the notes say what changed on the way.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "The object, with Entra's own names"}},
		}}, SkipValidateBody: true,
	}, admin.SeePolicy, a.policyFromEntra)
}

// fromEntra is where an object of Entra's is taken, whose names have capitals.
const fromEntra = "/policy/from-entra"

type entraOutput struct {
	Body struct {
		Policy  policyDocument `json:"policy" doc:"As PUT /policy takes it"`
		Support org.Support    `json:"support" doc:"Where Entra sent people for help"`
		Notes   []string       `json:"notes" doc:"What changed on the way and what was not carried"`
	}
}

func (a *API) policyFromEntra(ctx context.Context, in *tryInput) (*entraOutput, error) {
	got, err := org.FromEntra(bytes.NewReader(in.RawBody))
	if err != nil {
		return nil, err
	}
	out := &entraOutput{}
	if out.Body.Policy.RawMessage, err = config.EncodeJSON(got.Policy); err != nil {
		return nil, err
	}
	out.Body.Support, out.Body.Notes = got.Support, []string{}
	for _, n := range got.Notes {
		out.Body.Notes = append(out.Body.Notes, n.In(words(ctx)))
	}
	return out, nil
}

// etag names the version of an organization.
func etag(o *org.Organization) string { return `"` + strconv.FormatInt(o.Version, 10) + `"` }

func (a *API) putPolicy(ctx context.Context, in *policyInput) (*changesOutput, error) {
	o := organization(ctx)
	version, err := versionIn(in.IfMatch.Tag)
	if err != nil {
		return nil, err
	}
	p, err := org.ParsePolicy(strings.NewReader(string(in.RawBody)))
	if err != nil {
		return nil, err
	}
	out := &changesOutput{}
	err = a.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := a.d.Orgs.SetPolicy(ctx, tx, authority(ctx).By, o.ID, p, version); err != nil {
			return err
		}
		after, err := a.d.Orgs.Get(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		out.ETag, out.Body.Changes = etag(after), org.Difference(o, after)
		return nil
	})
	return out, err
}

type tryInput struct {
	OrgPath
	RawBody []byte `contentType:"application/json"`
}

func (a *API) tryPolicy(ctx context.Context, in *tryInput) (*effectOutput, error) {
	o := organization(ctx)
	p, err := org.ParsePolicy(strings.NewReader(string(in.RawBody)))
	if err != nil {
		return nil, err
	}
	effect, err := a.d.Report.Try(ctx, o, p)
	if err != nil {
		return nil, err
	}
	out := &effectOutput{}
	out.Body.Changes = org.Difference(o, o.WithPolicy(p))
	out.Body.Before, out.Body.After = effect.Before.Capable, effect.After.Capable
	out.Body.Stranded, out.Body.Partial = effect.Stranded, effect.Before.Partial
	return out, nil
}
