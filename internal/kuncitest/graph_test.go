package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

const (
	graphBase      = api + "/graph/v1.0"
	graphMobile    = "3179e48a-750b-4051-897c-87b9720928f7"
	graphAlternate = "b6332ec1-7057-4abe-9331-3d72feddfe41"
	graphOffice    = "e37fc753-ff3b-4958-9484-eaa9425c82bc"
	graphMail      = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f"
	graphReport    = graphBase + "/reports/authenticationMethods/userRegistrationDetails"
)

// eachGraph runs a script on both databases, where phones of one country are allowed.
func eachGraph(t *testing.T, run func(t *testing.T, p *kuncitest.Product)) {
	t.Helper()
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			run(t, kuncitest.Start(t, kuncitest.Options{
				Kind: kind, Accounts: consolePeople,
				Organization: strings.Replace(consoleOrganization, "policy: {reset: {exclude_groups: [contractors]}}", "policy: {reset: {exclude_groups: [contractors]}, phone: {countries: [ID]}}", 1),
			}))
		})
	}
}

// graphValue reads what stands in a collection.
func graphValue(t *testing.T, a answer) (all []map[string]any, next string) {
	t.Helper()
	var list struct {
		Context string           `json:"@odata.context"`
		Next    string           `json:"@odata.nextLink"`
		Value   []map[string]any `json:"value"`
	}
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK || list.Value == nil || !strings.Contains(list.Context, "/$metadata#") {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return list.Value, list.Next
}

// graphRefusal reads the two codes of a refusal.
func graphRefusal(t *testing.T, a answer) string {
	t.Helper()
	var e struct {
		Error struct {
			Code, Message string
			Inner         struct{ Code string } `json:"innerError"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error.Code == "" || e.Error.Message == "" || strings.Contains(a.body, `"title"`) || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	return e.Error.Code + " " + e.Error.Inner.Code
}

// A script written for Microsoft Graph, with another base address and key: it
// registers phones and mailboxes, corrects and removes them.
func TestAScriptForGraphRegistersMethods(t *testing.T) {
	t.Parallel()
	eachGraph(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.AuthenticationAdmin)
		phones := graphBase + "/users/citra@contoso.com/authentication/phoneMethods"
		mails := graphBase + "/users/" + keyOf(t, p, "citra@contoso.com") + "/authentication/emailMethods"
		post := func(path, body string, status int) answer {
			t.Helper()
			got := c.do(http.MethodPost, path, body)
			if got.status != status {
				t.Errorf("POST %s: %d %s", body, got.status, got.body)
			}
			return got
		}
		if all, _ := graphValue(t, c.do(http.MethodGet, phones, "")); len(all) != 0 {
			t.Errorf("before: %v", all)
		}
		if got := graphRefusal(t, post(phones, `{"phoneNumber":"+62 81234567891","phoneType":"alternateMobile"}`, http.StatusBadRequest)); got != "badRequest bad-input" {
			t.Errorf("an alternate one first: %s", got)
		}
		made := post(phones, `{"phoneNumber":"+62 81234567890","phoneType":"mobile"}`, http.StatusCreated)
		if !strings.Contains(made.body, `"id":"`+graphMobile+`"`) || !strings.Contains(made.body, `"phoneNumber":"+62 81234567890"`) || !strings.Contains(made.body, `"smsSignInState":"notSupported"`) {
			t.Errorf("made: %s", made.body)
		}
		if got := graphRefusal(t, post(phones, `{"phoneNumber":"+62 81234567892","phoneType":"mobile"}`, http.StatusConflict)); got != "conflict method-limit" {
			t.Errorf("a second mobile one: %s", got)
		}
		p.Clock.Advance(time.Second) // the older one is the mobile one
		post(phones, `{"phoneNumber":"+62 81234567891","phoneType":"alternateMobile"}`, http.StatusCreated)
		p.Clock.Advance(time.Second)
		post(phones, `{"phoneNumber":"+62 215551234x12","phoneType":"office"}`, http.StatusCreated)
		for body, want := range map[string]string{
			`{"phoneNumber":"0812 3456 7890","phoneType":"mobile"}`:                        "badRequest phone-invalid",
			`{"phoneNumber":"+1 2065555555","phoneType":"mobile"}`:                         "badRequest phone-country",
			`{"phoneNumber":"+62 81234567890"}`:                                            "badRequest required",
			`{"phoneNumber":"+62 81234567890","phoneType":"fax"}`:                          "badRequest bad-input",
			`{"phoneNumber":"+62 81234567890","phoneType":"mobile","smsSignInState":"x"}`:  "badRequest bad-input",
			`{"phoneNumber":"+62 81234567890","PhoneNumber":"+62 1","phoneType":"mobile"}`: "badRequest bad-input",
			`{"phonenumber":"+62 81234567890","phoneType":"mobile"}`:                       "badRequest bad-input",
		} {
			other := strings.Replace(phones, "citra", "alain", 1)
			got := c.do(http.MethodPost, other, body)
			if refusal := graphRefusal(t, got); refusal != want || strings.Contains(got.body, "8123456") {
				t.Errorf("%s: %s", body, refusal)
			}
		}
		// The mobile number changes and stays the mobile one; the person's code to the old number is worth nothing.
		if got := c.do(http.MethodPatch, phones+"/"+graphMobile, `{"phoneNumber":"+62 81234567899","phoneType":"mobile"}`); got.status != http.StatusNoContent || got.body != "" {
			t.Errorf("PATCH: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPatch, phones+"/"+graphMobile, `{"phoneNumber":"+62 81234567899","phoneType":"office"}`); got.status != http.StatusBadRequest {
			t.Errorf("another type: %d", got.status)
		}
		all, _ := graphValue(t, c.do(http.MethodGet, phones, ""))
		seen := ""
		for _, one := range all {
			seen += one["phoneType"].(string) + " " + one["phoneNumber"].(string) + " " + one["id"].(string) + "\n"
		}
		if seen != "mobile +62 81234567899 "+graphMobile+"\nalternateMobile +62 81234567891 "+graphAlternate+"\noffice +62 215551234x12 "+graphOffice+"\n" {
			t.Errorf("after that:\n%s", seen)
		}
		if got := c.do(http.MethodGet, phones+"/"+graphOffice, ""); !strings.Contains(got.body, "x12") {
			t.Errorf("one: %d %s", got.status, got.body)
		}
		if got := c.do(http.MethodDelete, phones+"/"+graphAlternate, ""); got.status != http.StatusNoContent {
			t.Errorf("DELETE: %d %s", got.status, got.body)
		}
		if got := graphRefusal(t, c.do(http.MethodDelete, phones+"/"+graphAlternate, "")); got != "resourceNotFound not-found" {
			t.Errorf("twice: %s", got)
		}

		if got := graphRefusal(t, post(mails, `{"emailAddress":"citra@mail.contoso.com"}`, http.StatusBadRequest)); got != "badRequest email-own-domain" {
			t.Errorf("the organization's own domain: %s", got)
		}
		post(mails, `{"emailAddress":"citra@example.net"}`, http.StatusCreated)
		if got := graphRefusal(t, post(mails, `{"emailAddress":"citra@example.org"}`, http.StatusConflict)); got != "conflict method-limit" {
			t.Errorf("a second mailbox: %s", got)
		}
		if got := c.do(http.MethodPatch, mails+"/"+graphMail, `{"emailAddress":"citra@example.org"}`); got.status != http.StatusNoContent {
			t.Errorf("PATCH: %d %s", got.status, got.body)
		}
		// Whoever read the old mailbox is told, without where the administrator sat (the one address is in the link).
		told := p.Mail.Wait(t, 1)[0]
		if text := told.Parse(t).Text; told.To != "citra@example.net" || strings.Count(text, "127.0.0.1") != 1 || strings.Contains(text, "citra@example") {
			t.Errorf("told %s: %s", told.To, text)
		}
		methods, _ := graphValue(t, c.do(http.MethodGet, strings.Replace(mails, "/emailMethods", "/methods", 1), ""))
		types := ""
		for _, one := range methods {
			types += strings.TrimPrefix(one["@odata.type"].(string), "#microsoft.graph.") + " "
		}
		if types != "passwordAuthenticationMethod phoneAuthenticationMethod phoneAuthenticationMethod emailAuthenticationMethod " {
			t.Errorf("methods: %s", types)
		}
		if got := c.do(http.MethodDelete, mails+"/"+graphMail, ""); got.status != http.StatusNoContent {
			t.Errorf("DELETE: %d %s", got.status, got.body)
		}
		for kind, want := range map[audit.Kind]int{audit.MethodAdded: 4, audit.MethodChanged: 2, audit.MethodDeleted: 2} {
			n := 0
			for _, e := range p.Events() {
				if e.Kind == kind && e.Reason == "administrator" && e.TargetUserID == "citra@contoso.com" && strings.HasPrefix(e.Actor.Account, audit.ByKey) {
					n++
				}
			}
			if n != want {
				t.Errorf("%s: %d events", kind, n)
			}
		}
		noSecret(t, p, "81234567890", "citra@example.net", "citra@example.org")
	})
}

// Whole numbers are for those who may see them, and that is recorded; for others
// there is a mask. Nobody acts upward, and another organization has nobody.
func TestGraphShowsAndChangesNoMoreThanARoleMay(t *testing.T) {
	t.Parallel()
	eachGraph(t, func(t *testing.T, p *kuncitest.Product) {
		path := graphBase + "/users/alain@contoso.com/authentication/emailMethods"
		for _, role := range []org.Role{org.PolicyAdmin, org.Helpdesk, org.Auditor} {
			c := newProgram(t, p, "contoso", role)
			for _, path := range []string{path, path + "/" + graphMail, strings.Replace(path, "/emailMethods", "/methods", 1)} {
				if got := c.do(http.MethodGet, path, ""); got.status != http.StatusOK || strings.Contains(got.body, "alain@example.net") || !strings.Contains(got.body, "a…@e…") {
					t.Errorf("%s: %d %s", role, got.status, got.body)
				}
			}
		}
		if n := len(reasons(p, audit.ExportCreated)); n != 0 {
			t.Errorf("%d values were shown", n)
		}
		c := newProgram(t, p, "contoso", org.AuthenticationAdmin)
		if got := c.do(http.MethodGet, path, ""); !strings.Contains(got.body, `"emailAddress":"alain@example.net"`) {
			t.Errorf("an authentication administrator: %s", got.body)
		}
		if got := strings.Join(reasons(p, audit.ExportCreated), " "); got != "success:method-value" {
			t.Errorf("recorded: %s", got)
		}
		above := strings.Replace(path, "alain", "owner", 1)
		if got := c.do(http.MethodGet, above, ""); strings.Contains(got.body, "olga@example.net") {
			t.Errorf("of somebody above: %s", got.body)
		}
		for method, body := range map[string]string{http.MethodPatch: `{"emailAddress":"evil@example.org"}`, http.MethodDelete: ""} {
			if got := c.do(method, above+"/"+graphMail, body); got.status != http.StatusForbidden || graphRefusal(t, got) != "accessDenied forbidden" {
				t.Errorf("%s upward: %d %s", method, got.status, got.body)
			}
		}
		p.Import("fabrikam", "user_id,password\nowner@fabrikam.com,teapot harbour violin\n")
		stranger := newProgram(t, p, "fabrikam", org.Owner)
		own := "/api/v1/orgs/fabrikam/graph/v1.0"
		for _, path := range []string{
			path, own + "/users/alain@contoso.com/authentication/emailMethods", own + "/users/" + keyOf(t, p, "alain@contoso.com") + "/authentication/methods",
			own + "/users/owner@fabrikam.com/authentication/emailMethods/" + mailOf(t, p, "alain@contoso.com"),
			own + "/reports/authenticationMethods/userRegistrationDetails/" + keyOf(t, p, "alain@contoso.com"),
			own + "/me/authentication/methods",
		} {
			if got := stranger.do(http.MethodGet, path, ""); got.status != http.StatusNotFound || graphRefusal(t, got) != "resourceNotFound not-found" {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
		if got := stranger.do(http.MethodDelete, own+"/users/alain@contoso.com/authentication/emailMethods/"+graphMail, ""); got.status != http.StatusNotFound {
			t.Errorf("another organization deletes: %d", got.status)
		}
		all, _ := graphValue(t, stranger.do(http.MethodGet, own+"/reports/authenticationMethods/userRegistrationDetails", ""))
		if len(all) != 1 || all[0]["userPrincipalName"] != "owner@fabrikam.com" {
			t.Errorf("another organization's people: %v", all)
		}
		c.key = ""
		if got := c.do(http.MethodGet, path, ""); got.status != http.StatusUnauthorized || graphRefusal(t, got) != "InvalidAuthenticationToken signed-out" {
			t.Errorf("without a key: %d %s", got.status, got.body)
		}
	})
}

// The registration report is filtered and goes on from page to page.
func TestAScriptForGraphReadsRegistrations(t *testing.T) {
	t.Parallel()
	eachGraph(t, func(t *testing.T, p *kuncitest.Product) {
		atDesk(t, p, "auditor@contoso.com", true) // who has an app
		c := newProgram(t, p, "contoso", org.Auditor)
		found := func(filter string) (all []string) {
			t.Helper()
			next := graphReport + "?" + url.Values{"$top": {"3"}, "$filter": {filter}}.Encode()
			for range 10 {
				got := c.do(http.MethodGet, next, "")
				page, link := graphValue(t, got)
				for _, one := range page {
					name, _, _ := strings.Cut(one["userPrincipalName"].(string), "@")
					all = append(all, name)
				}
				if link == "" {
					return all
				}
				if !strings.HasPrefix(link, p.URL+graphReport+"?") || strings.Contains(link, "contoso.com") {
					t.Fatalf("the next page is at %s", link)
				}
				next = strings.TrimPrefix(link, p.URL)
			}
			t.Fatal("there is always another page")
			return nil
		}
		for filter, want := range map[string]string{
			"": "alain auditor authentication_admin citra eko helpdesk owner policy_admin",
			"isSsprCapable eq false and isSsprEnabled eq true and isAdmin eq false": "citra",
			"isSsprEnabled eq false":                                     "eko",
			"isMfaRegistered eq true":                                    "auditor",
			"isMfaCapable eq true and isPasswordlessCapable eq false":    "auditor",
			"userPrincipalName eq 'Alain@contoso.com'":                   "alain",
			"methodsRegistered/any(m:m eq 'email') and isAdmin eq false": "alain eko",
			"methodsRegistered/any(x: x eq 'softwareOneTimePasscode')":   "auditor",
			"userPrincipalName eq 'o''brien@contoso.com'":                "",
		} {
			if got := strings.Join(found(filter), " "); got != want {
				t.Errorf("%s: %s", filter, got)
			}
		}
		for _, filter := range []string{"isSsprCapable eq 1", "isSsprCapable ne true", "isSsprCapable eq true or isAdmin eq true", "hunter2 eq true",
			"isAdmin eq true and isAdmin eq false", "userPrincipalName eq ''", "methodsRegistered/any(a:b eq 'email')", "startswith(userPrincipalName,'a')"} {
			got := c.do(http.MethodGet, graphReport+"?"+url.Values{"$filter": {filter}}.Encode(), "")
			if got.status != http.StatusBadRequest || graphRefusal(t, got) != "badRequest bad-input" || strings.Contains(got.body, "hunter2") {
				t.Errorf("%s: %d %s", filter, got.status, got.body)
			}
		}
		for _, query := range []string{"$top=0", "$top=201", "$skiptoken=%25", "$select=id", "$orderby=id"} {
			if got := c.do(http.MethodGet, graphReport+"?"+query, ""); got.status != http.StatusBadRequest || graphRefusal(t, got) == "" {
				t.Errorf("%s: %d %s", query, got.status, got.body)
			}
		}
		one := c.do(http.MethodGet, graphReport+"/auditor@contoso.com", "")
		for _, part := range []string{`"isAdmin":true`, `"isSsprRegistered":true`, `"isMfaRegistered":true`, `"userType":"member"`, `"lastUpdatedDateTime":"2`, `"defaultMfaMethod":"`} {
			if !strings.Contains(one.body, part) {
				t.Errorf("one person lacks %s: %s", part, one.body)
			}
		}
	})
}

// The default is what a sign-in offers first, by Graph's two names, in the list and
// for one person alike; a passkey has none of the second sort.
func TestGraphTellsTheDefaultMethod(t *testing.T) {
	t.Parallel()
	eachGraph(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Auditor)
		o, citra := p.Organization(), find(t, p, "citra@contoso.com").Account
		told := func() string {
			t.Helper()
			one := c.do(http.MethodGet, graphReport+"/citra@contoso.com", "")
			var alone map[string]any
			if err := json.Unmarshal([]byte(one.body), &alone); err != nil {
				t.Fatal(err)
			}
			all, _ := graphValue(t, c.do(http.MethodGet, graphReport+"?"+url.Values{"$filter": {"userPrincipalName eq 'citra@contoso.com'"}}.Encode(), ""))
			if len(all) != 1 || all[0]["defaultMfaMethod"] != alone["defaultMfaMethod"] ||
				all[0]["userPreferredMethodForSecondaryAuthentication"] != alone["userPreferredMethodForSecondaryAuthentication"] {
				t.Errorf("in the list %v, alone %v", all, alone)
			}
			return fmt.Sprint(alone["defaultMfaMethod"], " ", alone["userPreferredMethodForSecondaryAuthentication"])
		}
		if got := told(); got != "none none" {
			t.Errorf("of nobody's method: %s", got)
		}
		seed, err := method.NewSeed()
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range []struct {
			m    method.Method
			want string
		}{
			{method.Method{Kind: method.MobilePhone, Value: "+6281234567890"}, "mobilePhone sms"},
			{method.Method{Kind: method.OfficePhone, Value: "+62215551234"}, "officePhone voiceOffice"},
			{method.Method{Kind: method.AuthenticatorCode, Secret: seed}, "softwareOneTimePasscode oath"},
		} {
			one.m.OrgID, one.m.AccountID, one.m.Proved, one.m.ProvedBy = o.ID, citra.ID, true, method.ByPerson
			err := p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
				m, err := p.App.Methods.Add(t.Context(), tx, one.m)
				if err != nil {
					return err
				}
				return p.App.Methods.SetDefault(t.Context(), tx, o.ID, citra.ID, m.ID)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := told(); got != one.want {
				t.Errorf("%s: %s", one.m.Kind, got)
			}
		}
	})
}

// Of many who give a person the same mailbox at once, one does.
func TestOneMailboxThroughGraph(t *testing.T) {
	t.Parallel()
	eachGraph(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		path := graphBase + "/users/citra@contoso.com/authentication/emailMethods"
		var all sync.WaitGroup
		var mu sync.Mutex
		seen := make(map[int]int)
		for range 8 {
			all.Go(func() {
				got := c.do(http.MethodPost, path, `{"emailAddress":"citra@example.net"}`)
				mu.Lock()
				seen[got.status]++
				mu.Unlock()
			})
		}
		all.Wait()
		if seen[http.StatusCreated] != 1 || seen[http.StatusConflict] != 7 {
			t.Errorf("%v", seen)
		}
	})
}
