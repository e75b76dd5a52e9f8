package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// surface asks every operation, without a network in between.
type surface struct {
	t    *testing.T
	p    *kuncitest.Product
	keys map[org.Role]string
	ids  *strings.Replacer
}

// keyWith is a key of Contoso that may do something, or, where may is false, may not.
func (s *surface) keyWith(what admin.Action, may bool) []string {
	var all []string
	for _, role := range []org.Role{org.Owner, admin.FrontEnd, org.Auditor} {
		if admin.May(role, what) == may {
			all = append(all, s.keys[role])
		}
	}
	return all
}

func (s *surface) ask(method, path, key, body string, header ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, s.p.URL+path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.p.App.Handler.ServeHTTP(w, r)
	got := answer{w.Code, w.Header(), w.Body.String()}
	asDocumented(s.t, method, path, got)
	return got
}

// refused checks that an answer is a problem as the API gives it, with a code.
func (s *surface) refused(what string, got answer, status int, code problem.Code) {
	s.t.Helper()
	kind, found := "application/problem+json", got.code()
	if strings.Contains(what, "/graph/v1.0/") {
		var e struct {
			Error struct {
				Inner struct{ Code string } `json:"innerError"`
			}
		}
		_ = json.Unmarshal([]byte(got.body), &e) // an answer that is no problem has no code
		kind, found = "application/json", e.Error.Inner.Code
		if status == http.StatusUnprocessableEntity {
			status = http.StatusBadRequest
		}
	}
	if got.status != status || found != string(code) || got.header.Get("Content-Type") != kind {
		s.t.Errorf("%s: %d %s %.300s, want %d %s", what, got.status, got.header.Get("Content-Type"), got.body, status, code)
	}
}

// counted checks that an answer says how many requests are left.
func (s *surface) counted(what string, got answer) {
	s.t.Helper()
	policy, left := got.header.Get("RateLimit-Policy"), got.header.Get("RateLimit")
	seconds, err := strconv.Atoi(left[strings.LastIndex(left, "=")+1:])
	if policy != `"key";q=600;w=60` || !strings.HasPrefix(left, `"key";r=`) || err != nil || seconds < 0 || seconds > 60 {
		s.t.Errorf("%s: RateLimit %q, RateLimit-Policy %q", what, left, policy)
	}
}

func startSurface(t *testing.T) *surface {
	t.Helper()
	p := startConsole(t, store.SQLite)
	s := &surface{t: t, p: p, keys: make(map[org.Role]string)}
	for _, role := range []org.Role{org.Owner, admin.FrontEnd, org.Auditor} {
		s.keys[role] = newProgram(t, p, "contoso", role).key
	}
	s.ids = strings.NewReplacer("{org}", "contoso", "{id}", keyOf(t, p, "alain@contoso.com"), "{act}", "unlock", "{language}", "en",
		"{message}", "code", "{page}", "help", "{domain}", "contoso.com", "{method}", "none", "{session}", "none")
	return s
}

// again lets the keys have all their requests again.
func (s *surface) again() { s.p.Clock.Advance(time.Minute) }

// Every address below /api has its methods and no others, by whatever trick another
// one is asked for, and what is none is a problem with a code (RFC 9110, 15.5.6).
func TestEveryAddressOfTheAPIKnowsItsMethods(t *testing.T) {
	t.Parallel()
	s := startSurface(t)
	owner := s.keys[org.Owner]
	methods := make(map[string][]string)
	for _, o := range s.p.App.API.Operations() {
		methods[o.Path] = append(methods[o.Path], o.Method)
	}
	if len(methods) < 60 {
		t.Fatalf("%d addresses", len(methods))
	}
	n := 0
	for pattern := range methods {
		if n++; n%30 == 0 {
			s.again()
		}
		path := s.ids.Replace(pattern)
		var has []string
		for other, also := range methods {
			if leads(other, pattern) {
				has = append(has, also...)
			}
		}
		if slices.Contains(has, http.MethodGet) {
			has = append(has, http.MethodHead)
		}
		slices.Sort(has)
		has = slices.Compact(has)
		allow := strings.Join(has, ", ")
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			if slices.Contains(has, method) {
				continue
			}
			key := owner
			if slices.Contains([]string{"OPTIONS", "TRACE", "PROPFIND", "get"}, method) {
				key = "" // nobody is asked who they are for these
			}
			got := s.ask(method, path, key, "")
			s.refused(method+" "+path, got, http.StatusMethodNotAllowed, problem.WrongMethod)
			if got.header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, got.header.Get("Allow"), allow)
			}
			if key != "" {
				s.counted(method+" "+path, got)
			}
		}
		for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			got := s.ask(has[0], path, owner, "", header, http.MethodDelete)
			s.refused(header+" "+path, got, http.StatusMethodNotAllowed, problem.WrongMethod)
		}
		s.refused("below "+path, s.ask(http.MethodGet, path+"/nothing/is/below/here", owner, ""), http.StatusNotFound, problem.NotFound)
		s.refused("OPTIONS below "+path, s.ask(http.MethodOptions, path+"/nothing/is/below/here", "", ""), http.StatusNotFound, problem.NotFound)
		s.refused("with a slash "+path+"/", s.ask(has[0], path+"/", owner, ""), http.StatusNotFound, problem.NotFound)
	}
	s.again()
	for path, status := range map[string]int{
		"/api": http.StatusNotFound, "/api/": http.StatusNotFound, "/api/v1": http.StatusNotFound, "/api/v2/orgs/contoso/people": http.StatusNotFound,
		"/api//v1/orgs/contoso/people": http.StatusNotFound, "/api/v1/orgs/contoso/./people": http.StatusNotFound, "/api/v1/../v1/orgs/contoso/people": http.StatusNotFound,
		"/api/..;/console": http.StatusNotFound, "/api/%2e%2e/console": http.StatusNotFound, "/api/V1/orgs/contoso/people": http.StatusNotFound,
		"/api/" + strings.Repeat("a", 3000): http.StatusRequestEntityTooLarge,
	} {
		code := problem.NotFound
		if status == http.StatusRequestEntityTooLarge {
			code = problem.TooLong
		}
		s.refused(path[:min(len(path), 60)], s.ask(http.MethodGet, path, owner, ""), status, code)
	}
	s.refused("no key", s.ask(http.MethodGet, api+"/nothing", "", ""), http.StatusUnauthorized, problem.SignedOut)
	s.refused("from another site", s.ask(http.MethodPost, api+"/people/find", owner, "{}", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, problem.CrossOrigin)
	s.refused("the document", s.ask(http.MethodPut, "/api/openapi.json", "", ""), http.StatusMethodNotAllowed, problem.WrongMethod)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://evil.example"+api+"/people", nil)
	w := httptest.NewRecorder()
	s.p.App.Handler.ServeHTTP(w, r)
	s.refused("another host", answer{w.Code, w.Header(), w.Body.String()}, http.StatusMisdirectedRequest, problem.WrongHost)
	if got := s.ask(http.MethodGet, "/signin", "", "", "X-HTTP-Method-Override", "DELETE"); got.status != http.StatusMethodNotAllowed {
		t.Errorf("a page with another method in a header: %d", got.status)
	}
}

// leads tells whether what is asked for at one pattern is an address of another one
// too: /people/find is one of /people/{id}.
func leads(pattern, asked string) bool {
	all, own := strings.Split(pattern, "/"), strings.Split(asked, "/")
	for i := range min(len(all), len(own)) {
		if all[i] != own[i] && !strings.HasPrefix(all[i], "{") {
			return false
		}
	}
	return len(all) == len(own)
}

// Who may not do something is told so whatever they send, before any of it is read;
// who may is told of a parameter that an operation does not have.
func TestTheRoleIsJudgedBeforeWhatIsSent(t *testing.T) {
	t.Parallel()
	s := startSurface(t)
	bodies := map[string][]string{
		"nothing": {""}, "no JSON": {`{"`}, "another shape": {`[]`}, "a name twice": {`{"a":1,"a":2}`}, "an unknown name": {`{"nobody":1}`},
		"another type": {"x", "Content-Type", "text/plain"}, "too much": {`{"a":"` + strings.Repeat("a", 70_000) + `"}`},
		"a bad idempotency key": {"{}", "Idempotency-Key", ""},
	}
	for i, o := range s.p.App.API.Operations() {
		if i%20 == 0 {
			s.again()
		}
		path := s.ids.Replace(o.Path)
		refused, allowed := s.keyWith(o.Needs, false), s.keyWith(o.Needs, true)
		if len(refused) == 0 || len(allowed) == 0 {
			t.Fatalf("%s %s: everybody or nobody may", o.Method, path)
		}
		for name, sent := range bodies {
			if o.Method == http.MethodGet && name != "nothing" {
				continue
			}
			for _, key := range refused {
				got := s.ask(o.Method, path, key, sent[0], sent[1:]...)
				s.refused(o.Method+" "+path+" with "+name, got, http.StatusForbidden, problem.Forbidden)
				s.counted(o.Method+" "+path, got)
			}
		}
		for _, query := range []string{"?nobody=knows", "?_method=DELETE", "?Limit=1"} {
			s.refused(o.Method+" "+path+" without the right"+query, s.ask(o.Method, path+query, refused[0], ""), http.StatusForbidden, problem.Forbidden)
			s.refused(o.Method+" "+path+query, s.ask(o.Method, path+query, allowed[0], ""), http.StatusUnprocessableEntity, problem.BadInput)
		}
	}
	// Who may is told that it is too much, however it is sent.
	s.again()
	owner, long := s.keys[org.Owner], `{"user_id":"`+strings.Repeat("a", 70_000)+`"}`
	s.refused("too much", s.ask(http.MethodPost, api+"/people/find", owner, long), http.StatusRequestEntityTooLarge, problem.TooLong)
	s.refused("too much of a logo", s.ask(http.MethodPut, api+"/branding/logo", owner, strings.Repeat("a", org.MaxLogo+2), "If-Match", `"1"`), http.StatusRequestEntityTooLarge, problem.TooLong)
}

// noLists are the operations of GET whose answer holds a list and is no list of its
// own, with the reason.
var noLists = map[string]string{
	"get-person": "methods of one person", "get-request": "answers to one request", "get-directory": "servers of one connection", "get-reset": "what one flow offers",
	"get-proof":       "hashes of one path through the log",
	"get-consistency": "hashes of one path through the log",
	"get-message":     "variables of one message",
	"report-activity": "one line for each day that was asked for", "report-registration-history": "one line for each day that was asked for",
	"graph-list-methods": "at most what one person may have; Graph has no pages here", "graph-list-phone-methods": "three at most; Graph has no pages here",
	"graph-list-email-methods": "two at most; Graph has no pages here", "graph-get-registration-details": "kinds of methods of one person",
}

// listIn names the array of an answer, empty where it has none.
func (d document) listIn(o documented) (list string, properties map[string]schema) {
	body := d.resolved(o.Responses["200"].Content["application/json"].Schema)
	for name, p := range body.Properties {
		if slices.Contains(types(p.Type), "array") {
			list = name
		}
	}
	return list, body.Properties
}

// Every list goes on with a cursor that says nothing and fits nowhere else; a new
// operation that answers with a list and has none fails here.
func TestEveryListGoesOnWithACursor(t *testing.T) {
	t.Parallel()
	s := startSurface(t)
	p, owner := s.p, s.keys[org.Owner]
	var d document
	if err := json.Unmarshal([]byte(s.ask(http.MethodGet, "/api/openapi.json", "", "").body), &d); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.Paths {
		for method, o := range item {
			for status, r := range o.Responses {
				if r.Headers["RateLimit"] == nil || r.Headers["RateLimit-Policy"] == nil || status == "default" && r.Headers["Retry-After"] == nil {
					t.Errorf("%s %s, %s: the headers are not documented", method, path, status)
				}
			}
		}
	}
	// Something to list.
	for range 3 {
		atDesk(t, p, "alain@contoso.com", false)
		newProgram(t, p, "contoso", org.Auditor)
	}
	lostMessages(t, p, p.Organization().ID, 4)
	var hook string
	for range 3 { // paused: nothing is sent
		hook = setAside(t, p, 4).ID
	}
	bad := s.ask(http.MethodPost, api+"/imports", owner, "user_id,email\n,a\n,b\n,c\n,d\n", "Content-Type", "text/csv")
	var sent struct{ ID string }
	if err := json.Unmarshal([]byte(bad.body), &sent); err != nil || sent.ID == "" {
		t.Fatalf("%d %s", bad.status, bad.body)
	}
	until(t, "the import is checked", func() bool {
		return strings.Contains(s.ask(http.MethodGet, api+"/imports/"+sent.ID, owner, "").body, `"state":"checked"`)
	})
	requests(t, p, "alain@contoso.com", "citra@contoso.com", "eko@contoso.com")
	foreign := newProgram(t, p, "fabrikam", org.Owner)
	p.Import("fabrikam", "user_id,password\nowner@fabrikam.com,teapot harbour violin\nx@fabrikam.com,teapot harbour violin\n")

	lists := 0
	cursors := make(map[string]string)
	for pattern, item := range d.Paths {
		for method, o := range item {
			found := method == "post" && strings.HasPrefix(o.OperationID, "find-")
			list, has := d.listIn(o)
			if list == "" || method != "get" && !found || noLists[o.OperationID] != "" {
				continue
			}
			_, more := has["next"]
			if _, link := has["@odata.nextLink"]; link {
				continue // Graph's shape: TestAScriptForGraphReadsRegistrations walks it
			}
			if found && !more {
				continue // one thing that was looked for
			}
			parameters := make([]string, len(o.Parameters))
			for i, one := range o.Parameters {
				parameters[i] = one.Name
			}
			if !more || !found && (!slices.Contains(parameters, "limit") || !slices.Contains(parameters, "cursor")) {
				t.Errorf("%s answers with the list %s and has no limit, cursor and next: %v", o.OperationID, list, parameters)
				continue
			}
			lists++
			path := s.ids.Replace(strings.NewReplacer("/imports/{id}", "/imports/"+sent.ID, "/webhooks/{id}", "/webhooks/"+hook).Replace(pattern))
			page := func(key, at string, limit int, cursor string) ([]json.RawMessage, string, answer) {
				t.Helper()
				got := s.ask(http.MethodGet, at+"?"+url.Values{"limit": {strconv.Itoa(limit)}, "cursor": {cursor}}.Encode(), key, "")
				if found {
					body, err := json.Marshal(map[string]any{"user_id": "alain@contoso.com", "limit": limit, "cursor": cursor})
					if err != nil {
						t.Fatal(err)
					}
					got = s.ask(http.MethodPost, at, key, string(body))
				}
				var all map[string]json.RawMessage
				_ = json.Unmarshal([]byte(got.body), &all) // a refusal has neither
				var items []json.RawMessage
				_ = json.Unmarshal(all[list], &items)
				next := ""
				_ = json.Unmarshal(all["next"], &next)
				return items, next, got
			}
			whole, _, got := page(owner, path, 200, "")
			s.counted(path, got)
			if got.status != http.StatusOK || len(whole) < 2 && o.OperationID != "list-domains" {
				t.Errorf("%s: %d with %d items: %.200s", o.OperationID, got.status, len(whole), got.body)
				continue
			}
			var walked []json.RawMessage
			cursor := ""
			step := max(1, len(whole)/4)
			for range 10 {
				items, next, got := page(owner, path, step, cursor)
				if got.status != http.StatusOK || len(items) > step {
					t.Fatalf("%s: %d %.200s", o.OperationID, got.status, got.body)
				}
				walked = append(walked, items...)
				if cursor = next; next == "" {
					break
				}
				cursors[o.OperationID] = next
			}
			if cursor != "" || len(walked) < len(whole) || len(walked) > len(whole) && o.OperationID != "list-events" {
				t.Errorf("%s: %d of %d items in pages", o.OperationID, len(walked), len(whole))
			}
			for i := range whole {
				if i < len(walked) && string(walked[i]) != string(whole[i]) && o.OperationID != "list-keys" {
					t.Errorf("%s: item %d differs: %s and %s", o.OperationID, i, walked[i], whole[i])
				}
			}
			for _, wrong := range []string{"x", "alain@contoso.com", strings.Repeat("A", 400), cursors[o.OperationID] + "A"} {
				_, _, got := page(owner, path, 1, wrong)
				s.refused(o.OperationID+" at "+wrong[:min(len(wrong), 20)], got, http.StatusBadRequest, problem.CursorWrong)
			}
			theirs := strings.Replace(path, "/orgs/contoso/", "/orgs/fabrikam/", 1)
			if o.OperationID != "get-bad-rows" && o.OperationID != "list-sessions" && !found { // what they are of is not there either
				_, _, got := page(foreign.key, theirs, 1, cursors[o.OperationID])
				if cursors[o.OperationID] != "" {
					s.refused(o.OperationID+" of another organization", got, http.StatusBadRequest, problem.CursorWrong)
				}
			}
		}
	}
	if lists < 9 {
		t.Errorf("%d lists", lists)
	}
	for name, cursor := range cursors {
		if strings.Contains(cursor, "contoso") || name == "list-people" {
			continue
		}
		s.refused("people at a cursor of "+name, s.ask(http.MethodGet, api+"/people?cursor="+cursor, owner, ""), http.StatusBadRequest, problem.CursorWrong)
	}
}

// requests has people ask for help.
func requests(t *testing.T, p *kuncitest.Product, userIDs ...string) {
	t.Helper()
	o := p.Organization()
	for _, userID := range userIDs {
		a, err := p.App.Accounts.Find(t.Context(), o, userID)
		if err != nil {
			t.Fatal(err)
		}
		err = p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
			return p.App.Helpdesk.Open(t.Context(), tx, audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.1", Correlation: "support"}, helpdesk.In{
				Org: o, UserID: userID, AccountID: a.ID, Problem: problem.NotVerified,
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
