package kuncitest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// program is a client of the API.
type program struct {
	t    *testing.T
	base string
	key  string
	http *http.Client
}

func newProgram(t *testing.T, p *kuncitest.Product, slug string, role org.Role) *program {
	t.Helper()
	_, key, err := p.App.NewAPIKey(t.Context(), slug, "test", role, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &program{t, p.URL, key, &http.Client{Transport: transport}}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// code is the problem's stable code.
func (a answer) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal([]byte(a.body), &p) // an answer that is no problem has none
	return p.Code
}

func (c *program) do(method, path, body string, header ...string) answer {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Error(err)
	}
	got := answer{response.StatusCode, response.Header, string(data)}
	asDocumented(c.t, method, path, got)
	return got
}

const api = "/api/v1/orgs/contoso"

// apiGrid says who may use which operation: owner, policy_admin,
// authentication_admin, helpdesk, auditor.
const apiGrid = `
GET /policy                     + + + - +
PUT /policy                     + + - - -
POST /policy/try                + + + - +
POST /policy/from-entra         + + + - +
GET /people                     + + + + +
GET /people/{id}                + + + + +
POST /people/find               + + + + +
POST /people/{id}/{act}         + - + + -
POST /people/{id}/pass          + - + + -
POST /people/{id}/value         + - + - -
POST /people/{id}/export        + - + - -
POST /people/{id}/erase         + - - - -
GET /people/{id}/sessions               + - + + -
DELETE /people/{id}/sessions/{session}  + - + + -
DELETE /people/{id}/methods/{method}       + - + - -
POST /people/{id}/methods/{method}/restore + - + - -
POST /people/{id}/caller        + - + + -
POST /people/{id}/caller/verify + - + + -
POST /imports                   + - + - -
GET /imports/{id}               + - + - -
GET /imports/{id}/bad           + - + - -
POST /imports/{id}/apply        + - + - -
POST /imports/{id}/cancel       + - + - -
POST /exports                   + - + - +
GET /requests                   + - + + -
GET /requests/{id}              + - + + -
POST /requests/{id}/resolve     + - + + -
POST /requests/{id}/assign      + - + + -
POST /requests/{id}/release     + - + + -
POST /requests/{id}/answer      + - + + -
GET /reports/registration       + + + - +
GET /reports/activity           + + + - +
GET /reports/registration/history + + + - +
GET /audit/events               + + + - +
POST /audit/events/find         + + + - +
GET /audit/events/{id}/proof    + + + - +
GET /audit/consistency          + + + - +
GET /audit/checkpoint           + + + - +
GET /keys                       + + - - +
GET /directory                  + + - - +
POST /directory/test            + - - - -
PUT /directory                  + - - - -
POST /directory/sync            + - - - -
GET /identity-provider          + + - - +
GET /administrators             + + - - +
PUT /administrators             + - - - -
DELETE /administrators/{id}     + - - - -
POST /resets                    - - - - -
GET /resets/{id}                - - - - -
POST /resets/{id}/choose        - - - - -
POST /resets/{id}/resend        - - - - -
POST /resets/{id}/verify        - - - - -
POST /resets/{id}/back          - - - - -
POST /resets/{id}/password      - - - - -
POST /resets/{id}/unlock        - - - - -
POST /resets/{id}/cancel        - - - - -
POST /resets/{id}/contact       - - - - -
GET /messages                              + + + - +
GET /messages/{message}/{language}         + + + - +
PUT /messages/{message}/{language}         + + - - -
POST /messages/{message}/{language}/reset  + + - - -
POST /messages/{message}/{language}/try    + + + - +
GET /domains                    + + - - +
GET /domains/{domain}           + + - - +
POST /domains                   + - - - -
POST /domains/{domain}/verify   + - - - -
DELETE /domains/{domain}        + - - - -
GET /webhooks                   + + - - +
GET /webhooks/{id}              + + - - +
GET /messages/undelivered       + + + - +
POST /webhooks                  + - - - -
POST /webhooks/{id}/pause       + - - - -
POST /webhooks/{id}/resume      + - - - -
POST /webhooks/{id}/test        + - - - -
GET /webhooks/{id}/set-aside    + + - - +
POST /webhooks/{id}/send-again  + - - - -
DELETE /webhooks/{id}/set-aside + - - - -
DELETE /webhooks/{id}/set-aside/{event} + - - - -
DELETE /webhooks/{id}           + - - - -
GET /help-texts                 + + + - +
GET /help-texts/{page}/{language}         + + + - +
PUT /help-texts/{page}/{language}         + + - - -
POST /help-texts/{page}/{language}/reset  + + - - -
POST /help-texts/{page}/{language}/try    + + + - +
GET /branding                   + + - - +
PUT /branding                   + - - - -
PUT /branding/logo              + - - - -
DELETE /branding/logo           + - - - -
GET /graph/v1.0/users/{id}/authentication/methods                  + + + + +
GET /graph/v1.0/users/{id}/authentication/phoneMethods             + + + + +
POST /graph/v1.0/users/{id}/authentication/phoneMethods            + - + - -
GET /graph/v1.0/users/{id}/authentication/phoneMethods/{method}    + + + + +
PATCH /graph/v1.0/users/{id}/authentication/phoneMethods/{method}  + - + - -
DELETE /graph/v1.0/users/{id}/authentication/phoneMethods/{method} + - + - -
GET /graph/v1.0/users/{id}/authentication/emailMethods             + + + + +
POST /graph/v1.0/users/{id}/authentication/emailMethods            + - + - -
GET /graph/v1.0/users/{id}/authentication/emailMethods/{method}    + + + + +
PATCH /graph/v1.0/users/{id}/authentication/emailMethods/{method}  + - + - -
DELETE /graph/v1.0/users/{id}/authentication/emailMethods/{method} + - + - -
GET /graph/v1.0/reports/authenticationMethods/userRegistrationDetails      + + + + +
GET /graph/v1.0/reports/authenticationMethods/userRegistrationDetails/{id} + + + + +
`

// apiResetBodies are what the operations of a reset take.
var apiResetBodies = map[string]string{
	"": `{"user_id":"alain@contoso.com"}`, "/{id}/choose": `{}`, "/{id}/resend": `{}`, "/{id}/verify": `{}`,
	"/{id}/password": `{"new_password":"x"}`, "/{id}/contact": `{}`,
}

// A new operation that stands in no row fails here.
func TestWhoMayUseWhichOperation(t *testing.T) {
	p := startConsole(t, store.SQLite)
	key := keyOf(t, p, "alain@contoso.com")
	rows := make(map[string][]string)
	for _, line := range strings.Split(strings.TrimSpace(apiGrid), "\n") {
		cells := strings.Fields(line)
		rows[cells[0]+" "+cells[1]] = cells[2:]
	}
	operations := p.App.API.Operations()
	if len(rows) != len(operations) {
		t.Errorf("%d rows for %d operations", len(rows), len(operations))
	}
	for i, role := range org.Roles {
		c := newProgram(t, p, "contoso", role)
		for _, o := range operations {
			name := strings.TrimPrefix(o.Path, "/api/v1/orgs/{org}")
			cells, ok := rows[o.Method+" "+name]
			if !ok {
				t.Errorf("%s %s stands in no row", o.Method, name)
				continue
			}
			path := api + strings.NewReplacer("{id}", key, "{act}", "revoke_sessions").Replace(name)
			body := ""
			if o.Method != http.MethodGet {
				body = `{"user_id":"alain@contoso.com"}`
				switch {
				case strings.HasPrefix(name, "/resets"):
					body = apiResetBodies[strings.TrimPrefix(name, "/resets")]
				case strings.Contains(name, "/phoneMethods"):
					body = `{"phoneNumber":"+62 81234567890","phoneType":"mobile"}`
				case strings.Contains(name, "/emailMethods"):
					body = `{"emailAddress":"alain@example.org"}`
				case name == "/administrators":
					body = `{"role":"auditor"}`
				case !strings.HasSuffix(path, "/find"):
					body = `{}`
				}
			}
			got := c.do(o.Method, path, body, "If-Match", `"99"`, "Kunci-Client-Address", "192.0.2.1", "Kunci-Flow-Token", "none")
			if refused := got.status == http.StatusForbidden; refused != (cells[i] == "-") || got.status >= 500 {
				t.Errorf("%s: %s %s: %d %s", role, o.Method, name, got.status, got.body)
			}
		}
	}
}

func TestWithoutAKeyNothingIsAnswered(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		right := c.key
		for name, key := range map[string]string{"none": "", "made up": "kunci_00000000000000000000000000000000_A", "cut": right[:len(right)-1], "no key": "password",
			"no text": "kunci_" + strings.Repeat("\xff", 32) + "_A", "in capitals": strings.ToUpper(right), "spaced": right + "A"} {
			c.key = key
			if got := c.do(http.MethodGet, api+"/people", ""); got.status != http.StatusUnauthorized || got.code() != string(problem.SignedOut) || got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		c.key = right
		if got := c.do(http.MethodGet, api+"/people", ""); got.status != http.StatusOK {
			t.Fatalf("with the key: %d %s", got.status, got.body)
		}
		p.Clock.Advance(25 * time.Hour)
		if got := c.do(http.MethodGet, api+"/people", ""); got.status != http.StatusUnauthorized {
			t.Errorf("after its end: %d", got.status)
		}
		c = newProgram(t, p, "contoso", org.Owner)
		keys, err := p.App.APIKeys(t.Context(), "contoso")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.App.RevokeAPIKey(t.Context(), "contoso", keys[0].ID); err != nil {
			t.Fatal(err)
		}
		if got := c.do(http.MethodGet, api+"/people", ""); got.status != http.StatusUnauthorized {
			t.Errorf("after it was revoked: %d", got.status)
		}
		if err := p.App.RevokeAPIKey(t.Context(), "contoso", keys[0].ID); err == nil {
			t.Error("revoked twice")
		}
	})
}

// Of a key its hash is kept and nothing that opens anything: a key that is looked for
// in database, log and events is not there. None lives longer than 366 days.
func TestAKeyIsKeptAsItsHashAndEnds(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		if got := c.do(http.MethodGet, api+"/keys", ""); got.status != http.StatusOK || strings.Contains(got.body, c.key[len(c.key)-20:]) {
			t.Errorf("%d %s", got.status, got.body)
		}
		noSecret(t, p, c.key, c.key[len(c.key)-20:])
		if !p.Holds("owner@contoso.com") {
			t.Error("a text that is kept is not found: this test sees nothing")
		}
		for _, life := range []time.Duration{-time.Hour, 0, admin.LongestKey + time.Second} {
			if _, _, err := p.App.NewAPIKey(t.Context(), "contoso", "test", org.Owner, life); !problem.Has(err, problem.BadInput) {
				t.Errorf("a key for %v: %v", life, err)
			}
		}
	})
}

// What belongs to another organization does not exist for a key, by whatever
// identifier it is asked for.
func TestAKeyOpensOneOrganization(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		p.Import("fabrikam", "user_id,password\nowner@fabrikam.com,teapot harbour violin\n")
		c := newProgram(t, p, "fabrikam", org.Owner)
		key := keyOf(t, p, "alain@contoso.com")
		own := "/api/v1/orgs/fabrikam"
		for _, path := range []string{
			api + "/people", api + "/policy", "/api/v1/orgs/CONTOSO/policy", "/api/v1/orgs//policy", "/api/v1/orgs/contoso%2f../fabrikam/policy",
			own + "/people/" + key, own + "/requests/" + key, "/api/v1/orgs", "/api/v1/other",
		} {
			if got := c.do(http.MethodGet, path, ""); got.status != http.StatusNotFound {
				t.Errorf("GET %s: %d %s", path, got.status, got.body)
			}
		}
		if got := c.do(http.MethodPost, own+"/people/"+key+"/freeze", ""); got.status != http.StatusNotFound {
			t.Errorf("an act: %d", got.status)
		}
		if got := c.do(http.MethodPost, own+"/people/find", `{"user_id":"alain@contoso.com"}`); got.status != http.StatusNotFound {
			t.Errorf("find: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodGet, own+"/audit/events", ""); strings.Contains(got.body, "contoso.com") {
			t.Error("another organization's events")
		}
	})
}

func TestPeopleThroughTheAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Helpdesk)
		var seen []string
		after := ""
		for range 10 {
			got := c.do(http.MethodGet, api+"/people?limit=3&cursor="+after, "")
			var list struct {
				People []struct {
					ID     string `json:"id"`
					UserID string `json:"user_id"`
				} `json:"people"`
				Next string `json:"next"`
			}
			if err := json.Unmarshal([]byte(got.body), &list); err != nil {
				t.Fatal(got.body)
			}
			for _, one := range list.People {
				seen = append(seen, one.UserID)
			}
			if after = list.Next; after == "" {
				break
			}
		}
		if len(seen) != 8 || seen[0] != "alain@contoso.com" || seen[7] != "policy_admin@contoso.com" {
			t.Errorf("pages: %v", seen)
		}
		key := keyOf(t, p, "alain@contoso.com")
		got := c.do(http.MethodGet, api+"/people/"+key, "")
		if strings.Contains(got.body, "alain@example.net") || !strings.Contains(got.body, `"can_reset":true`) {
			t.Errorf("a person: %s", got.body)
		}
		for _, act := range []string{"freeze", "unlock", "clear_limits", "revoke_sessions", "revoke_pass"} {
			if got = c.do(http.MethodPost, api+"/people/"+key+"/"+act, ""); got.status != http.StatusUnprocessableEntity || got.code() != string(problem.CallerUnverified) {
				t.Errorf("%s before it is known who calls: %d %s", act, got.status, got.body)
			}
		}
		if got = c.do(http.MethodDelete, api+"/people/"+key+"/sessions/none", ""); got.code() != string(problem.CallerUnverified) {
			t.Errorf("a session that is none, before it is known who calls: %d %s", got.status, got.body)
		}
		code := callers(t, p, func() {
			c.do(http.MethodPost, api+"/people/"+key+"/caller", `{"method_id":"`+mailOf(t, p, "alain@contoso.com")+`"}`)
		})
		if got = c.do(http.MethodPost, api+"/people/"+key+"/caller/verify", `{"code":"`+code+`"}`); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		for range 2 { // repeating an act is harmless
			if got = c.do(http.MethodPost, api+"/people/"+key+"/freeze", ""); got.status != http.StatusOK || !strings.Contains(got.body, "frozen_since") {
				t.Errorf("freeze: %d %s", got.status, got.body)
			}
		}
		if got = c.do(http.MethodPost, api+"/people/"+key+"/unfreeze", ""); got.status != http.StatusForbidden {
			t.Errorf("unfreeze by the helpdesk: %d", got.status)
		}
		if got = c.do(http.MethodPost, api+"/people/"+keyOf(t, p, "owner@contoso.com")+"/freeze", ""); got.status != http.StatusForbidden {
			t.Errorf("an act upward: %d", got.status)
		}
		if got = c.do(http.MethodPost, api+"/people/"+key+"/reset_password", ""); got.status != http.StatusUnprocessableEntity {
			t.Errorf("an act that is none: %d", got.status)
		}
	})
}

func TestThePolicyThroughTheAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.PolicyAdmin)
		got := c.do(http.MethodGet, api+"/policy", "")
		tag := got.header.Get("ETag")
		if got.status != http.StatusOK || tag == "" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		two := strings.Replace(got.body, `"gates": 1`, `"gates": 2`, 1)
		if two == got.body {
			two = strings.Replace(got.body, `"gates":1`, `"gates":2`, 1)
		}
		if tried := c.do(http.MethodPost, api+"/policy/try", two); !strings.Contains(tried.body, `"stranded":1`) || p.Organization().Policy.Reset.Gates != 1 {
			t.Errorf("try: %d %s", tried.status, tried.body)
		}
		if got = c.do(http.MethodPut, api+"/policy", two); got.status != http.StatusUnprocessableEntity && got.status != http.StatusBadRequest {
			t.Errorf("without having seen the version: %d", got.status)
		}
		if !strings.Contains(got.body, i18n.For("en").T("fault.if_match")) || strings.Contains(got.body, "form") {
			t.Errorf("without having seen the version: %s", got.body)
		}
		if got = c.do(http.MethodPut, api+"/policy", two, "If-Match", `"7"`); got.status != http.StatusPreconditionFailed || got.code() != string(problem.Conflict) {
			t.Errorf("another version: %d %s", got.status, got.body)
		}
		if got = c.do(http.MethodPut, api+"/policy", two, "If-Match", tag); got.status != http.StatusOK || got.header.Get("ETag") == tag || !strings.Contains(got.body, "policy.reset.gates") {
			t.Errorf("saved: %d %s", got.status, got.body)
		}
		if p.Organization().Policy.Reset.Gates != 2 {
			t.Error("not saved")
		}
		if got = c.do(http.MethodPut, api+"/policy", two, "If-Match", got.header.Get("ETag")); got.status != http.StatusOK || !strings.Contains(got.body, `"changes":[]`) {
			t.Errorf("saved once more: %d %s", got.status, got.body)
		}
		wrong := c.do(http.MethodPut, api+"/policy", `{"reset":{"gates":9,"marker-hunter2":1}}`, "If-Match", `"2"`)
		if wrong.code() != string(problem.DocumentWrong) || !strings.Contains(wrong.body, "reset.gates") && !strings.Contains(wrong.body, "hunter2") {
			t.Errorf("a wrong document: %d %s", wrong.status, wrong.body)
		}
	})
}

// What was sent is never said again, and a body is read strictly.
func TestTheAPIRepeatsNothing(t *testing.T) {
	p := startConsole(t, store.SQLite)
	c := newProgram(t, p, "contoso", org.Owner)
	const marker = "hunter2-marker"
	long := strings.Repeat(marker, 40)
	for _, body := range []string{
		`{"user_id":"` + long + `"}`, `{"user_id":12,"password":"` + marker + `"}`, `{"user_id":["` + marker + `"]}`,
		`{"user_id":"a","user_id":"` + marker + `"}`, `{"user_id":"a","USER_ID":"` + marker + `"}`, `{"` + marker, marker, `null`, `[]`,
	} {
		got := c.do(http.MethodPost, api+"/people/find", body)
		if got.status != http.StatusBadRequest && got.status != http.StatusUnprocessableEntity {
			t.Errorf("%.60s: %d", body, got.status)
		}
		if strings.Contains(got.body, marker) || got.header.Get("Content-Type") != "application/problem+json" || got.code() == "" {
			t.Errorf("%.60s: %s", body, got.body)
		}
	}
	if got := c.do(http.MethodGet, api+"/people?secret="+marker, ""); got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, marker) {
		t.Errorf("an unknown parameter: %d %s", got.status, got.body)
	}
	if strings.Contains(p.Logged.String(), c.key) || strings.Contains(p.Logged.String(), marker) {
		t.Error("a key or what was sent is in the log")
	}
	if got := c.do(http.MethodGet, "/api/openapi.json", ""); got.status != http.StatusOK || !strings.Contains(got.body, `"openapi": "3.1`) || strings.Contains(got.body, "127.0.0.1") {
		t.Errorf("the document: %d", got.status)
	}
}

// Of many requests at once exactly as many as a key has are answered.
func TestAKeyHasSoManyRequests(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		var mu sync.Mutex
		counts := make(map[int]int)
		var all sync.WaitGroup
		for range 13 {
			all.Go(func() {
				for range 50 {
					got := c.do(http.MethodGet, api+"/nothing", "")
					mu.Lock()
					counts[got.status]++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if counts[http.StatusNotFound] != 600 || counts[http.StatusTooManyRequests] != 50 {
			t.Errorf("%v", counts)
		}
		if got := c.do(http.MethodGet, api+"/policy", ""); got.header.Get("Retry-After") == "" || got.header.Get("RateLimit") == "" {
			t.Errorf("headers: %v", got.header)
		}
	})
}
