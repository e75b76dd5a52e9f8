package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/idempotency"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
	"kunci.dev/kunci/internal/webhook"
)

// perKey is how many requests a key has.
var perKey = throttle.Limit{Limit: 600, Per: time.Minute}

// Deps are what the operations call.
type Deps struct {
	DB       *store.DB
	Orgs     *org.Service
	Accounts *account.Service
	Admin    *admin.Service
	Helpdesk *helpdesk.Service
	Report   *report.Service
	Audit    *audit.Service
	Reset    *reset.Service
	Captcha  *captcha.Service
	Messages *notify.Service
	Domains  *domain.Service
	Webhooks *webhook.Service
	// Idempotency keeps the keys that make a request act once.
	Idempotency *idempotency.Service
	// Keys seal where a list goes on.
	Keys *secret.Keyset

	Log *slog.Logger
	// From says who asks and from where, before a key is known.
	From func(*http.Request) audit.Actor
	// PublicURL begins the addresses that answers name; never the Host header.
	PublicURL string
}

// API is the operations.
type API struct {
	d          Deps
	mux        *http.ServeMux
	doc        huma.API
	operations []Operation
	needs      map[string]admin.Action // by pattern
	repeat     map[string]repeat       // by pattern
	bodies     map[string]bool         // by pattern: the operation takes one
	written    func() ([]byte, error)  // Document, made when it is first asked for
	undecided  error                   // operations of POST that repeats says nothing of
}

// New refuses missing parts.
func New(d Deps) (*API, error) {
	if d.DB == nil || d.Orgs == nil || d.Accounts == nil || d.Admin == nil || d.Helpdesk == nil || d.Report == nil || d.Audit == nil || d.Messages == nil || d.Domains == nil || d.Webhooks == nil || d.Idempotency == nil || d.Keys == nil || d.Reset == nil || d.Captcha == nil || d.Log == nil || d.From == nil {
		return nil, errors.New("api: a part is missing")
	}
	a := &API{d: d}
	a.build()
	if a.undecided != nil {
		return nil, a.undecided
	}
	return a, nil
}

// build adds every operation.
func (a *API) build() {
	a.mux, a.needs, a.repeat, a.bodies = http.NewServeMux(), make(map[string]admin.Action), make(map[string]repeat), make(map[string]bool)
	c := huma.DefaultConfig("Kunci", "1")
	c.Info.Description = "What administrators of an organization do, and resets for front ends, for programs. Send the key as: Authorization: Bearer KEY"
	// No page of scripts from elsewhere, and no address made from the Host header.
	c.DocsPath, c.SchemasPath, c.OpenAPIPath, c.CreateHooks = "", "", "", nil
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer"}}
	c.Security = []map[string][]string{{"key": {}}}
	a.doc = humago.New(a.mux, c)
	a.policyOperations()
	a.peopleOperations()
	a.bulkOperations()
	a.helpOperations()
	a.requestOperations()
	a.reportOperations()
	a.auditOperations()
	a.resetOperations()
	a.keyOperations()
	a.directoryOperations()
	a.providerOperations()
	a.messageOperations()
	a.brandingOperations()
	a.domainOperations()
	a.helpTextOperations()
	a.graphOperations()
	a.administratorOperations()
	a.webhookOperations()
	a.describeHeaders()
	a.listsAreLists()
	a.written = sync.OnceValues(a.Document)
}

// Operations lists every operation.
func (a *API) Operations() []Operation { return a.operations }

// Document is the OpenAPI document.
func (a *API) Document() ([]byte, error) {
	data, err := json.MarshalIndent(a.doc.OpenAPI(), "", "  ")
	return append(data, '\n'), err
}

type contextKey int

const (
	authorityKey contextKey = iota
	organizationKey
	wordsKey
)

func authority(ctx context.Context) admin.Authority {
	as, _ := ctx.Value(authorityKey).(admin.Authority)
	return as
}

func organization(ctx context.Context) *org.Organization {
	o, _ := ctx.Value(organizationKey).(*org.Organization)
	return o
}

// words are the sentences of the language that the caller asks for.
func words(ctx context.Context) *i18n.Printer {
	p, ok := ctx.Value(wordsKey).(*i18n.Printer)
	if !ok {
		return i18n.For(i18n.Fallback)
	}
	return p
}

// speaking is a context in which words gives the sentences of a language.
func speaking(ctx context.Context, lang string) context.Context {
	return context.WithValue(ctx, wordsKey, i18n.For(lang))
}

// languageFor reads Accept-Language (RFC 9110, 12.5.4); English where nothing fits.
func languageFor(r *http.Request) string {
	return i18n.Match(r.Header.Get("Accept-Language"), i18n.Fallback)
}

// longestBody bounds what is read.
const longestBody = 64 << 10

// methods are those of operations. Another one has no key looked for.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// ServeHTTP answers everything below /api. Who asks and whether they may is judged
// before anything of the body is read.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(speaking(r.Context(), languageFor(r)))
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == documentPath {
		a.document(w, r)
		return
	}
	pattern, unmatched := a.match(r)
	if unmatched != nil && !slices.Contains(methods, r.Method) {
		a.Refuse(w, r, unmatched)
		return
	}
	ctx, err := a.admit(w, r)
	switch {
	case err != nil:
	case unmatched != nil:
		err = unmatched
	case !authority(ctx).May(a.needs[pattern]):
		err = problem.New(problem.Forbidden)
	default:
		err = strict(r, a.bodies[pattern])
	}
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	a.serve(w, r.WithContext(ctx))
}

// match finds the operation of a request. What is none is refused in our words and
// not in the library's, and so is what the mux would send to a cleaner address.
// Problems: NotFound, WrongMethod.
func (a *API) match(r *http.Request) (pattern string, err error) {
	if path.Clean(r.URL.Path) != r.URL.Path {
		return "", problem.New(problem.NotFound)
	}
	if _, pattern = a.mux.Handler(r); pattern != "" {
		return pattern, nil
	}
	if a.allowed(r) != "" {
		return "", problem.New(problem.WrongMethod)
	}
	return "", problem.New(problem.NotFound)
}

// allowed names the methods that an address has, as the header Allow does; empty: it
// is no operation's.
func (a *API) allowed(r *http.Request) string {
	if r.URL.Path == documentPath {
		return "GET, HEAD"
	}
	other := r.Clone(r.Context())
	other.Method = "NONE"
	heads := onlyHeaders{}
	answers, _ := a.mux.Handler(other)
	answers.ServeHTTP(heads, other)
	return http.Header(heads).Get("Allow")
}

// onlyHeaders keeps the headers of an answer that nobody gets.
type onlyHeaders http.Header

func (h onlyHeaders) Header() http.Header          { return http.Header(h) }
func (onlyHeaders) Write(data []byte) (int, error) { return len(data), nil }
func (onlyHeaders) WriteHeader(int)                {}

// documentPath is open to everybody: it says nothing that the source does not. It is
// made once: a tenth of a second of work is not to be had for the asking.
const documentPath = "/api/openapi.json"

func (a *API) document(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.Refuse(w, r, problem.New(problem.WrongMethod))
		return
	}
	data, err := a.written()
	if err != nil {
		a.Refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // the client may be gone
}

// admit finds the key, counts its requests, and finds the organization it is for.
func (a *API) admit(w http.ResponseWriter, r *http.Request) (context.Context, error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="kunci"`)
		return nil, problem.New(problem.SignedOut)
	}
	k, err := a.d.Admin.ByAPIKey(r.Context(), text)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="kunci", error="invalid_token"`)
		return nil, err
	}
	var verdict throttle.Verdict
	err = a.d.DB.Write(r.Context(), func(tx *store.Tx) (err error) {
		verdict, err = throttle.Take(r.Context(), tx, "api:"+k.ID, perKey)
		return err
	})
	if err != nil {
		return nil, err
	}
	rateHeaders(w.Header(), verdict)
	if !verdict.Allowed {
		return nil, problem.New(problem.Blocked).After(verdict.RetryAfter)
	}
	var o *org.Organization
	err = a.d.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		o, err = a.d.Orgs.Get(r.Context(), tx, k.OrgID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if slug := slugIn(r.URL.Path); slug != o.Slug {
		return nil, problem.New(problem.NotFound)
	}
	ctx := context.WithValue(r.Context(), authorityKey, k.Authority(a.d.From(r)))
	return context.WithValue(ctx, organizationKey, o), nil
}

// slugIn is the organization that an address names: /api/v1/orgs/{org}/…
func slugIn(path string) string {
	rest, ok := strings.CutPrefix(path, "/api/v1/orgs/")
	if !ok {
		return ""
	}
	slug, _, _ := strings.Cut(rest, "/")
	return slug
}

// strict refuses a body whose objects hold a name twice, or the same name in
// another spelling: readers differ in which of them counts. Where no body is taken
// every name is unknown.
func strict(r *http.Request, takesBody bool) error {
	if r.Body == nil || TakesFiles(r) || TakesPicture(r) || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, longestBody+1))
	if len(body) > longestBody || errors.As(err, new(*http.MaxBytesError)) {
		return problem.New(problem.TooLong)
	}
	if err != nil {
		return problem.New(problem.BadInput).Because(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !takesBody && strings.Join(strings.Fields(string(body)), "") != "{}" {
		return problem.New(problem.BadInput).On("body")
	}
	return oneOfEachName(body, inGraph(r.URL.Path) || strings.HasSuffix(r.URL.Path, fromEntra))
}

// oneOfEachName refuses a body in which a name stands twice, or a text holds a NUL. Names are in lower
// case unless capitals says that some are not; what is unknown is refused later.
func oneOfEachName(body []byte, capitals bool) error {
	refused := func() error { return problem.New(problem.BadInput) }
	d := json.NewDecoder(bytes.NewReader(body))
	type level struct {
		names map[string]bool // nil in an array
		name  bool            // a name comes next
	}
	var open []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refused()
		}
		if text, ok := token.(string); ok && strings.Contains(text, "\x00") {
			return refused() // no text of people, and PostgreSQL stores none
		}
		top := len(open) - 1
		if delim, ok := token.(json.Delim); ok {
			switch delim {
			case '{':
				open = append(open, level{names: map[string]bool{}, name: true})
			case '[':
				open = append(open, level{})
			default:
				open = open[:top]
				if top > 0 && open[top-1].names != nil {
					open[top-1].name = true
				}
			}
			continue
		}
		if top < 0 || open[top].names == nil {
			continue
		}
		if !open[top].name {
			open[top].name = true
			continue
		}
		name, _ := token.(string)
		folded := strings.ToLower(name)
		if open[top].names[folded] || folded != name && !capitals {
			return refused()
		}
		open[top].names[folded], open[top].name = true, false
	}
}

// Operation is one operation with what it needs.
type Operation struct {
	Method, Path string
	Needs        admin.Action
}
