package api

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/throttle"
)

// Problem is a refusal (RFC 9457).
type Problem struct {
	Type   string  `json:"type" doc:"Always about:blank: the code says what it is"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty" doc:"A sentence for people"`
	Code   string  `json:"code" doc:"Stable; what programs act on"`
	Field  string  `json:"field,omitempty" doc:"The field it is about"`
	Errors []Fault `json:"errors,omitempty" doc:"Everything that is wrong with what was sent"`
	// Of resets.
	TriesLeft *int    `json:"tries_left,omitempty" doc:"After a wrong answer, how many more are judged"`
	Rules     []said  `json:"rules,omitempty" doc:"The rules that a new password breaks"`
	Captcha   *hurdle `json:"captcha,omitempty" doc:"What has to be solved, or waited for, first"`
}

// Fault is one thing that is wrong with what was sent. It never repeats a value.
type Fault struct {
	Location string `json:"location,omitempty"`
	Message  string `json:"message"`
}

// Error is for logs.
func (p *Problem) Error() string { return p.Code }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func init() {
	// The library's own refusals look like ours, and repeat no value.
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		p := &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: string(problem.BadInput)}
		switch status {
		case http.StatusRequestEntityTooLarge:
			p.Code = string(problem.TooLong)
		case http.StatusNotFound:
			p.Code = string(problem.NotFound)
		case http.StatusMethodNotAllowed:
			p.Code = string(problem.WrongMethod)
		case http.StatusInternalServerError:
			p.Code = string(problem.Internal)
		}
		p.Detail = sentence(i18n.For(i18n.Fallback), p.Code, nil, 0)
		for _, err := range errs {
			if detailed, ok := err.(huma.ErrorDetailer); ok {
				d := detailed.ErrorDetail()
				p.Errors = append(p.Errors, Fault{d.Location, d.Message})
			}
		}
		return p
	}
	// A name in another spelling is another name (CWE-235).
	huma.ValidateStrictCasing = true
	asProblem := huma.NewErrorWithContext
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		err := asProblem(ctx, status, message, errs...)
		var p *Problem
		if errors.As(err, &p) {
			p.Detail = sentence(words(ctx.Context()), p.Code, nil, 0)
			for i, one := range p.Errors {
				p.Errors[i].Message = faultAt(one.Location, one.Message).In(words(ctx.Context()))
			}
			ctx.SetHeader("Content-Language", words(ctx.Context()).Lang())
		}
		if u := ctx.URL(); inGraph(u.Path) && p != nil {
			return graphErrorOf(p)
		}
		return err
	}
}

// sentence is what a code says to people. Where the pages' sentence speaks of a page,
// the API has one of its own.
func sentence(words *i18n.Printer, code string, args map[string]any, after time.Duration) string {
	if own := "api.problem." + code; words.Has(own) {
		return words.TMap(own, args)
	}
	if last := "last-try." + code; after > 0 && words.Has(last) {
		return words.TMap(last, args)
	}
	return words.TMap("problem."+code, args)
}

// statusOf is the HTTP status of a refusal. A conflict is of versions here: the
// caller's If-Match did not hold (RFC 9110, 13.1.1).
func statusOf(code problem.Code) int {
	if code == problem.Conflict {
		return http.StatusPreconditionFailed
	}
	return code.Status()
}

// refusal makes an error one that is answered, in the caller's language.
func (a *API) refusal(ctx context.Context, err error) *Problem {
	if faults, ok := asFaults(err); ok {
		p := a.refusal(ctx, problem.New(problem.DocumentWrong))
		for _, f := range faults {
			p.Errors = append(p.Errors, Fault{f.Key, f.In(words(ctx))})
		}
		return p
	}
	found, ok := problem.As(err)
	if !ok {
		a.d.Log.Error("an operation failed", "error", err)
		found = problem.New(problem.Internal)
	}
	status := statusOf(found.Code)
	return &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: sentence(words(ctx), string(found.Code), found.Args, found.RetryAfter), Code: string(found.Code), Field: found.Field,
	}
}

func asFaults(err error) (config.Faults, bool) {
	var faults config.Faults
	ok := errors.As(err, &faults)
	return faults, ok
}

// Refuse answers in the place of an operation, also for the server in front of this
// room: nothing below /api is answered in another form.
func (a *API) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	lang := languageFor(r)
	p := a.refusal(speaking(r.Context(), lang), err)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Language", lang)
	if p.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", a.allowed(r)) // empty where there is no such operation (RFC 9110, 10.2.1)
	}
	if found, ok := problem.As(err); ok && found.RetryAfter > 0 {
		w.Header().Set("Retry-After", seconds(found.RetryAfter))
	}
	var body huma.StatusError = p
	kind := p.ContentType("")
	if inGraph(r.URL.Path) {
		body, kind = graphErrorOf(p), "application/json"
	}
	data, marshalErr := json.Marshal(body)
	if marshalErr != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(body.GetStatus())
	_, _ = w.Write(data) // the client may be gone
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// rateHeaders say how many requests are left, and in how many seconds there are all
// of them again (draft-ietf-httpapi-ratelimit-headers-10, 3 and 4).
func rateHeaders(h http.Header, v throttle.Verdict) {
	h.Set("RateLimit-Policy", `"key";q=`+strconv.Itoa(perKey.Limit)+`;w=`+strconv.Itoa(int(perKey.Per/time.Second)))
	h.Set("RateLimit", `"key";r=`+strconv.Itoa(max(v.Left, 0))+`;t=`+seconds(v.Renews))
}

// describeHeaders notes in the document what every answer carries, and which
// operations take a body.
func (a *API) describeHeaders() {
	a.doc.OpenAPI().Components.Headers = map[string]*huma.Header{
		"RateLimit":        {Schema: &huma.Schema{Type: huma.TypeString}, Description: "Requests left of the key, and the seconds until all are there again"},
		"RateLimit-Policy": {Schema: &huma.Schema{Type: huma.TypeString}, Description: "Requests of a key, and in how many seconds"},
		"Retry-After":      {Schema: &huma.Schema{Type: huma.TypeInteger}, Description: "Seconds to wait, where waiting helps"},
	}
	described := func(name string) *huma.Param { return &huma.Param{Ref: "#/components/headers/" + name} }
	for _, item := range a.doc.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			a.bodies[op.Method+" "+op.Path] = op.RequestBody != nil
			for _, answer := range op.Responses {
				if answer.Headers == nil {
					answer.Headers = make(map[string]*huma.Param)
				}
				answer.Headers["RateLimit"] = described("RateLimit")
				answer.Headers["RateLimit-Policy"] = described("RateLimit-Policy")
			}
			if refused := op.Responses["default"]; refused != nil {
				refused.Headers["Retry-After"] = described("Retry-After")
			}
		}
	}
}
