package kuncitest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

// mailOf gives the id of somebody's registered address.
func mailOf(t *testing.T, p *kuncitest.Product, userID string) (id string) {
	t.Helper()
	a, err := p.App.Accounts.Find(t.Context(), p.Organization(), userID)
	if err != nil {
		t.Fatal(err)
	}
	err = p.App.DB.Read(t.Context(), func(tx *store.Tx) error {
		all, err := p.App.Methods.List(t.Context(), tx, a.OrgID, a.ID)
		for _, m := range all {
			if m.Kind == method.Email {
				id = m.ID
			}
		}
		return err
	})
	if err != nil || id == "" {
		t.Fatalf("%s has no address: %v", userID, err)
	}
	return id
}

// callers gives the code that a person in a call reads out; ask has it sent.
func callers(t *testing.T, p *kuncitest.Product, ask func()) string {
	t.Helper()
	n := len(p.Mail.Mails())
	ask()
	for n++; ; n++ {
		text := p.Mail.Wait(t, n)[n-1].Parse(t).Text
		if code := codeOfMail.FindString(text); code != "" && (strings.Contains(text, "in this call and for nothing else") || strings.Contains(text, "dalam panggilan ini")) {
			return code
		}
	}
}

// inCall has an agent of the console find out that it is this person who calls.
func inCall(t *testing.T, p *kuncitest.Product, b *kuncitest.Browser, userID string) {
	t.Helper()
	address := "/console/people/" + keyOf(t, p, userID)
	code := callers(t, p, func() { b.Post(address, "act", "send_code", "method", mailOf(t, p, userID)) })
	if page := b.Post(address, "act", "verify_code", "code", code); page.Alert() != "" {
		t.Fatalf("the caller is not verified: %q", page.Alert())
	}
}

// reasons are those of the events of a kind, the oldest first.
func reasons(p *kuncitest.Product, kind audit.Kind) (all []string) {
	events := p.Events()
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Kind == kind {
			all = append(all, string(events[i].Outcome)+":"+events[i].Reason)
		}
	}
	return all
}

// Before the helpdesk changes anything it has to know who calls.
func TestTheHelpdeskVerifiesWhoCalls(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "helpdesk@contoso.com", true)
		address := "/console/people/" + keyOf(t, p, "alain@contoso.com")
		one := signedIn(t, p, "alain@contoso.com", "")
		for _, act := range []string{"issue_pass", "revoke_pass", "unlock", "clear_limits", "freeze", "revoke_sessions", "end_session"} {
			before := len(p.Events())
			if page := b.Post(address, "act", act, "minutes", "60", "session", one.session.ID); page.Alert() != string(problem.CallerUnverified) || page.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s before anybody was verified: %d %q", act, page.Status, page.Alert())
			}
			if n := len(p.Events()) - before; n != 0 {
				t.Errorf("%s: %d events", act, n)
			}
		}
		if page := b.Get(address); !strings.Contains(page.Body, `data-caller="first"`) || !strings.Contains(page.Text(), "An owner or an authentication administrator") {
			t.Errorf("the page does not say what comes first: %s", page.Text())
		} else if open := able(page); !slices.Equal(open, []string{"send_code"}) {
			t.Errorf("what can be pressed before: %v", open)
		}
		if page := b.Post(address, "act", "verify_code", "code", "12345678"); page.Alert() != string(problem.NoCallerCode) {
			t.Errorf("no code was sent: %q", page.Alert())
		}
		b.Post(address, "act", "send_code", "method", mailOf(t, p, "owner@contoso.com"))
		if n := len(reasons(p, audit.CallerAsked)); n != 0 {
			t.Error("a code went to another person's method")
		}
		b.Post(address, "act", "send_code", "method", mailOf(t, p, "alain@contoso.com")).Want(http.StatusOK, "console-person")
		code := p.Code(1)
		if mail := p.Mail.Mails()[0].Parse(t).Text; !strings.Contains(mail, "in this call and for nothing else") || strings.Contains(mail, "127.0.0.1") {
			t.Errorf("the mail: %s", mail)
		}
		// It opens nothing but the agent's own question.
		person := p.Browser()
		person.Get("/reset")
		if page := person.Post("/reset/verify", "code", code, "action", "verify"); page.Name() == "reset-password" {
			t.Error("a caller's code passed a gate")
		}
		wrong := "00000000"
		if code == wrong {
			wrong = "00000001"
		}
		if page := b.Post(address, "act", "verify_code", "code", wrong); page.Alert() != string(problem.CodeWrong) {
			t.Errorf("a wrong code: %q", page.Alert())
		}
		other := atDesk(t, p, "authentication_admin@contoso.com", true)
		if page := other.Post(address, "act", "verify_code", "code", code); page.Alert() != string(problem.NoCallerCode) {
			t.Errorf("another agent's code: %q", page.Alert())
		}
		verified := b.Post(address, "act", "verify_code", "code", code).Want(http.StatusOK, "console-person")
		if open := able(verified); strings.Contains(verified.Body, `data-caller="first"`) || !slices.Contains(open, "freeze") || !slices.Contains(open, "end_session") || !slices.Contains(open, "issue_pass") {
			t.Errorf("what can be pressed after: %v", open)
		}
		page := b.Post(address, "act", "issue_pass", "minutes", "60").Want(http.StatusOK, "console-person")
		if !strings.Contains(page.Text(), "It is shown only now") || strings.Contains(b.Get(address).Text(), "It is shown only now") {
			t.Errorf("the pass: %s", page.Text())
		}
		if p.Clock.Advance(9 * time.Minute); b.Post(address, "act", "clear_limits").Alert() != "" {
			t.Error("within the ten minutes")
		}
		if p.Clock.Advance(2 * time.Minute); b.Post(address, "act", "clear_limits").Alert() != string(problem.CallerUnverified) {
			t.Error("after the ten minutes")
		}
		// The roles above may meet people.
		if page := other.Post(address, "act", "issue_pass", "minutes", "1"); page.Alert() != string(problem.PassMinutes) {
			t.Errorf("too short: %q", page.Alert())
		}
		if page := other.Post(address, "act", "issue_pass", "minutes", "60"); page.Alert() != "" {
			t.Errorf("an authentication administrator: %q", page.Alert())
		}
		other.Post(address, "act", "revoke_pass").Want(http.StatusOK, "console-person")
		if got := strings.Join(reasons(p, audit.CallerVerified), " "); got != "failure:code-wrong success:" {
			t.Errorf("recorded: %s", got)
		}
		if strings.Contains(p.Logged.String(), code) {
			t.Error("a code is in the log")
		}
	})
}

// able are the acts of a page whose buttons can be pressed.
func able(page *kuncitest.Page) (acts []string) {
	for _, n := range page.Find(func(n *html.Node) bool { return n.Data == "button" && kuncitest.Attribute(n, "name") == "act" }) {
		if !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "disabled" }) {
			acts = append(acts, kuncitest.Attribute(n, "value"))
		}
	}
	return acts
}

// A pass is for nobody above, nor for oneself; what an API key is called gives it no role.
func TestNobodyIssuesAPassUpward(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		for role, target := range map[string]string{
			"helpdesk": "authentication_admin@contoso.com", "authentication_admin": "owner@contoso.com", "owner": "owner@contoso.com",
		} {
			b := atDesk(t, p, role+"@contoso.com", true)
			for _, act := range []string{"issue_pass", "see_values", "send_code", "verify_code"} {
				page := b.Post("/console/people/"+keyOf(t, p, target), "act", act, "minutes", "60", "method", mailOf(t, p, target), "code", "12345678")
				if page.Alert() != string(problem.Forbidden) {
					t.Errorf("%s for %s, %s: %d %q", role, target, act, page.Status, page.Alert())
				}
			}
		}
		if n := len(reasons(p, audit.TapIssued)); n != 0 {
			t.Errorf("%d passes were issued", n)
		}
		_, key, err := p.App.NewAPIKey(t.Context(), "contoso", "owner@contoso.com", org.Helpdesk, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c := newProgram(t, p, "contoso", org.Owner)
		c.key = key
		if got := c.do(http.MethodPost, api+"/people/"+keyOf(t, p, "authentication_admin@contoso.com")+"/pass", `{}`); got.status != http.StatusForbidden {
			t.Errorf("a key with an owner's name: %d %s", got.status, got.body)
		}
	})
}

// A whole address is shown once, to those who may, and that is recorded.
func TestAWholeValueIsALoggedAct(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		id := mailOf(t, p, "alain@contoso.com")
		address := "/console/people/" + keyOf(t, p, "alain@contoso.com")
		if page := atDesk(t, p, "helpdesk@contoso.com", true).Post(address, "act", "see_values", "method", id); page.Alert() != string(problem.Forbidden) || strings.Contains(page.Body, "alain@example.net") {
			t.Errorf("the helpdesk: %q", page.Alert())
		}
		b := atDesk(t, p, "authentication_admin@contoso.com", true)
		if page := b.Post(address, "act", "see_values", "method", id).Want(http.StatusOK, "console-person"); !strings.Contains(page.Text(), "alain@example.net") {
			t.Error("it is not shown")
		}
		if page := b.Get(address); strings.Contains(page.Body, "alain@example.net") {
			t.Error("it is shown again")
		}
		if page := b.Post(address, "act", "see_values", "method", mailOf(t, p, "eko@contoso.com")); page.Status != http.StatusNotFound || strings.Contains(page.Body, "eko@example.net") {
			t.Errorf("another person's: %d", page.Status)
		}
		got := newProgram(t, p, "contoso", org.AuthenticationAdmin).do(http.MethodPost, api+"/people/"+keyOf(t, p, "alain@contoso.com")+"/value", `{"method_id":"`+id+`"}`)
		if !strings.Contains(got.body, "alain@example.net") {
			t.Errorf("by API: %d %s", got.status, got.body)
		}
		if got := strings.Join(reasons(p, audit.ExportCreated), " "); got != "success:method-value success:method-value" {
			t.Errorf("recorded: %s", got)
		}
	})
}

// Of many guesses at once no more are judged than the gate's limit allows, and
// they count against the person's resets like all others.
func TestGuessingACallersCode(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Helpdesk)
		path := api + "/people/" + keyOf(t, p, "alain@contoso.com")
		if got := c.do(http.MethodPost, path+"/caller", `{"method_id":"`+mailOf(t, p, "alain@contoso.com")+`"}`); got.status != http.StatusOK || !strings.Contains(got.body, "a…@e…") {
			t.Fatalf("%d %s", got.status, got.body)
		}
		code := p.Code(1)
		var mu sync.Mutex
		seen := make(map[string]int)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				guess := string([]byte{'0' + byte(i/10), '0' + byte(i%10)}) + "345678"
				if guess == code {
					guess = "99345678"
				}
				got := c.do(http.MethodPost, path+"/caller/verify", `{"code":"`+guess+`"}`)
				mu.Lock()
				seen[got.code()]++
				mu.Unlock()
			})
		}
		all.Wait()
		if limit := p.Organization().Policy.Throttle.Gate.Limit; seen[string(problem.CodeWrong)] != limit || seen[string(problem.Blocked)] != 20-limit {
			t.Errorf("%v", seen)
		}
		got := c.do(http.MethodPost, path+"/caller/verify", `{"code":"`+code+`"}`)
		if got.code() != string(problem.Blocked) || got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
			t.Errorf("the right one after that: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPost, path+"/pass", `{}`); got.code() != string(problem.CallerUnverified) {
			t.Errorf("a pass: %d %s", got.status, got.body)
		}
	})
}

func TestAPassThroughTheAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Helpdesk)
		path := api + "/people/" + keyOf(t, p, "alain@contoso.com")
		c.do(http.MethodPost, path+"/caller", `{"method_id":"`+mailOf(t, p, "alain@contoso.com")+`"}`)
		if got := c.do(http.MethodPost, path+"/caller/verify", `{"code":"`+p.Code(1)+`"}`); got.status != http.StatusOK || !strings.Contains(got.body, "verified_at") {
			t.Fatalf("%d %s", got.status, got.body)
		}
		got := c.do(http.MethodPost, path+"/pass", `{"minutes":30}`)
		var pass struct {
			Pass         string
			Starts, Ends time.Time
		}
		if err := json.Unmarshal([]byte(got.body), &pass); err != nil || pass.Ends.Sub(pass.Starts) != 30*time.Minute || pass.Pass == "" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if strings.Contains(c.do(http.MethodGet, path, "").body, pass.Pass) || strings.Contains(p.Logged.String(), pass.Pass) {
			t.Error("the pass is told again")
		}
		if got := c.do(http.MethodPost, path+"/revoke_pass", ""); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPost, path+"/revoke_pass", ""); got.status != http.StatusNotFound {
			t.Errorf("twice: %d %s", got.status, got.body)
		}
	})
}

// A request is taken, answered and closed, in the console and by a program.
func TestARequestIsWorkedOn(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		person := p.Browser()
		person.Get("/reset")
		person.Post("/reset", "user_id", "eko@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
		person.Post("/reset/contact", "message", "Tolong").Want(http.StatusOK, "reset-contact-sent")
		b := atDesk(t, p, "helpdesk@contoso.com", true)
		address := b.Get("/console/requests?who=nobody&problem=not-enabled").Links("/console/requests/")[0]
		if page := b.Get("/console/requests?problem=blocked"); len(page.Links("/console/requests/")) != 0 {
			t.Error("the filter shows another dead end")
		}
		b.Post(address, "act", "assign").Want(http.StatusOK, "console-request")
		if len(b.Get("/console/requests?who=mine").Links("/console/requests/")) != 1 || len(b.Get("/console/requests?who=nobody").Links("/console/requests/")) != 0 {
			t.Error("it is not mine")
		}
		refused := b.Post(address, "act", "answer", "text", "Buka evil.example", "method", mailOf(t, p, "eko@contoso.com"))
		if typed, _ := refused.Field("text"); refused.Alert() != string(problem.AnswerLink) || strings.TrimSpace(typed) != "Buka evil.example" {
			t.Errorf("a link: %q, %q", refused.Alert(), typed)
		}
		long := strings.Repeat("Silakan datang. ", 2000)
		if page := b.Post(address, "act", "answer", "text", long, "method", mailOf(t, p, "eko@contoso.com")).Want(http.StatusUnprocessableEntity, "console-request"); !strings.Contains(page.Body, long) {
			t.Errorf("a long answer: %q, and what was typed is gone", page.Alert())
		}
		b.Post(address, "act", "answer", "text", "Silakan datang pukul 08.30.", "method", mailOf(t, p, "eko@contoso.com")).Want(http.StatusOK, "console-request")
		// The support address hears of the request and perhaps of what waits, in whatever order.
		answer := -1
		var mails []notifytest.Received
		for n := 2; answer < 0 && n < 5; n++ {
			mails = p.Mail.Wait(t, n)
			answer = slices.IndexFunc(mails, func(m notifytest.Received) bool { return m.To == "eko@example.net" })
		}
		if answer < 0 {
			t.Fatal("no answer was mailed")
		}
		if text := mails[answer].Parse(t).Text; !strings.Contains(text, "pukul 08.30.") || strings.Contains(text, "http") {
			t.Errorf("answered: %s", text)
		}
		c := newProgram(t, p, "contoso", org.Helpdesk)
		path := strings.Replace(address, "/console", api, 1)
		if got := c.do(http.MethodPost, path+"/assign", ""); !strings.Contains(got.body, `"assigned_to":"test"`) || !strings.Contains(got.body, "08.30") {
			t.Errorf("by API: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodGet, api+"/requests?assigned=me", ""); !strings.Contains(got.body, "eko@contoso.com") {
			t.Errorf("mine by API: %s", got.body)
		}
		if got := c.do(http.MethodPost, path+"/answer", `{"text":"Sampai nanti."}`); got.status != http.StatusOK || strings.Contains(got.body, "eko@example.net") {
			t.Errorf("answered by API: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPost, path+"/release", ""); strings.Contains(got.body, "assigned_to") {
			t.Errorf("released: %s", got.body)
		}
		if got := strings.Join(reasons(p, audit.RequestAssigned), " "); got != "success:taken success:taken success:released" {
			t.Errorf("recorded: %s", got)
		}
	})
}

// An owner makes and revokes keys in the console; whoever may read the settings
// sees them without, and no secret of the directory.
func TestSettingsAndKeys(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "owner@contoso.com", true)
		if page := b.Post("/console/settings", "act", "create_key", "name", "", "role", "auditor", "life", "30"); page.Alert() != string(problem.Required) {
			t.Errorf("without a name: %q", page.Alert())
		}
		for _, days := range []string{"0", "367", "-1", "many"} {
			if page := b.Post("/console/settings", "act", "create_key", "name", "x", "role", "auditor", "life", days); page.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s days: %d", days, page.Status)
			}
		}
		made := b.Post("/console/settings", "act", "create_key", "name", "Nightly", "role", "auditor", "life", "30").Want(http.StatusOK, "console-settings")
		at := strings.Index(made.Text(), "kunci_")
		key, _, _ := strings.Cut(made.Text()[at:], " ")
		c := newProgram(t, p, "contoso", org.Owner)
		c.key = key
		if got := c.do(http.MethodGet, api+"/audit/events", ""); got.status != http.StatusOK {
			t.Errorf("the key: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPut, api+"/policy", "{}", "If-Match", `"1"`); got.status != http.StatusForbidden {
			t.Errorf("the key can more than its role: %d", got.status)
		}
		if page := b.Get("/console/settings"); strings.Contains(page.Body, key) || !strings.Contains(page.Text(), "Nightly") || !strings.Contains(page.Text(), "policy_admin@contoso.com") {
			t.Error("the key is shown again, or the page lacks something")
		}
		reader := atDesk(t, p, "auditor@contoso.com", true)
		page := reader.Get("/console/settings").Want(http.StatusOK, "console-settings")
		if !strings.Contains(page.Text(), "Nightly") || len(page.Choices("act")) != 0 {
			t.Errorf("an auditor: %v", page.Choices("act"))
		}
		keys, err := p.App.APIKeys(t.Context(), "contoso")
		if err != nil {
			t.Fatal(err)
		}
		id := ""
		for _, k := range keys {
			if k.Name == "Nightly" {
				id = k.ID
			}
		}
		b.Post("/console/settings", "act", "revoke_key", "id", id).Want(http.StatusOK, "console-settings")
		if got := c.do(http.MethodGet, api+"/audit/events", ""); got.status != http.StatusUnauthorized {
			t.Errorf("after it was revoked: %d", got.status)
		}
		created := false
		for _, e := range p.Events() {
			created = created || e.Kind == audit.AdministratorChanged && e.Reason == "api-key-created" && e.Actor.UserID == "owner@contoso.com"
		}
		if !created {
			t.Error("that the owner made a key is not recorded")
		}
	})
}

// What happens reaches a receiver through the running product, and the settings
// and the first page show how that goes without its address.
func TestEventsReachAWebhook(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		arrived := make(chan string, 100)
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			arrived <- string(body)
		}))
		t.Cleanup(receiver.Close)
		_, _, err := p.App.AddWebhook(t.Context(), "contoso", webhook.Order{
			URL: receiver.URL + "/t0ken", Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		})
		if err != nil {
			t.Fatal(err)
		}
		b := atDesk(t, p, "owner@contoso.com", true)
		b.Post("/console/people/"+keyOf(t, p, "alain@contoso.com"), "act", "freeze")
		for body := range arrived {
			if strings.Contains(body, "alain@contoso.com") {
				t.Error("it names somebody")
			}
			if strings.Contains(body, `"type":"reset.blocked"`) {
				break
			}
		}
		page := b.Get("/console/settings")
		if !strings.Contains(page.Text(), strings.TrimPrefix(receiver.URL, "http://")) || strings.Contains(page.Body, "t0ken") {
			t.Error("the settings do not show it, or show its address")
		}
	})
}
