package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/problem"
)

// graphRoot is where resources in the shapes of Microsoft Graph 1.0 stand below
// an organization: a script takes this for https://graph.microsoft.com/v1.0.
const graphRoot = "/graph/v1.0"

// inGraph tells whether a path, or a pattern of one, is below graphRoot.
func inGraph(path string) bool {
	rest, ok := strings.CutPrefix(path, "/api/v1/orgs/")
	if !ok {
		return false
	}
	_, below, _ := strings.Cut(rest, "/")
	return strings.HasPrefix("/"+below, graphRoot+"/")
}

// GraphError is a refusal in OData's shape (OData JSON Format 4.01, 21.1).
type GraphError struct {
	Failure graphFailure `json:"error"`

	status int
}

type graphFailure struct {
	Code    string     `json:"code" doc:"One of Graph's, by the status"`
	Message string     `json:"message" doc:"A sentence for people"`
	Inner   graphInner `json:"innerError"`
}

type graphInner struct {
	Code  string `json:"code" doc:"Stable; as code in the problems of the other operations"`
	Field string `json:"field,omitempty"`
}

// Error is for logs.
func (e *GraphError) Error() string { return e.Failure.Inner.Code }

// GetStatus implements huma.StatusError.
func (e *GraphError) GetStatus() int { return e.status }

// ContentType implements huma.ContentTypeFilter.
func (e *GraphError) ContentType(string) string { return "application/json" }

// graphCodes are Graph's codes by the status of a refusal.
var graphCodes = map[int]string{
	http.StatusBadRequest:         "badRequest",
	http.StatusUnauthorized:       "InvalidAuthenticationToken",
	http.StatusForbidden:          "accessDenied",
	http.StatusNotFound:           "resourceNotFound",
	http.StatusMethodNotAllowed:   "methodNotAllowed",
	http.StatusConflict:           "conflict",
	http.StatusTooManyRequests:    "tooManyRequests",
	http.StatusServiceUnavailable: "serviceNotAvailable",
}

// graphErrorOf says a problem as Graph would.
func graphErrorOf(p *Problem) *GraphError {
	status := p.Status
	switch {
	case p.Code == string(problem.MethodLimit), p.Code == string(problem.MethodDuplicate):
		status = http.StatusConflict
	case status == http.StatusUnprocessableEntity, status == http.StatusRequestEntityTooLarge:
		status = http.StatusBadRequest
	}
	code, ok := graphCodes[status]
	if !ok {
		code = "generalException"
	}
	message := p.Detail
	if message == "" {
		message = p.Title
	}
	return &GraphError{status: status, Failure: graphFailure{code, message, graphInner{p.Code, p.Field}}}
}

func (a *API) refusedGraph(ctx context.Context, err error) error {
	var made *GraphError
	if errors.As(err, &made) {
		return err // with what only the operation knew
	}
	return withHeaders(ctx, graphErrorOf(a.refusal(ctx, err)), err)
}

// graphResponses describe what is answered besides success.
func (a *API) graphResponses() map[string]*huma.Response {
	schema := a.doc.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[GraphError](), true, "GraphError")
	return map[string]*huma.Response{"default": {
		Description: "Error", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}},
	}}
}

// graphURL is the address of a resource below the organization.
func (a *API) graphURL(ctx context.Context, resource string) string {
	return strings.TrimSuffix(a.d.PublicURL, "/") + "/api/v1/orgs/" + url.PathEscape(organization(ctx).Slug) + graphRoot + "/" + resource
}

func (a *API) graphContext(ctx context.Context, resource string) string {
	return a.graphURL(ctx, "$metadata#"+resource)
}

// GraphUser names a person in the address: the directory's stable key, or the
// user ID as Graph takes a userPrincipalName.
type GraphUser struct {
	OrgPath
	User string `path:"id" maxLength:"320" doc:"The directory's stable key, or the user ID"`
}

func (a *API) graphPerson(ctx context.Context, in GraphUser) (admin.Person, error) {
	if strings.Contains(in.User, "@") {
		return a.d.Admin.ByUserID(ctx, authority(ctx), organization(ctx), in.User)
	}
	return a.d.Admin.ByKey(ctx, authority(ctx), organization(ctx), in.User)
}

func (a *API) graphOperations() {
	a.graphMethodOperations()
	a.graphReportOperations()
}

// graphRegister is register below graphRoot, for an operation on one person.
func graphRegister[I, O any](a *API, method, path, id, summary string, needs admin.Action, do func(context.Context, *I) (*O, error)) {
	op := huma.Operation{OperationID: id, Method: method, Path: graphRoot + path, Summary: summary, Tags: []string{"Microsoft Graph"}}
	switch method {
	case http.MethodPost:
		op.DefaultStatus = http.StatusCreated
	case http.MethodPatch, http.MethodDelete:
		op.DefaultStatus = http.StatusNoContent
	}
	register(a, op, needs, do)
}
