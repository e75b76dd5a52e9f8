package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/problem"
)

// root is where an organization's operations stand.
const root = "/api/v1/orgs/{org}"

// register adds an operation behind the question whether the key may do it.
func register[I, O any](a *API, op huma.Operation, needs admin.Action, do func(context.Context, *I) (*O, error)) {
	op.Path = root + op.Path
	op.Metadata = map[string]any{"needs": needs}
	op.Description = joined(op.Description, "Needs a role that may "+string(needs)+".")
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = longestBody
	}
	a.describeRepeats(&op)
	a.operations = append(a.operations, Operation{op.Method, op.Path, needs})
	refuse := a.refused
	if inGraph(op.Path) {
		refuse, op.Responses = a.refusedGraph, a.graphResponses()
	}
	huma.Register(a.doc, op, func(ctx context.Context, in *I) (*O, error) {
		if !authority(ctx).May(needs) {
			return nil, refuse(problem.New(problem.Forbidden))
		}
		out, err := do(ctx, in)
		if err != nil {
			return nil, refuse(err)
		}
		return out, nil
	})
}

// refused is a refusal with how long to wait, where waiting helps.
func (a *API) refused(err error) error {
	var made *Problem
	if errors.As(err, &made) {
		return err // with what only the operation knew
	}
	if found, ok := problem.As(err); ok && found.RetryAfter > 0 {
		return huma.ErrorWithHeaders(a.refusal(err), http.Header{"Retry-After": {seconds(found.RetryAfter)}})
	}
	return a.refusal(err)
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
