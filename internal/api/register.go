package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/problem"
)

// root is where an organization's operations stand.
const root = "/api/v1/orgs/{org}"

// register adds an operation behind the question whether the key may do it, which
// ServeHTTP asks before it reads the body.
func register[I, O any](a *API, op huma.Operation, needs admin.Action, do func(context.Context, *I) (*O, error)) {
	op.Path = root + op.Path
	op.Metadata = map[string]any{"needs": needs}
	op.Description = joined(op.Description, "Needs a role that may "+string(needs)+".")
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = longestBody
	}
	a.describeRepeats(&op)
	a.operations = append(a.operations, Operation{op.Method, op.Path, needs})
	a.needs[op.Method+" "+op.Path] = needs
	refuse := a.refused
	if inGraph(op.Path) {
		refuse, op.Responses = a.refusedGraph, a.graphResponses()
	}
	said := contentOf(op.RequestBody)
	huma.Register(a.doc, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, refuse(ctx, err)
		}
		full(reflect.ValueOf(out))
		return out, nil
	})
	if said != nil {
		op.RequestBody.Content = said
	}
}

// contentOf keeps what an operation says of its body. Of one that is taken as bytes
// the library says over it that it is a file.
func contentOf(body *huma.RequestBody) map[string]*huma.MediaType {
	if body == nil {
		return nil
	}
	return maps.Clone(body.Content)
}

// refused is a refusal in the caller's language.
func (a *API) refused(ctx context.Context, err error) error {
	var made *Problem
	if errors.As(err, &made) {
		return err // with what only the operation knew
	}
	return withHeaders(ctx, a.refusal(ctx, err), err)
}

// withHeaders says the language of a refusal, and how long to wait where that helps.
func withHeaders(ctx context.Context, made error, err error) error {
	heads := http.Header{"Content-Language": {words(ctx).Lang()}}
	if found, ok := problem.As(err); ok && found.RetryAfter > 0 {
		heads.Set("Retry-After", seconds(found.RetryAfter))
	}
	return huma.ErrorWithHeaders(made, heads)
}

func joined(first, second string) string {
	if first == "" {
		return second
	}
	return first + " " + second
}

// get is register for what only reads.
func get[I, O any](a *API, path, id, summary string, needs admin.Action, do func(context.Context, *I) (*O, error)) {
	register(a, huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary}, needs, do)
}

// answeredAs documents an answer that is no JSON, by the kinds it comes as.
func answeredAs(kinds ...string) map[string]*huma.Response {
	content := make(map[string]*huma.MediaType)
	for _, kind := range kinds {
		content[kind] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Response{"200": {Description: "OK", Content: content}}
}
