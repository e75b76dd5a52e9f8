package kuncitest_test

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/console"
)

// parity says for every page of the console by which operations a program does the
// same, by method and path below the organization. What only one of the two has
// begins with a reason in brackets.
const parity = `
GET /console = GET /reports/registration, GET /reports/activity
GET /console/people = GET /people
POST /console/people = POST /people/find
GET /console/people/import = (the page holds the form and the newest imports; a program keeps the identifier it was given)
POST /console/people/import = POST /imports
GET /console/people/import/{id} = GET /imports/{id}
POST /console/people/import/{id} = POST /imports/{id}/apply, POST /imports/{id}/cancel
GET /console/people/import/{id}/bad.csv = GET /imports/{id}/bad
POST /console/people/export = POST /exports
GET /console/people/{key} = GET /people/{id}, GET /people/{id}/sessions
POST /console/people/{key} = POST /people/{id}/{act}, POST /people/{id}/pass, POST /people/{id}/value, POST /people/{id}/export, POST /people/{id}/erase, POST /people/{id}/caller, POST /people/{id}/caller/verify, DELETE /people/{id}/sessions/{session}, DELETE /people/{id}/methods/{method}, POST /people/{id}/methods/{method}/restore
GET /console/requests = GET /requests
GET /console/requests/{id} = GET /requests/{id}
POST /console/requests/{id} = POST /requests/{id}/resolve, POST /requests/{id}/assign, POST /requests/{id}/release, POST /requests/{id}/answer
GET /console/policy = GET /policy
POST /console/policy = PUT /policy, POST /policy/try
GET /console/policy/document = GET /policy
POST /console/policy/document = PUT /policy, POST /policy/try
GET /console/reports = GET /reports/registration, GET /reports/activity, GET /reports/registration/history
GET /console/reports.csv = GET /reports/activity, GET /reports/registration/history
GET /console/reports.json = GET /reports/activity, GET /reports/registration/history
GET /console/audit = GET /audit/events
POST /console/audit = POST /audit/events/find
GET /console/audit/events/{id}/proof = GET /audit/events/{id}/proof
POST /console/audit/export = GET /audit/events
GET /console/audit/consistency = GET /audit/consistency
GET /console/audit/checkpoint = GET /audit/checkpoint
GET /console/messages = GET /messages, GET /messages/undelivered
GET /console/messages/{name}/{language} = GET /messages/{message}/{language}
POST /console/messages/{name}/{language} = PUT /messages/{message}/{language}, POST /messages/{message}/{language}/reset, POST /messages/{message}/{language}/try
GET /console/settings = GET /keys, GET /identity-provider
POST /console/settings = (a key makes no keys and ends none, so that revoking it ends what it opened)
GET /console/settings/administrators = GET /administrators
POST /console/settings/administrators = PUT /administrators, DELETE /administrators/{id}
GET /console/settings/branding = GET /branding
POST /console/settings/branding = PUT /branding, PUT /branding/logo, DELETE /branding/logo
GET /console/settings/branding/sample.css = (colors of the page's own preview)
GET /console/settings/domains = GET /domains, GET /domains/{domain}
POST /console/settings/domains = POST /domains, POST /domains/{domain}/verify, DELETE /domains/{domain}
GET /console/settings/webhooks = GET /webhooks, GET /webhooks/{id}, GET /webhooks/{id}/set-aside
POST /console/settings/webhooks = POST /webhooks, POST /webhooks/{id}/pause, POST /webhooks/{id}/resume, POST /webhooks/{id}/test, POST /webhooks/{id}/send-again, DELETE /webhooks/{id}/set-aside, DELETE /webhooks/{id}/set-aside/{event}, DELETE /webhooks/{id}
GET /console/settings/help-texts = GET /help-texts
GET /console/settings/help-texts/{name}/{language} = GET /help-texts/{page}/{language}
POST /console/settings/help-texts/{name}/{language} = PUT /help-texts/{page}/{language}, POST /help-texts/{page}/{language}/reset, POST /help-texts/{page}/{language}/try
GET /console/directory = GET /directory
POST /console/directory = POST /directory/test, POST /directory/sync, PUT /directory
(scripts for Microsoft Graph ask for its shapes; people do not) = GET /graph/v1.0/users/{id}/authentication/methods, GET /graph/v1.0/users/{id}/authentication/phoneMethods, POST /graph/v1.0/users/{id}/authentication/phoneMethods, GET /graph/v1.0/users/{id}/authentication/phoneMethods/{method}, PATCH /graph/v1.0/users/{id}/authentication/phoneMethods/{method}, DELETE /graph/v1.0/users/{id}/authentication/phoneMethods/{method}, GET /graph/v1.0/users/{id}/authentication/emailMethods, POST /graph/v1.0/users/{id}/authentication/emailMethods, GET /graph/v1.0/users/{id}/authentication/emailMethods/{method}, PATCH /graph/v1.0/users/{id}/authentication/emailMethods/{method}, DELETE /graph/v1.0/users/{id}/authentication/emailMethods/{method}, GET /graph/v1.0/reports/authenticationMethods/userRegistrationDetails, GET /graph/v1.0/reports/authenticationMethods/userRegistrationDetails/{id}
(the console takes what kunci org import-entra prints, as a document) = POST /policy/from-entra
(resets are led for people who have no part in the console) = POST /resets, GET /resets/{id}, POST /resets/{id}/choose, POST /resets/{id}/resend, POST /resets/{id}/verify, POST /resets/{id}/back, POST /resets/{id}/password, POST /resets/{id}/unlock, POST /resets/{id}/cancel, POST /resets/{id}/contact
`

// A new page or operation that nobody thought of for the other side fails here.
func TestTheConsoleAndTheAPIDoTheSame(t *testing.T) {
	t.Parallel()
	p := startConsole(t, store.SQLite)
	operations := make(map[string]bool) // and whether a row names it
	for _, o := range p.App.API.Operations() {
		operations[o.Method+" "+strings.TrimPrefix(o.Path, "/api/v1/orgs/{org}")] = false
	}
	rows := make(map[string]bool)
	for _, line := range strings.Split(strings.TrimSpace(parity), "\n") {
		page, same, ok := strings.Cut(line, " = ")
		if !ok || rows[page] {
			t.Errorf("a row without two sides, or a second one: %s", line)
		}
		rows[page] = true
		if strings.HasPrefix(same, "(") {
			continue
		}
		for _, o := range strings.Split(same, ", ") {
			if _, ok := operations[o]; !ok {
				t.Errorf("%s: there is no operation %s", page, o)
			}
			operations[o] = true
		}
	}
	for _, r := range (&console.Console{}).Routes() {
		if !rows[r.Pattern] {
			t.Errorf("the page %s stands in no row", r.Pattern)
		}
		delete(rows, r.Pattern)
	}
	for page := range rows {
		if !strings.HasPrefix(page, "(") {
			t.Errorf("there is no page %s", page)
		}
	}
	for o, named := range operations {
		if !named {
			t.Errorf("the operation %s stands in no row", o)
		}
	}
}
