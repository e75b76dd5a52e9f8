package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/idempotency"
	"kunci.dev/kunci/internal/problem"
)

// idempotencyHeader is draft-ietf-httpapi-idempotency-key-header's.
const idempotencyHeader = "Idempotency-Key"

// What the header does for an operation of POST.
type repeat string

const (
	once    repeat = "once"    // acts once, and every repetition gets the answer
	secretA repeat = "secret"  // acts once; the answer holds what is told once, and is not kept
	reads   repeat = "reads"   // changes nothing, or only that somebody looked: the header means nothing
	refused repeat = "refused" // a file: the header is refused, and an import has a state of its own
)

// repeats says it for every operation of POST. PUT and DELETE name the version that
// they change, or what ends for good, and need no key.
var repeats = map[string]repeat{
	"find-events": reads, "find-person": reads, "try-policy": reads, "policy-from-entra": reads, "try-message": reads, "try-help-text": reads, "see-value": reads,
	"export-person": reads, "export-people": reads,
	"import-people": refused,
	"issue-pass":    secretA, "start-reset": secretA,
	"apply-import": once, "cancel-import": once, "ask-caller": once, "verify-caller": once, "reset-message": once,
	"act-on-person": once, "erase-person": once, "resolve-request": once, "answer-request": once,
	"assign-request": once, "release-request": once,
	"choose-method": once, "resend-code": once, "verify-method": once, "leave-method": once, "set-new-password": once,
	"unlock-reset": once, "contact-administrator": once, "cancel-reset": once,
	"add-domain": once, "verify-domain": once, "reset-help-text": once, "test-directory": reads, "sync-directory": once,
	"create-webhook": secretA, "pause-webhook": once, "resume-webhook": once, "test-webhook": once, "send-again": once,
	"restore-method":            once,
	"graph-create-phone-method": once, "graph-create-email-method": once,
}

const (
	longestIdempotencyKey = 255
	longestAnswer         = 64 << 10
)

// keptAnswer is an answer as it is kept.
type keptAnswer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// serve gives the request to its operation: where it has a key, once.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	_, pattern := a.mux.Handler(r)
	how, sent := a.repeat[pattern], r.Header.Values(idempotencyHeader)
	if len(sent) == 0 || how == "" || how == reads {
		a.mux.ServeHTTP(w, r)
		return
	}
	key, ok := idempotencyKey(sent)
	if !ok || how == refused {
		a.Refuse(w, r, problem.New(problem.BadInput).On(idempotencyHeader))
		return
	}
	// A client that hangs up and asks again is what the key is for: the act goes on.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	request, err := fingerprint(r)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	claim, before, err := a.d.Idempotency.Begin(r.Context(), authority(r.Context()).By.Account, key, request...)
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	if claim == nil {
		a.replay(w, r, before)
		return
	}
	got := &recorder{header: make(http.Header)}
	a.mux.ServeHTTP(got, r)
	if err := a.keep(r.Context(), claim, how, got); err != nil {
		// It acted; that its answer is not kept is told to whoever asks again.
		a.d.Log.Error("the answer to an idempotency key is not kept", "error", err)
	}
	got.copyTo(w)
}

// keep keeps an answer. What was refused for now did nothing and may be sent again.
func (a *API) keep(ctx context.Context, claim *idempotency.Claim, how repeat, got *recorder) error {
	switch {
	case got.status == http.StatusTooManyRequests || got.status == http.StatusServiceUnavailable:
		return a.d.Idempotency.Release(ctx, claim)
	case how == secretA && got.status < 300 || got.body.Len() > longestAnswer:
		return a.d.Idempotency.Finish(ctx, claim, nil)
	}
	answer, err := json.Marshal(keptAnswer{got.status, got.header, got.body.Bytes()})
	if err != nil {
		return err
	}
	return a.d.Idempotency.Finish(ctx, claim, answer)
}

func (a *API) replay(w http.ResponseWriter, r *http.Request, answer []byte) {
	var kept keptAnswer
	if err := json.Unmarshal(answer, &kept); err != nil {
		a.Refuse(w, r, err)
		return
	}
	w.Header().Set("Idempotency-Replayed", "true")
	got := &recorder{header: kept.Header, status: kept.Status}
	got.body.Write(kept.Body)
	got.copyTo(w)
}

// idempotencyKey is the key of the header: a string (RFC 9651, 3.3.3), or, as many
// clients send it, the same without quotes.
func idempotencyKey(sent []string) (string, bool) {
	if len(sent) != 1 {
		return "", false
	}
	key := strings.TrimSpace(sent[0])
	if inner, ok := strings.CutPrefix(key, `"`); ok {
		if key, ok = strings.CutSuffix(inner, `"`); !ok {
			return "", false
		}
	}
	plain := !strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
	return key, plain && key != "" && len(key) <= longestIdempotencyKey
}

// fingerprint is what makes two requests the same: all of it but what says who asks
// and over which connection.
func fingerprint(r *http.Request) ([][]byte, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, longestBody+1)); err != nil {
			return nil, problem.New(problem.BadInput).Because(err)
		}
		if len(body) > longestBody {
			return nil, problem.New(problem.TooLong)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	parts := [][]byte{[]byte(r.Method), []byte(r.URL.EscapedPath()), []byte(r.URL.RawQuery), body}
	var names []string
	for name := range r.Header {
		if name == "If-Match" || name == "Content-Type" || strings.HasPrefix(name, "Kunci-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		parts = append(parts, []byte(name), []byte(strings.Join(r.Header[name], "\n")))
	}
	return parts, nil
}

// recorder takes an answer before it is sent.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(data []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(data)
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(max(r.status, http.StatusOK))
	_, _ = w.Write(r.body.Bytes()) // the client may be gone
}

// describeRepeats notes and documents what an operation does with the header. An
// operation of POST that nobody decided about is an error.
func (a *API) describeRepeats(op *huma.Operation) {
	if op.Method != http.MethodPost {
		return
	}
	how := repeats[op.OperationID]
	a.repeat[op.Method+" "+op.Path] = how
	switch how {
	case once:
		op.Description = joined(op.Description, "With an Idempotency-Key it acts once.")
	case secretA:
		op.Description = joined(op.Description, "With an Idempotency-Key it acts once; its answer is told once and not again.")
	case reads, refused:
		return
	default:
		a.undecided = errors.Join(a.undecided, errors.New("api: nobody decided what "+op.OperationID+" does with an idempotency key"))
	}
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: idempotencyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(longestIdempotencyKey)},
		Description: "The same key with the same request gets the same answer for 24 hours (draft-ietf-httpapi-idempotency-key-header)",
	})
}
