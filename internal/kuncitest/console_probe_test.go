package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/web/console"
	"kunci.dev/kunci/internal/webhook"
)

// consoleProbes say for every page what of Contoso's can be named in what is sent to
// it, one form a line. METHOD and others are identifiers of Contoso's; own: at a
// person of Fabrikam's. A page without an identifier says why it has none.
var consoleProbes = map[string]string{
	"GET /console": "none", "GET /console/people": "none", "GET /console/people/import": "none", "POST /console/people/import": "a file",
	"POST /console/people":                                "q=alain@contoso.com\nafter=alain@contoso.com",
	"GET /console/people/import/{id}":                     "path",
	"POST /console/people/import/{id}":                    "act=apply\nact=cancel",
	"GET /console/people/import/{id}/bad.csv":             "path",
	"POST /console/people/export":                         "format=csv",
	"GET /console/people/{key}":                           "path",
	"POST /console/people/{key}":                          personActs,
	"GET /console/requests":                               "none",
	"GET /console/requests/{id}":                          "path",
	"POST /console/requests/{id}":                         "act=answer&text=Please call us\nact=assign\nact=release\nact=resolve_request",
	"GET /console/policy":                                 "none",
	"POST /console/policy":                                "none",
	"GET /console/policy/document":                        "none",
	"POST /console/policy/document":                       "none",
	"GET /console/reports":                                "none",
	"GET /console/reports.csv":                            "none",
	"GET /console/reports.json":                           "none",
	"GET /console/audit":                                  "none",
	"POST /console/audit":                                 "user_id=alain@contoso.com\nwho=alain@contoso.com",
	"GET /console/audit/events/{id}/proof":                "path",
	"POST /console/audit/export":                          "none",
	"GET /console/audit/checkpoint":                       "of the installation",
	"GET /console/audit/consistency":                      "of the installation",
	"GET /console/messages":                               "none",
	"GET /console/messages/{name}/{language}":             "names of the product",
	"POST /console/messages/{name}/{language}":            "names of the product",
	"GET /console/settings":                               "none",
	"POST /console/settings":                              "act=revoke_key&id=KEY",
	"GET /console/settings/domains":                       "none",
	"POST /console/settings/domains":                      "act=verify_domain&domain=contoso.com\nact=ask_domain&domain=contoso.com\nact=remove_domain&domain=contoso.com&confirm=contoso.com&version=VERSION",
	"GET /console/settings/webhooks":                      "none",
	"POST /console/settings/webhooks":                     "act=pause_webhook&id=HOOK\nact=resume_webhook&id=HOOK\nact=test_webhook&id=HOOK\nact=send_again&id=HOOK\nact=send_all_again&id=HOOK\nact=remove_webhook&id=HOOK",
	"GET /console/settings/help-texts":                    "none",
	"GET /console/settings/help-texts/{name}/{language}":  "names of the product",
	"POST /console/settings/help-texts/{name}/{language}": "names of the product",
	"GET /console/settings/branding":                      "none",
	"POST /console/settings/branding":                     "none",
	"GET /console/settings/branding/sample.css":           "none",
	"GET /console/directory":                              "none",
	"POST /console/directory":                             "none",
	"GET /console/settings/administrators":                "none",
	"POST /console/settings/administrators":               "act=revoke_role&id=ROLE&version=VERSION\nact=grant_role&to=person&name=alain@contoso.com&role=auditor&version=VERSION",
}

const personActs = "act=unlock\nact=clear_limits\nact=require_registration\nact=revoke_sessions\nact=freeze\nact=unfreeze\nact=revoke_pass\nact=unlink\n" +
	"act=issue_pass&minutes=60\nact=export_person\nact=erase_person&confirm=alain@contoso.com\nact=send_code&method=METHOD\nact=see_values&method=METHOD\n" +
	"act=end_session&session=SESSION\nact=delete_method&method=METHOD\nact=restore_method&method=METHOD\n" +
	"own act=send_code&method=METHOD\nown act=see_values&method=METHOD\nown act=end_session&session=SESSION\nown act=delete_method&method=METHOD\nown act=restore_method&method=METHOD"

// Every page of the console, found in the router, is asked by an owner of Fabrikam for
// what is Contoso's, in the address and in every field that names something: it is not
// there, nothing of it is shown, and nothing happens. A new page fails here.
func TestEveryPageOfTheConsoleIsOfOneOrganization(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Organization: consoleOrganization, Accounts: consolePeople})
	p.Import("fabrikam", "user_id,password\nowner@fabrikam.com,teapot harbour violin\nx@fabrikam.com,teapot harbour violin\n")
	c, owner := newProgram(t, p, "contoso", org.Owner), atDesk(t, p, "owner@fabrikam.com", true)
	one := func(path, list string) string {
		t.Helper()
		var all map[string][]struct{ ID string }
		got := c.do(http.MethodGet, api+path, "")
		_ = json.Unmarshal([]byte(got.body), &all) // next is no list
		if len(all[list]) == 0 {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		return all[list][0].ID
	}
	atDesk(t, p, "alain@contoso.com", false)
	requests(t, p, "alain@contoso.com")
	hook, _, err := p.App.Webhooks.Add(t.Context(), audit.Actor{Kind: audit.System}, p.Organization(), webhook.Order{URL: "https://127.0.0.1/in"})
	if err == nil {
		err = p.App.Webhooks.Pause(t.Context(), audit.Actor{Kind: audit.System}, p.Organization(), hook.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	sent := c.do(http.MethodPost, api+"/imports", "user_id\nnew@contoso.com\n,\n", "Content-Type", "text/csv")
	var file struct{ ID string }
	if err := json.Unmarshal([]byte(sent.body), &file); err != nil {
		t.Fatal(err)
	}
	until(t, "a checked import", func() bool {
		return strings.Contains(c.do(http.MethodGet, api+"/imports/"+file.ID, "").body, `"state":"checked"`)
	})
	event := ""
	until(t, "a place in the log", func() bool {
		event = one("/audit/events", "events")
		return c.do(http.MethodGet, api+"/audit/events/"+event+"/proof", "").status == http.StatusOK
	})
	key := keyOf(t, p, "alain@contoso.com")
	fill := strings.NewReplacer("METHOD", mailOf(t, p, "alain@contoso.com"), "SESSION", one("/people/"+key+"/sessions", "sessions"), "HOOK", hook.ID,
		"KEY", one("/keys", "keys"), "ROLE", org.Administrator{UserID: "helpdesk@contoso.com"}.ID(), "VERSION", "1")
	paths := map[string]string{
		"/console/people/import/": file.ID, "/console/requests/": one("/requests", "requests"), "/console/audit/events/": event,
		"/console/people/{key}": key,
	}
	recorded := func() (n int) {
		for _, e := range p.Events() {
			if e.Org == p.Organization().ID {
				n++
			}
		}
		return n
	}
	before, named := recorded(), 0
	for _, route := range (&console.Console{}).Routes() {
		row, ok := consoleProbes[route.Pattern]
		verb, pattern, _ := strings.Cut(route.Pattern, " ")
		if !ok || row == "none" && strings.Contains(pattern, "{") {
			t.Errorf("the page %s stands in no row", route.Pattern)
			continue
		}
		path := pattern
		for begins, id := range paths {
			if strings.HasPrefix(pattern, begins) {
				path = strings.NewReplacer("{id}", id, "{key}", id).Replace(pattern)
			}
		}
		for _, line := range strings.Split(row, "\n") {
			at := path
			line, own := strings.CutPrefix(line, "own ")
			if own {
				at = strings.Replace(pattern, "{key}", keyIn(t, p, "fabrikam", "x@fabrikam.com"), 1)
			}
			if row == "path" {
				line = ""
			} else if !strings.Contains(line, "=") {
				continue
			}
			form, err := url.ParseQuery(fill.Replace(line))
			if err != nil {
				t.Fatal(err)
			}
			if verb == http.MethodGet {
				form = nil
			}
			p.Clock.Advance(time.Second)
			page, err := owner.Do(verb, at, form)
			if err != nil {
				t.Fatal(err)
			}
			named++
			looked := !strings.Contains(line, "act=") && row != "path" // a search finds nothing
			if gone := page.Status == http.StatusNotFound || page.Alert() == "not-found" || page.Alert() == "method-not-allowed"; gone == looked {
				t.Errorf("%s with %q: %d %q at %s", route.Pattern, line, page.Status, page.Alert(), page.Path)
			}
			if strings.Contains(page.Body, "Alain Dupont") || strings.Contains(page.Body, "example.net") {
				t.Errorf("%s with %q shows what is Contoso's", route.Pattern, line)
			}
		}
	}
	if now := recorded(); now != before {
		t.Errorf("%d events of Contoso's", now-before)
	}
	if named < 45 || len(consoleProbes) != len((&console.Console{}).Routes()) {
		t.Errorf("%d were named, %d rows", named, len(consoleProbes))
	}
	// The identifiers were right: Contoso's own owner finds all of it.
	own := atDesk(t, p, "owner@contoso.com", true)
	for begins, id := range paths {
		at := strings.TrimSuffix(strings.NewReplacer("{key}", id).Replace(begins), "/")
		if begins != "/console/people/{key}" {
			at += "/" + id
		}
		if begins == "/console/audit/events/" {
			at += "/proof"
		}
		if page := own.Get(at); page.Status != http.StatusOK {
			t.Errorf("%s for its own owner: %d", at, page.Status)
		}
	}
}
