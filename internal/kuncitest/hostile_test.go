package kuncitest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/web/console"
	"kunci.dev/kunci/internal/web/portal"
)

// hostile are values that databases, directories, mails and pages stumble over; of
// the first two, which are no text, PostgreSQL stores nothing and looks for nothing.
var hostile = []string{"a\x00b", "a\xffb", strings.Repeat("x", 900), "'\"><script>alert(1)</script>", "\u202e\r\nBcc: a@evil.example"}

// fields are the names of fields that forms of ours have.
var fields = strings.Fields(`user_id reason altcha password method code destination account other forget action answer_1 answer_2 new_password
	confirm_password current_password message kind phone email question_1 name next channel helpful language_quality comment q after act id
	domain confirm version minutes session text who from to role format people document note url subject body group life days events color
	key skip_bad row filter size cursor table`)

var braces = regexp.MustCompile(`\{[^}]*\}`)

// Whatever is sent to any page, in its address or in every field of its form, by
// strangers, people and an owner: it is refused or done without, and is no fault of
// ours that says so in a log. Nothing of it comes back as markup.
func TestNothingSentIsAFault(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := kuncitest.Start(t, kuncitest.Options{Kind: kind, Organization: consoleOrganization, Accounts: consolePeople})
			patterns := []string{"GET /help", "GET /help/{article}", "POST /help/{article}", "GET /static/{file}"}
			for _, r := range (&portal.Portal{}).Routes() {
				patterns = append(patterns, r.Pattern)
			}
			for _, r := range (&console.Console{}).Routes() {
				patterns = append(patterns, r.Pattern)
			}
			if len(patterns) < 70 {
				t.Fatalf("only %d addresses", len(patterns))
			}
			stranger, owner := p.Browser().StayingPut(), atDesk(t, p, "owner@contoso.com", true).StayingPut()
			try := func(b *kuncitest.Browser, pattern, h string) {
				t.Helper()
				verb, path, _ := strings.Cut(pattern, " ")
				form := make(url.Values)
				for _, name := range fields {
					form.Set(name, h)
				}
				named := braces.ReplaceAllString(path, url.PathEscape(h))
				asked := map[string]url.Values{named: nil, path + "?q=" + url.QueryEscape(h) + "&next=" + url.QueryEscape(h): nil}
				if verb == http.MethodPost {
					asked = map[string]url.Values{named: form, braces.ReplaceAllString(path, "x"): form}
				}
				for at, form := range asked {
					page, err := b.Do(verb, at, form)
					if err != nil || page.Status >= http.StatusInternalServerError || strings.Contains(page.Body, "<script>alert") {
						t.Errorf("%s with %.10q: %v %v", pattern, h, page, err)
					}
				}
			}
			for _, pattern := range patterns {
				for _, h := range hostile {
					try(stranger, pattern, h)
					if pattern != "POST /signout" {
						try(owner, pattern, h)
					}
				}
			}
			if page := owner.Get("/console/people"); page.Status != http.StatusOK {
				t.Errorf("the owner was signed out on the way: %d", page.Status)
			}
			faults(t, p)
		})
	}
}

// The same of programs: in every part of an address, in a query, and in a document
// at every place where text stands.
func TestNothingAProgramSendsIsAFault(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p := kuncitest.Start(t, kuncitest.Options{Kind: kind, Organization: consoleOrganization, Accounts: consolePeople})
			c := newProgram(t, p, "contoso", org.Owner)
			for _, o := range p.App.API.Operations() {
				path := strings.Replace(o.Path, "{org}", "contoso", 1)
				for _, h := range hostile {
					body := ""
					if o.Method != http.MethodGet && o.Method != http.MethodDelete {
						body = `{"user_id":"a\u0000b","text":"\u0000","name":"\u0000"}`
					}
					for _, at := range []string{braces.ReplaceAllString(path, url.PathEscape(h)), braces.ReplaceAllString(path, "x") + "?cursor=" + url.QueryEscape(h)} {
						// Anew for each: a key has so many requests a minute.
						p.Clock.Advance(200 * 1000 * 1000)
						if got := c.do(o.Method, at, body); got.status >= http.StatusInternalServerError || got.status < http.StatusBadRequest && body != "" {
							t.Errorf("%s %s with %.10q: %d %s", o.Method, o.Path, h, got.status, got.body)
						}
					}
				}
			}
			for _, body := range []string{`{"user_id":"alain\u0000@contoso.com"}`, "{\"user_id\":\"alain\xff@contoso.com\"}"} {
				if got := c.do(http.MethodPost, api+"/people/find", body); got.status >= http.StatusInternalServerError || got.status < http.StatusBadRequest {
					t.Errorf("%q: %d %s", body, got.status, got.body)
				}
			}
			if got := c.do(http.MethodPost, api+"/people/find", `{"user_id":"a\u0000"}`); got.code() != string(problem.BadInput) {
				t.Errorf("a NUL in a document: %d %s", got.status, got.body)
			}
			faults(t, p)
		})
	}
}

// faults holds that nothing failed that was nobody's mistake.
func faults(t *testing.T, p *kuncitest.Product) {
	t.Helper()
	for line := range strings.Lines(p.Logged.String()) {
		if strings.Contains(line, "level=ERROR") {
			t.Error(line)
		}
	}
}
