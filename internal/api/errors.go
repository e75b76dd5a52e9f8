package api

import (
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
		case http.StatusNotFound:
			p.Code = string(problem.NotFound)
		case http.StatusMethodNotAllowed:
			p.Code = string(problem.WrongMethod)
		case http.StatusInternalServerError:
			p.Code = string(problem.Internal)
		}
		p.Detail = sentence(problem.Code(p.Code), nil)
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
		if u := ctx.URL(); inGraph(u.Path) && errors.As(err, &p) {
			return graphErrorOf(p)
		}
		return err
	}
}

func sentence(code problem.Code, args map[string]any) string {
	return i18n.For("en").TMap("problem."+string(code), args)
}

// statusOf is the HTTP status of a refusal.
func statusOf(code problem.Code) int {
	switch code {
	case problem.SignedOut:
		return http.StatusUnauthorized
	case problem.Forbidden:
		return http.StatusForbidden
	case problem.NotFound:
		return http.StatusNotFound
	case problem.WrongMethod:
		return http.StatusMethodNotAllowed
	case problem.IdempotencyRunning, problem.IdempotencyLost, problem.IdempotencyOnce:
		return http.StatusConflict
	case problem.Conflict:
		return http.StatusPreconditionFailed
	case problem.Blocked, problem.SendLimit:
		return http.StatusTooManyRequests
	case problem.TooLong:
		return http.StatusRequestEntityTooLarge
	case problem.Busy, problem.StillWriting, problem.Unavailable, problem.DirectoryUnavailable:
		return http.StatusServiceUnavailable
	case problem.Internal:
		return http.StatusInternalServerError
	case problem.BadInput:
		return http.StatusBadRequest
	}
	return http.StatusUnprocessableEntity
}

// refusal makes an error one that is answered.
func (a *API) refusal(err error) *Problem {
	if faults, ok := asFaults(err); ok {
		p := a.refusal(problem.New(problem.DocumentWrong))
		for _, f := range faults {
			p.Errors = append(p.Errors, Fault{f.Key, f.Text})
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
		Detail: sentence(found.Code, found.Args), Code: string(found.Code), Field: found.Field,
	}
}

func asFaults(err error) (config.Faults, bool) {
	var faults config.Faults
	ok := errors.As(err, &faults)
	return faults, ok
}

// fail answers before an operation was found.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := a.refusal(err)
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

// rateHeaders say how many requests are left (draft-ietf-httpapi-ratelimit-headers).
func rateHeaders(h http.Header, v throttle.Verdict) {
	window := strconv.Itoa(int(perKey.Per / time.Second))
	h.Set("RateLimit-Policy", `"key";q=`+strconv.Itoa(perKey.Limit)+`;w=`+window)
	h.Set("RateLimit", `"key";r=`+strconv.Itoa(max(v.Left, 0))+`;t=`+window)
}
