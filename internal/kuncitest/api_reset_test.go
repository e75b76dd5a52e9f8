package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// apiFlow is a reset that a front end leads.
type apiFlow struct {
	c         *program
	id, token string
	base      string
}

// apiStanding is what the answers are read for.
type apiStanding struct {
	ID, Token, Step, Problem, Number string
	Contact                          bool
	Support                          string `json:"support_code"`
	NeedsDestination                 bool   `json:"needs_destination"`
	Choices                          []struct {
		ID, Kind, Masked string
		Usable           bool
	}
	Rules []struct{ Rule, Text string }
}

const apiPerson = "203.0.113.9"

func apiRead(t *testing.T, a answer) (s apiStanding) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return s
}

func apiStart(c *program, slug, userID string, header ...string) (answer, *apiFlow) {
	base := "/api/v1/orgs/" + slug + "/resets"
	got := c.do(http.MethodPost, base, fmt.Sprintf(`{"user_id":%q,"language":"en"}`, userID), append([]string{"Kunci-Client-Address", apiPerson}, header...)...)
	var s apiStanding
	_ = json.Unmarshal([]byte(got.body), &s) // a refusal names no flow
	return got, &apiFlow{c, s.ID, s.Token, base}
}

func (f *apiFlow) do(method, step, body string) answer {
	path := f.base + "/" + f.id
	if step != "" {
		path += "/" + step
	}
	return f.c.do(method, path, body, "Kunci-Client-Address", apiPerson, "Kunci-Client-User-Agent", "front/1", "Kunci-Flow-Token", f.token)
}

func (f *apiFlow) look(t *testing.T) apiStanding {
	t.Helper()
	return apiRead(t, f.do(http.MethodGet, "", ""))
}

// toCode chooses the first method, whose code is mailed.
func (f *apiFlow) toCode(t *testing.T) apiStanding {
	t.Helper()
	s := f.look(t)
	if s.Step != "choose" || len(s.Choices) == 0 {
		t.Fatalf("no method to choose: %+v", s)
	}
	s = apiRead(t, f.do(http.MethodPost, "choose", fmt.Sprintf(`{"method":%q}`, s.Choices[0].ID)))
	if s.Step != "verify" {
		t.Fatalf("after choosing: %+v", s)
	}
	return s
}

func TestAFrontEndLeadsAReset(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", admin.FrontEnd)
		got, f := apiStart(c, "contoso", "Alain@Contoso.com ")
		if s := apiRead(t, got); s.Step != "choose" || len(s.Token) < 26 || strings.Contains(got.body, "example.net") {
			t.Fatalf("a start: %s", got.body)
		}
		s := f.toCode(t)
		code := p.Code(1)
		if early := f.do(http.MethodPost, "password", fmt.Sprintf(`{"new_password":%q}`, newPassword)); apiRead(t, early).Step != "verify" {
			t.Errorf("the gate was gone around: %s", early.body)
		}
		wrong := f.do(http.MethodPost, "verify", `{"code":"00000000"}`)
		if wrong.status != http.StatusUnprocessableEntity || wrong.code() != "code-wrong" || !strings.Contains(wrong.body, `"tries_left":4`) {
			t.Errorf("a wrong code: %d %s", wrong.status, wrong.body)
		}
		if none := f.do(http.MethodPost, "verify", `{}`); none.code() != "required" {
			t.Errorf("no code: %s", none.body)
		}
		if s = apiRead(t, f.do(http.MethodPost, "verify", fmt.Sprintf(`{"code":%q}`, code))); s.Step != "password" || len(s.Rules) == 0 || s.Rules[0].Text == "" {
			t.Fatalf("the right code: %+v", s)
		}
		if short := f.do(http.MethodPost, "password", `{"new_password":"short"}`); short.code() != "password-refused" || !strings.Contains(short.body, `"rule":"`) {
			t.Errorf("a short password: %s", short.body)
		}
		done := f.do(http.MethodPost, "password", fmt.Sprintf(`{"new_password":%q}`, newPassword))
		if s = apiRead(t, done); s.Step != "done" {
			t.Fatalf("the password: %s", done.body)
		}
		if s = apiRead(t, f.do(http.MethodPost, "password", `{"new_password":"another one entirely"}`)); s.Step != "done" || password(t, p, "alain@contoso.com", newPassword) != directory.OK {
			t.Errorf("a finished reset: %+v", s)
		}
		b := p.Browser()
		b.Get("/signin")
		b.Post("/signin", "user_id", "alain@contoso.com")
		if page := b.Post("/signin/password", "password", newPassword); page.Name() == "signin-password" {
			t.Errorf("signing in with it: %s %s", page.Name(), page.Alert())
		}
		found := false
		for _, e := range p.Events() {
			if e.Kind == audit.ResetCompleted {
				found = strings.HasPrefix(e.Actor.Account, audit.ByKey) && e.Actor.Kind == audit.Anonymous && e.Actor.IP == apiPerson && strings.Contains(done.body, e.Correlation)
			}
		}
		if !found {
			t.Error("the event does not say by which key, from where, and with the support code that was told")
		}
		noSecret(t, p, code, newPassword, f.token, "alain@example.net")
		noEcho(t, p, code, newPassword)
	})
}

// What is counted is the account's, whichever way it is tried.
func TestGuessesOnPagesAndOverTheAPIAreFiveTogether(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		_, f := apiStart(newProgram(t, p, "contoso", admin.FrontEnd), "contoso", "alain@contoso.com")
		f.toCode(t)
		var group sync.WaitGroup
		for n := range 20 {
			window := b.Clone()
			group.Go(func() {
				if n%2 == 0 {
					window.Post("/reset/verify", "code", fmt.Sprintf("%08d", n), "action", "verify")
				} else {
					f.do(http.MethodPost, "verify", fmt.Sprintf(`{"code":"%08d"}`, n))
				}
			})
		}
		group.Wait()
		if judged := count(p, audit.ResetGateFailed); judged != 5 {
			t.Errorf("%d were judged, want five", judged)
		}
		if s := f.look(t); s.Step == "password" {
			t.Errorf("after the guesses: %+v", s)
		}
		if got, _ := apiStart(f.c, "contoso", "alain@contoso.com"); apiRead(t, got).Problem != "blocked" {
			t.Errorf("another start: %s", got.body)
		}
	})
}

// Unknown people, and people of another organization, look like those who have
// not registered; where the policy hides it, like everybody.
func TestAFrontEndLearnsNothingMore(t *testing.T) {
	t.Parallel()
	open := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, Organization: consoleOrganization, Accounts: consolePeople})
	open.Import("fabrikam", "user_id,password,email\nowner@fabrikam.com,teapot harbour violin,owner@example.net\n")
	hidden := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, Organization: discreet, Accounts: discreetPeople})
	for name, p := range map[string]*kuncitest.Product{"open": open, "hidden": hidden} {
		c := newProgram(t, p, "contoso", admin.FrontEnd)
		seen := make(map[string]string)
		users := []string{"nobody@contoso.com", "unknown@contoso.com"}
		if name == "open" {
			users = append(users, "owner@fabrikam.com", "x@elsewhere.example")
		} else {
			users = append(users, "alain@contoso.com", "citra@contoso.com", "gita@contoso.com")
		}
		for _, userID := range users {
			got, f := apiStart(c, "contoso", userID)
			s := apiRead(t, got)
			look := f.do(http.MethodGet, "", "")
			text := fmt.Sprint(got.status, s.Step, s.Problem, s.Contact, len(got.body), " ", look.status, apiKnown(t, look))
			if s.Step == "choose" {
				text += apiKnown(t, f.do(http.MethodPost, "choose", `{"method":"email"}`))
				text += apiKnown(t, f.do(http.MethodPost, "choose", `{"method":"email","destination":"somebody@example.org"}`))
				text += apiKnown(t, f.do(http.MethodPost, "verify", `{"code":"12345678"}`))
			}
			seen[text] += " " + userID
		}
		if len(seen) != 1 {
			t.Errorf("%s: told apart: %v", name, seen)
		}
	}
}

// apiKnown is an answer without what is one flow's own.
func apiKnown(t *testing.T, a answer) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(a.body), &all); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"id", "token", "expires_at", "support_code"} {
		delete(all, own)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s\n", a.status, text)
}

func TestAFlowOpensForItsFrontEndOnly(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		p.Import("fabrikam", "user_id,password,email\nowner@fabrikam.com,teapot harbour violin,owner@example.net\n")
		c := newProgram(t, p, "contoso", admin.FrontEnd)
		_, f := apiStart(c, "contoso", "alain@contoso.com")
		_, other := apiStart(c, "contoso", "alain@contoso.com")
		theirs := newProgram(t, p, "fabrikam", admin.FrontEnd)
		for name, stranger := range map[string]*apiFlow{
			"another organization": {theirs, f.id, f.token, "/api/v1/orgs/fabrikam/resets"},
			"another's token":      {c, f.id, other.token, f.base},
			"a made up token":      {c, f.id, store.NewToken(), f.base},
		} {
			for _, got := range []answer{stranger.do(http.MethodGet, "", ""), stranger.do(http.MethodPost, "choose", `{"method":"x"}`), stranger.do(http.MethodPost, "back", "")} {
				if got.status != http.StatusNotFound || got.code() != "not-found" {
					t.Errorf("%s: %d %s", name, got.status, got.body)
				}
			}
		}
		if got, _ := apiStart(newProgram(t, p, "contoso", org.Owner), "contoso", "alain@contoso.com"); got.status != http.StatusForbidden {
			t.Errorf("an owner's key is believed where people come from: %d", got.status)
		}
		for _, path := range []string{"/people", "/policy", "/requests", "/audit/events"} {
			if got := c.do(http.MethodGet, api+path, ""); got.status != http.StatusForbidden {
				t.Errorf("a front end reads %s: %d", path, got.status)
			}
		}
		if got := c.do(http.MethodGet, api+"/resets", ""); got.status != http.StatusMethodNotAllowed || got.code() != "wrong-method" || got.header.Get("Allow") != "POST" {
			t.Errorf("GET /resets: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodGet, api+"/nothing", ""); got.status != http.StatusNotFound || got.code() != "not-found" {
			t.Errorf("no operation: %d %s", got.status, got.body)
		}
		for _, address := range []string{"", "alain", "203.0.113.9:80", "fe80::1%eth0", "0.0.0.0"} {
			if got, _ := apiStart(c, "contoso", "alain@contoso.com", "Kunci-Client-Address", address); got.status < 400 || got.status >= 500 {
				t.Errorf("from %q: %d", address, got.status)
			}
		}
		p.Clock.Advance(16 * time.Minute)
		if s := f.look(t); s.Step != "problem" || s.Problem != "expired" {
			t.Errorf("after its minutes: %+v", s)
		}
	})
}

func TestAFrontEndIsAskedForWorkByThePersonsAddress(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	c := newProgram(t, p, "contoso", admin.FrontEnd)
	var got answer
	for range 11 {
		got, _ = apiStart(c, "contoso", "citra@contoso.com")
	}
	var asked struct {
		Captcha struct {
			Challenge, Wait string
			Seconds         int `json:"wait_seconds"`
		}
	}
	if err := json.Unmarshal([]byte(got.body), &asked); err != nil || got.code() != "captcha-needed" || asked.Captcha.Challenge == "" || asked.Captcha.Seconds != 20 || !strings.Contains(got.body, "wait_seconds are over") {
		t.Fatalf("%s: %v", got.body, err)
	}
	if elsewhere, _ := apiStart(c, "contoso", "citra@contoso.com", "Kunci-Client-Address", "198.51.100.7"); elsewhere.status != http.StatusOK {
		t.Errorf("a person at another address: %d %s", elsewhere.status, elsewhere.body)
	}
	p.Clock.Advance(20 * time.Second)
	body := fmt.Sprintf(`{"user_id":"citra@contoso.com","captcha":%q}`, asked.Captcha.Wait)
	if s := apiRead(t, c.do(http.MethodPost, api+"/resets", body, "Kunci-Client-Address", apiPerson)); s.Step != "problem" || !s.Contact {
		t.Errorf("after the wait: %+v", s)
	}
}

func TestTheAPIListsKeysOfItsOrganization(t *testing.T) {
	t.Parallel()
	p := startConsole(t, store.SQLite)
	p.Import("fabrikam", "user_id,password\nowner@fabrikam.com,teapot harbour violin\n")
	newProgram(t, p, "fabrikam", org.Owner)
	newProgram(t, p, "contoso", admin.FrontEnd)
	c := newProgram(t, p, "contoso", org.Auditor)
	got := c.do(http.MethodGet, api+"/keys", "")
	var all struct {
		Keys []struct {
			Role org.Role
			Live bool
		}
	}
	if err := json.Unmarshal([]byte(got.body), &all); err != nil || len(all.Keys) != 2 || all.Keys[0].Role != org.Auditor || all.Keys[1].Role != admin.FrontEnd || !all.Keys[0].Live {
		t.Errorf("%d %s: %v", got.status, got.body, err)
	}
	if _, secret, _ := strings.Cut(strings.TrimPrefix(c.key, "kunci_"), "_"); strings.Contains(got.body, secret) {
		t.Error("the list tells a key")
	}
}
