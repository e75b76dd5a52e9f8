package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/domain/domaintest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

// sent is how an operation is asked for with what is Contoso's.
type sent struct {
	ids    []string // a parameter of the address, and what stands there
	body   string
	header []string
	names  bool // the body names somebody of Contoso's
	status int  // what it is answered with in Contoso; 0: a success
}

// holdings are what Contoso has, and who asks for it.
type holdings struct {
	*surface
	theirs         map[org.Role]string // keys of Fabrikam
	mail, imported string
	flow, token    string
	codes          int // that had been mailed before the one to come was asked for
}

// probes say for every operation that has an identifier or a body how it is asked for.
var probes = map[string]func(h *holdings) sent{
	"PUT /policy":      func(h *holdings) sent { return sent{body: h.get("/policy"), header: h.version()} },
	"POST /policy/try": func(h *holdings) sent { return sent{body: h.get("/policy")} },
	"POST /policy/from-entra": func(*holdings) sent {
		return sent{body: `{"enablementType":2,"numberOfAuthenticationMethodsRequired":2,"emailOptionEnabled":true}`}
	},

	"GET /people/{id}":        (*holdings).alain,
	"POST /people/{id}/{act}": func(h *holdings) sent { return h.alain().and("{act}", "clear_limits") },
	"POST /people/find":       func(*holdings) sent { return sent{body: `{"user_id":"alain@contoso.com"}`, names: true} },
	"GET /people/{id}/sessions": func(h *holdings) sent {
		atDesk(h.t, h.p, "alain@contoso.com", false)
		return h.alain()
	},
	"DELETE /people/{id}/sessions/{session}": func(h *holdings) sent {
		return h.alain().and("{session}", h.first("/people/"+keyOf(h.t, h.p, "alain@contoso.com")+"/sessions", "sessions"))
	},
	"DELETE /people/{id}/methods/{method}":       func(h *holdings) sent { return h.alain().and("{method}", h.mail) },
	"POST /people/{id}/methods/{method}/restore": func(h *holdings) sent { return h.alain().and("{method}", h.mail) },
	"POST /people/{id}/export":                   (*holdings).alain,
	"POST /people/{id}/erase": func(h *holdings) sent {
		return sent{ids: []string{"{id}", keyOf(h.t, h.p, "eko@contoso.com")}, body: `{"confirm":"eko@contoso.com"}`}
	},
	"POST /people/{id}/pass":  func(h *holdings) sent { return h.alain().with(`{"minutes":60}`) },
	"POST /people/{id}/value": func(h *holdings) sent { return h.alain().with(`{"method_id":"` + h.mail + `"}`) },
	"POST /people/{id}/caller": func(h *holdings) sent {
		h.codes = len(h.mailed())
		return h.alain().with(`{"method_id":"` + h.mail + `"}`)
	},
	"POST /people/{id}/caller/verify": func(h *holdings) sent { return h.alain().with(`{"code":"` + h.code() + `"}`) },

	"POST /imports":             (*holdings).file,
	"GET /imports/{id}":         (*holdings).checked,
	"GET /imports/{id}/bad":     (*holdings).checked,
	"POST /imports/{id}/apply":  func(h *holdings) sent { return h.checked().with(`{"skip_bad":true}`) },
	"POST /imports/{id}/cancel": (*holdings).checked,

	"GET /requests/{id}":          (*holdings).request,
	"POST /requests/{id}/resolve": func(h *holdings) sent { return h.request().with(`{"note":"done"}`) },
	"POST /requests/{id}/assign":  (*holdings).request,
	"POST /requests/{id}/release": (*holdings).request,
	"POST /requests/{id}/answer":  func(h *holdings) sent { return h.request().with(`{"text":"Please call us."}`) },

	"POST /audit/events/find":      func(*holdings) sent { return sent{body: `{"user_id":"alain@contoso.com"}`, names: true} },
	"GET /audit/consistency":       func(*holdings) sent { return sent{status: http.StatusUnprocessableEntity} }, // of the installation, and it wants a size
	"GET /audit/events/{id}/proof": func(h *holdings) sent { return sent{ids: []string{"{id}", h.proved()}} },

	"POST /resets":               func(*holdings) sent { return sent{body: `{"user_id":"alain@contoso.com"}`, header: fromFront("")} },
	"GET /resets/{id}":           (*holdings).step,
	"POST /resets/{id}/choose":   (*holdings).choose,
	"POST /resets/{id}/resend":   func(h *holdings) sent { return h.step().with(`{}`) },
	"POST /resets/{id}/verify":   func(h *holdings) sent { return h.step().with(`{"code":"` + h.code() + `"}`) },
	"POST /resets/{id}/back":     (*holdings).step,
	"POST /resets/{id}/password": func(h *holdings) sent { return h.step().with(`{"new_password":"` + newPassword + `"}`) },
	"POST /resets/{id}/unlock":   (*holdings).step,
	"POST /resets/{id}/cancel":   (*holdings).step,
	"POST /resets/{id}/contact":  (*holdings).stuck,
	"POST /directory/test":       func(*holdings) sent { return sent{body: `{}`, status: http.StatusUnprocessableEntity} },
	"PUT /directory": func(h *holdings) sent {
		return sent{body: `{"dialect":"openldap","urls":["ldaps://ldap.example.com"],"bind_dn":"cn=x","base_dn":"dc=x"}`, header: h.version(), status: http.StatusUnprocessableEntity}
	},
	"POST /directory/sync":   func(*holdings) sent { return sent{status: http.StatusPreconditionFailed} },
	"GET /identity-provider": func(*holdings) sent { return sent{status: http.StatusNotFound} },
	"PUT /administrators": func(h *holdings) sent {
		return sent{body: `{"user_id":"citra@contoso.com","role":"auditor"}`, header: h.version()}
	},
	"DELETE /administrators/{id}": func(h *holdings) sent { return sent{ids: []string{"{id}", h.citra()}, header: h.version()} },

	"PUT /messages/{message}/{language}":        func(h *holdings) sent { return h.text("/messages/sms.reset/en").put(h) },
	"POST /messages/{message}/{language}/reset": func(h *holdings) sent { return sent{header: h.version()} },
	"POST /messages/{message}/{language}/try":   func(h *holdings) sent { return h.text("/messages/sms.reset/en") },
	"PUT /help-texts/{page}/{language}":         func(h *holdings) sent { return sent{body: `{"text":"Call us."}`}.put(h) },
	"POST /help-texts/{page}/{language}/reset":  func(h *holdings) sent { return sent{header: h.version()} },
	"POST /help-texts/{page}/{language}/try":    func(*holdings) sent { return sent{body: `{"text":"Call us."}`} },
	"PUT /branding": func(h *holdings) sent {
		return sent{body: `{"name":"PT Contoso","support":{"text":{"id":"B"}}}`}.put(h)
	},
	"PUT /branding/logo": func(h *holdings) sent {
		return sent{body: brandingLogo(h.t, 7), header: append(h.version(), "Content-Type", "image/png")}
	},
	"DELETE /branding/logo": func(h *holdings) sent { return sent{header: h.version()} },

	"GET /domains/{domain}":         func(*holdings) sent { return sent{ids: []string{"{domain}", "contoso.com"}} },
	"POST /domains":                 func(*holdings) sent { return sent{body: `{"domain":"contoso.co.id"}`} },
	"POST /domains/{domain}/verify": func(*holdings) sent { return sent{ids: []string{"{domain}", "contoso.co.id"}} },
	"DELETE /domains/{domain}": func(h *holdings) sent {
		return sent{ids: []string{"{domain}", "contoso.co.id"}, header: h.version()}
	},

	"GET /webhooks/{id}":             (*holdings).hook,
	"POST /webhooks":                 func(*holdings) sent { return sent{body: `{"url":"https://127.0.0.1/in"}`} },
	"POST /webhooks/{id}/pause":      (*holdings).hook,
	"POST /webhooks/{id}/resume":     (*holdings).hook,
	"POST /webhooks/{id}/test":       (*holdings).hook,
	"GET /webhooks/{id}/set-aside":   (*holdings).hook,
	"POST /webhooks/{id}/send-again": func(h *holdings) sent { return h.hook().with(`{}`) },
	"DELETE /webhooks/{id}/set-aside/{event}": func(h *holdings) sent {
		s := h.hook()
		return s.and("{event}", h.setAside(s.ids[1]))
	},
	"DELETE /webhooks/{id}/set-aside": func(h *holdings) sent {
		s := h.hook()
		h.setAside(s.ids[1])
		return s
	},
	"DELETE /webhooks/{id}": (*holdings).hook,

	"GET /graph/v1.0/users/{id}/authentication/methods":      (*holdings).graph,
	"GET /graph/v1.0/users/{id}/authentication/phoneMethods": (*holdings).graph,
	"POST /graph/v1.0/users/{id}/authentication/phoneMethods": func(h *holdings) sent {
		return h.graph().with(`{"phoneNumber":"+62 81234567890","phoneType":"mobile"}`)
	},
	"GET /graph/v1.0/users/{id}/authentication/phoneMethods/{method}": func(h *holdings) sent { return h.graph().and("{method}", graphMobile) },
	"PATCH /graph/v1.0/users/{id}/authentication/phoneMethods/{method}": func(h *holdings) sent {
		return h.graph().and("{method}", graphMobile).with(`{"phoneNumber":"+62 81234567891"}`)
	},
	"DELETE /graph/v1.0/users/{id}/authentication/phoneMethods/{method}": func(h *holdings) sent { return h.graph().and("{method}", graphMobile) },
	"GET /graph/v1.0/users/{id}/authentication/emailMethods":             (*holdings).graph,
	"POST /graph/v1.0/users/{id}/authentication/emailMethods":            func(h *holdings) sent { return h.graph().with(`{"emailAddress":"citra@example.net"}`) },
	"GET /graph/v1.0/users/{id}/authentication/emailMethods/{method}":    func(h *holdings) sent { return h.graph().and("{method}", graphMail) },
	"PATCH /graph/v1.0/users/{id}/authentication/emailMethods/{method}": func(h *holdings) sent {
		return h.graph().and("{method}", graphMail).with(`{"emailAddress":"citra@example.org"}`)
	},
	"DELETE /graph/v1.0/users/{id}/authentication/emailMethods/{method}": func(h *holdings) sent { return h.graph().and("{method}", graphMail) },

	"GET /graph/v1.0/reports/authenticationMethods/userRegistrationDetails/{id}": (*holdings).graph,
}

// and names more of what stands in the address.
func (s sent) and(ids ...string) sent { s.ids = append(s.ids, ids...); return s }

func (s sent) with(body string) sent { s.body = body; return s }

func (s sent) put(h *holdings) sent { s.header = append(s.header, h.version()...); return s }

func (s *surface) version() []string {
	return []string{"If-Match", `"` + strconv.FormatInt(s.p.Organization().Version, 10) + `"`}
}

// get reads something of Contoso's.
func (h *holdings) get(path string) string {
	h.t.Helper()
	got := h.ask(http.MethodGet, api+path, h.keys[org.Owner], "")
	if got.status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	return got.body
}

// first is the identifier of the first one in a list.
func (h *holdings) first(path, list string) string {
	h.t.Helper()
	var all map[string][]struct{ ID string }
	_ = json.Unmarshal([]byte(h.get(path)), &all) // next is no list
	if len(all[list]) == 0 {
		h.t.Fatalf("%s is empty", path)
	}
	return all[list][0].ID
}

func (h *holdings) alain() sent {
	return sent{ids: []string{"{id}", keyOf(h.t, h.p, "alain@contoso.com")}}
}

func (h *holdings) graph() sent {
	return sent{ids: []string{"{id}", keyOf(h.t, h.p, "citra@contoso.com")}}
}

// citra is the identifier of the role that she was given.
func (h *holdings) citra() string { return org.Administrator{UserID: "citra@contoso.com"}.ID() }

// text is a message as it is, to be written again.
func (h *holdings) text(path string) sent {
	var m struct{ Subject, Text string }
	if err := json.Unmarshal([]byte(h.get(path)), &m); err != nil {
		h.t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"subject": m.Subject, "text": m.Text})
	if err != nil {
		h.t.Fatal(err)
	}
	return sent{body: string(body)}
}

func (*holdings) file() sent {
	return sent{body: "user_id,email\nnew@contoso.com,\n,x\n", header: []string{"Content-Type", "text/csv"}}
}

// checked is an import that waits for a yes.
func (h *holdings) checked() sent {
	state := func() string {
		var b struct{ State string }
		_ = json.Unmarshal([]byte(h.get("/imports/"+h.imported)), &b) // empty is no state that is waited for
		return b.State
	}
	if now := state(); now != "checked" && now != "comparing" && now != "receiving" {
		until(h.t, "the end of the import", func() bool { return state() == "done" })
		s := h.file()
		h.took("POST /imports", h.ask(http.MethodPost, api+"/imports", h.keys[org.Owner], s.body, s.header...))
	}
	until(h.t, "a checked import", func() bool { return state() == "checked" })
	return sent{ids: []string{"{id}", h.imported}}
}

func (h *holdings) request() sent {
	requests(h.t, h.p, "alain@contoso.com", "auditor@contoso.com") // one is resolved
	return sent{ids: []string{"{id}", h.first("/requests?state=open", "requests")}}
}

// proved is an event that has its place in the log.
func (h *holdings) proved() (id string) {
	until(h.t, "a place in the log", func() bool {
		id = h.first("/audit/events", "events")
		return h.ask(http.MethodGet, api+"/audit/events/"+id+"/proof", h.keys[org.Owner], "").status == http.StatusOK
	})
	return id
}

func (h *holdings) hook() sent {
	one, _, err := h.p.App.Webhooks.Add(h.t.Context(), audit.Actor{Kind: audit.System}, h.p.Organization(), webhook.Order{URL: "https://127.0.0.1/in"})
	if err != nil {
		h.t.Fatal(err)
	}
	return sent{ids: []string{"{id}", one.ID}}
}

// setAside is an event that a webhook refused for long.
func (h *holdings) setAside(hook string) (id string) {
	h.proved()
	err := h.p.App.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(h.t.Context(), `INSERT INTO webhook_aside (webhook_id, leaf, event_id, kind, tries, last_error, set_aside_at, tried_at, next_at)
 SELECT $1, e.leaf, e.id, e.kind, 8, 'status-500', 1, 1, 9000000000000000 FROM audit_event e WHERE e.leaf IS NOT NULL ORDER BY e.leaf DESC LIMIT 1`, hook)
		if err != nil {
			return err
		}
		return tx.QueryRow(h.t.Context(), `SELECT event_id FROM webhook_aside WHERE webhook_id = $1`, hook).Scan(&id)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func fromFront(token string) []string {
	return []string{"Kunci-Client-Address", apiPerson, "Kunci-Flow-Token", token}
}

func (h *holdings) step() sent {
	return sent{ids: []string{"{id}", h.flow}, header: fromFront(h.token)}
}

func (h *holdings) choose() sent {
	s := h.step()
	got := h.ask(http.MethodGet, api+"/resets/"+h.flow, h.keys[admin.FrontEnd], "", s.header...)
	h.codes = len(h.mailed())
	return s.with(fmt.Sprintf(`{"method":%q}`, apiRead(h.t, got).Choices[0].ID))
}

// stuck is a flow of somebody who has no method.
func (h *holdings) stuck() sent {
	h.took("POST /resets", h.ask(http.MethodPost, api+"/resets", h.keys[admin.FrontEnd], `{"user_id":"citra@contoso.com"}`, fromFront("")...))
	return h.step().with(`{"message":"Please help"}`)
}

var eightDigits = regexp.MustCompile(`\b\d{8}\b`)

// mailed are the codes that arrived at Alain's mailbox.
func (h *holdings) mailed() (all []string) {
	for _, m := range h.p.Mail.Mails() {
		if code := eightDigits.FindString(m.Parse(h.t).Text); m.To == "alain@example.net" && code != "" {
			all = append(all, code)
		}
	}
	return all
}

func (h *holdings) code() string {
	until(h.t, "a code", func() bool { return len(h.mailed()) > h.codes })
	return h.mailed()[h.codes]
}

// took keeps what an operation made for those that follow.
func (h *holdings) took(name string, got answer) {
	var made struct{ ID, Token string }
	_ = json.Unmarshal([]byte(got.body), &made) // not every answer has them
	switch name {
	case "POST /imports":
		h.imported = made.ID
	case "POST /resets":
		h.flow, h.token = made.ID, made.Token
	}
}

// recorded is how much is in Contoso's log.
func (h *holdings) recorded() (n int) {
	o := h.p.Organization().ID
	for _, e := range h.p.Events() {
		if e.Org == o {
			n++
		}
	}
	return n
}

// Every operation, found in the router, is asked for with identifiers that are
// Contoso's: by Fabrikam's key nothing is found, below Contoso's address and below its
// own, and nothing happens; with a body that says something unknown, twice or in
// another spelling it is refused, and nothing happens; by Contoso's own key it succeeds,
// so the identifiers were right, and its answer is as openapi.json says. A new
// operation that stands in no row fails here.
func TestEveryIdentifierIsOfOneOrganization(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{
		Accounts: consolePeople, DNS: domaintest.Start(t),
		Organization: strings.Replace(consoleOrganization, "contractors]}}", "contractors]}, phone: {countries: [ID]}, captcha: off}", 1),
	})
	p.Import("fabrikam", "user_id,password\nowner@fabrikam.com,teapot harbour violin\nx@fabrikam.com,teapot harbour violin\n")
	theirOwn := keyIn(t, p, "fabrikam", "x@fabrikam.com")
	h := &holdings{surface: &surface{t: t, p: p, keys: make(map[org.Role]string)}, theirs: make(map[org.Role]string), mail: mailOf(t, p, "alain@contoso.com")}
	usual := strings.NewReplacer("{language}", "en", "{message}", "sms.reset", "{page}", "help")
	probed := 0
	for _, o := range p.App.API.Operations() {
		name := o.Method + " " + strings.TrimPrefix(o.Path, "/api/v1/orgs/{org}")
		role := org.Owner
		if !admin.May(role, o.Needs) {
			role = admin.FrontEnd
		}
		for _, r := range []org.Role{org.Owner, admin.FrontEnd} {
			if h.keys[r] != "" && (strings.Contains(name, "/requests/") || strings.HasSuffix(name, "/caller/verify")) {
				continue // what a key began it goes on with
			}
			h.keys[r], h.theirs[r] = newProgram(t, p, "contoso", r).key, newProgram(t, p, "fabrikam", r).key
		}
		documented, _ := checkedIn().operation(o.Method, usual.Replace(o.Path))
		row, ok := probes[name]
		var s sent
		if ok {
			s = row(h)
		} else if documented.RequestBody != nil || strings.Contains(usual.Replace(name), "{") {
			t.Errorf("%s stands in no row", name)
			continue
		}
		path := usual.Replace(strings.NewReplacer(s.ids...).Replace(o.Path))
		ours, own := strings.Replace(path, "{org}", "contoso", 1), strings.Replace(path, "{org}", "fabrikam", 1)
		before := h.recorded()
		if got := h.ask(o.Method, ours, h.theirs[role], s.body, s.header...); got.status != http.StatusNotFound {
			t.Errorf("%s by another organization: %d %s", name, got.status, got.body)
		}
		if len(s.ids) > 0 || s.names {
			probed++
			if got := h.ask(o.Method, own, h.theirs[role], s.body, s.header...); got.status != http.StatusNotFound {
				t.Errorf("%s of another organization: %d %s", name, got.status, got.body)
			}
		}
		if strings.Contains(o.Path, "{session}") || strings.Contains(o.Path, "{method}") || strings.Contains(s.body, h.mail) {
			mixed := usual.Replace(strings.NewReplacer(append([]string{"{org}", "fabrikam", "{id}", theirOwn}, s.ids...)...).Replace(o.Path))
			if got := h.ask(o.Method, mixed, h.theirs[role], s.body, s.header...); got.status != http.StatusNotFound && got.code() != "method-not-allowed" {
				t.Errorf("%s with a person of its own: %d %s", name, got.status, got.body)
			}
		}
		if now := h.recorded(); now != before {
			t.Errorf("%s by another organization: %d events of ours", name, now-before)
		}
		for _, body := range unstrict(documented, s.body, o.Method, strings.Contains(o.Path, "/graph/")) {
			got := h.ask(o.Method, ours, h.keys[role], body, s.header...)
			if got.status != http.StatusBadRequest && got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `"bad-input"`) && !strings.Contains(got.body, `"document-wrong"`) {
				t.Errorf("%s with %.200s: %d %s", name, body, got.status, got.body)
			}
		}
		if now := h.recorded(); now != before {
			t.Errorf("%s with a body that is wrong: %d events", name, now-before)
		}
		got := h.ask(o.Method, ours, h.keys[role], s.body, s.header...)
		if s.status == 0 && got.status >= 300 || s.status != 0 && got.status != s.status {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		h.took(name, got)
	}
	if probed < 50 {
		t.Errorf("%d identifiers were probed", probed)
	}
}

// unstrict are bodies that no operation may take: with a name that is unknown, one
// that stands twice, one in another spelling, and, where no body is taken, any.
func unstrict(o documented, body, method string, graph bool) (all []string) {
	if method == http.MethodGet {
		return nil
	}
	if o.RequestBody == nil {
		return []string{`{"nobody":1}`, `[]`, `"x"`, `{}{}`}
	}
	shape, ok := o.RequestBody.Content["application/json"]
	if !ok {
		return nil // a file, or a picture
	}
	var has map[string]json.RawMessage
	_ = json.Unmarshal([]byte(body), &has) // an empty one has no names
	inside := strings.TrimPrefix(strings.TrimSpace(body), "{")
	comma := ","
	if len(has) == 0 {
		comma = ""
	}
	with := func(more string) string { return "{" + more + comma + inside }
	all = append(all, body+`{}`)
	if o.OperationID != "policy-from-entra" { // what its notes name is taken
		all = append(all, with(`"nobody":1`))
	}
	names := slices.Collect(maps.Keys(checkedIn().resolved(shape.Schema).Properties))
	names = append(names, slices.Collect(maps.Keys(has))...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "$schema" {
			continue
		}
		other := strings.ToUpper(name[:1]) + name[1:]
		all = append(all, with(fmt.Sprintf(`%q:null,%q:null`, name, name)), with(fmt.Sprintf("%q:null", other)), fmt.Sprintf(`{%q:"x"}`, other))
	}
	return all
}
