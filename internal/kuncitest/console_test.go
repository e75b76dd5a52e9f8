package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/console"
)

const consoleOrganization = `
organization: contoso
name: Contoso
domains: [contoso.com]
language: en
support: {email: helpdesk@contoso.example}
administrators:
  - {user_id: owner@contoso.com, role: owner}
  - {user_id: policy_admin@contoso.com, role: policy_admin}
  - {user_id: authentication_admin@contoso.com, role: authentication_admin}
  - {user_id: helpdesk@contoso.com, role: helpdesk}
  - {user_id: auditor@contoso.com, role: auditor}
policy: {reset: {exclude_groups: [contractors]}}
---
organization: fabrikam
name: Fabrikam
domains: [fabrikam.com]
administrators: [{user_id: owner@fabrikam.com, role: owner}]
`

const consolePeople = `user_id,display_name,password,groups,email
owner@contoso.com,Olga,teapot harbour violin,staff,olga@example.net
policy_admin@contoso.com,Putri,teapot harbour violin,staff,putri@example.net
authentication_admin@contoso.com,Agus,teapot harbour violin,staff,agus@example.net
helpdesk@contoso.com,Hendra,teapot harbour violin,staff,hendra@example.net
auditor@contoso.com,Ani,teapot harbour violin,staff,ani@example.net
alain@contoso.com,Alain Dupont,teapot harbour violin,staff,alain@example.net
citra@contoso.com,Citra <b>Lestari</b>,teapot harbour violin,staff,
eko@contoso.com,Eko Prasetyo,teapot harbour violin,contractors,eko@example.net
`

func startConsole(t *testing.T, kind store.Kind) *kuncitest.Product {
	t.Helper()
	return kuncitest.Start(t, kuncitest.Options{Kind: kind, Organization: consoleOrganization, Accounts: consolePeople})
}

// eachConsole runs a walk through the console on both databases.
func eachConsole(t *testing.T, walk func(t *testing.T, p *kuncitest.Product)) {
	t.Helper()
	t.Parallel()
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			walk(t, startConsole(t, kind))
		})
	}
}

// atDesk gives a browser in which somebody is signed in; factor says whether
// they have a second factor and proved it.
func atDesk(t *testing.T, p *kuncitest.Product, userID string, factor bool) *kuncitest.Browser {
	t.Helper()
	ctx := t.Context()
	var o *org.Organization
	err := p.App.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = p.App.Orgs.ForUserID(ctx, tx, userID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.App.Accounts.Find(ctx, o, userID)
	if err != nil {
		t.Fatal(err)
	}
	token := ""
	err = p.App.DB.Write(ctx, func(tx *store.Tx) error {
		b, fresh, err := p.App.Sessions.Open(ctx, tx, "")
		if err != nil {
			return err
		}
		s, err := p.App.Sessions.Begin(ctx, tx, b.ID, session.Begin{OrgID: o.ID, AccountID: a.ID, UserID: userID, Level: session.Full})
		if err != nil {
			return err
		}
		token = fresh
		if !factor {
			return nil
		}
		id, err := registered(t, p, tx, o.ID, a)
		if err != nil {
			return err
		}
		token, err = p.App.Sessions.Prove(ctx, tx, s.ID, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	browser := p.Browser()
	browser.Header.Set("Accept-Language", "en")
	browser.SetCookie("kunci-session", token)
	return browser
}

// registered gives the account's authenticator app, registering one where there is none.
func registered(t *testing.T, p *kuncitest.Product, tx *store.Tx, orgID string, a account.Account) (string, error) {
	t.Helper()
	all, err := p.App.Methods.List(t.Context(), tx, orgID, a.ID)
	if err != nil {
		return "", err
	}
	for _, m := range all {
		if m.Kind == method.AuthenticatorCode {
			return m.ID, nil
		}
	}
	seed, err := method.NewSeed()
	if err != nil {
		return "", err
	}
	m, err := p.App.Methods.Add(t.Context(), tx, method.Method{
		OrgID: orgID, AccountID: a.ID, Kind: method.AuthenticatorCode, Secret: seed, Proved: true, ProvedBy: method.ByPerson,
	})
	return m.ID, err
}

func keyOf(t *testing.T, p *kuncitest.Product, userID string) string {
	t.Helper()
	return keyIn(t, p, "contoso", userID)
}

func keyIn(t *testing.T, p *kuncitest.Product, slug, userID string) string {
	t.Helper()
	o, err := p.App.Organization(t.Context(), slug)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.App.Accounts.Find(t.Context(), o, userID)
	if err != nil {
		t.Fatal(err)
	}
	return a.Entry.Key
}

// consoleGrid says for each page who gets in: owner, policy_admin,
// authentication_admin, helpdesk, auditor. It is written from the table of
// roles in the documentation, not from the code.
const consoleGrid = `
GET /console                    + + + + +
GET /console/people             + + + + +
POST /console/people            + + + + +
GET /console/people/{key}       + + + + +
POST /console/people/{key}      + - + + -
GET /console/people/import + - + - -
POST /console/people/import + - + - -
GET /console/people/import/{id} + - + - -
POST /console/people/import/{id} + - + - -
GET /console/people/import/{id}/bad.csv + - + - -
POST /console/people/export + - + - +
GET /console/requests           + - + + -
GET /console/requests/{id}      + - + + -
POST /console/requests/{id}     + - + + -
GET /console/policy             + + + - +
POST /console/policy            + + - - -
GET /console/policy/document    + + + - +
POST /console/policy/document   + + - - -
GET /console/reports            + + + - +
GET /console/reports.csv        + + + - +
GET /console/reports.json       + + + - +
GET /console/audit              + + + - +
POST /console/audit             + + + - +
GET /console/audit/events/{id}/proof + + + - +
POST /console/audit/export      + - - - +
GET /console/audit/consistency  + + + - +
GET /console/audit/checkpoint   + + + - +
GET /console/messages           + + + - +
GET /console/messages/{name}/{language}  + + + - +
POST /console/messages/{name}/{language} + + - - -
GET /console/settings           + + - - +
POST /console/settings          + - - - -
GET /console/settings/domains   + + - - +
POST /console/settings/domains  + - - - -
GET /console/settings/webhooks  + + - - +
POST /console/settings/webhooks + - - - -
GET /console/settings/help-texts + + + - +
GET /console/settings/help-texts/{name}/{language}  + + + - +
POST /console/settings/help-texts/{name}/{language} + + - - -
GET /console/settings/branding  + - - - -
POST /console/settings/branding + - - - -
GET /console/settings/branding/sample.css + - - - -
GET /console/directory          + + - - +
POST /console/directory         + - - - -
GET /console/settings/administrators  + + - - +
POST /console/settings/administrators + - - - -
`

// A new page of the console that stands in no row fails here.
func TestWhoGetsToWhichPageOfTheConsole(t *testing.T) {
	p := startConsole(t, store.SQLite)
	key := keyOf(t, p, "alain@contoso.com")
	rows := make(map[string][]string)
	for _, line := range strings.Split(strings.TrimSpace(consoleGrid), "\n") {
		cells := strings.Fields(line)
		rows[cells[0]+" "+cells[1]] = cells[2:]
	}
	routes := (&console.Console{}).Routes()
	if len(rows) != len(routes) {
		t.Errorf("%d rows for %d pages", len(rows), len(routes))
	}
	for i, role := range org.Roles {
		b := atDesk(t, p, string(role)+"@contoso.com", true)
		for _, route := range routes {
			cells, ok := rows[route.Pattern]
			if !ok {
				t.Errorf("the page %q stands in no row", route.Pattern)
				continue
			}
			verb, path, _ := strings.Cut(route.Pattern, " ")
			path = strings.NewReplacer("{key}", key, "{id}", "nothing").Replace(path)
			var form url.Values
			if verb == http.MethodPost {
				form = url.Values{"act": {"revoke_sessions"}, "version": {"1"}}
			}
			page, err := b.Do(verb, path, form)
			if err != nil {
				t.Fatal(err)
			}
			refused := page.Status == http.StatusForbidden || page.Alert() == string(problem.Forbidden)
			if want := cells[i] == "-"; refused != want {
				t.Errorf("%s at %s: status %d, alert %q", role, route.Pattern, page.Status, page.Alert())
			}
		}
	}
}

func TestNobodyElseGetsIntoTheConsole(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		if page, err := p.Browser().Do(http.MethodGet, "/console/people", nil); err != nil || !strings.HasPrefix(page.Path, "/signin") {
			t.Errorf("nobody: %v %+v", err, page)
		}
		if page := atDesk(t, p, "alain@contoso.com", true).Get("/console"); page.Status != http.StatusForbidden {
			t.Errorf("a person without a role: %d", page.Status)
		}
		// The password alone opens nothing.
		atDesk(t, p, "owner@contoso.com", false).Get("/console").Want(http.StatusForbidden, "console-factor")
		atDesk(t, p, "auditor@contoso.com", true)
		if page := atDesk(t, p, "auditor@contoso.com", false).Get("/console/audit"); page.Name() == "console-audit" {
			t.Error("the console opened without a second factor in the session")
		}
	})
}

func TestAnAdministratorHelpsAPerson(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "helpdesk@contoso.com", true)
		list := b.Post("/console/people", "q", "ala", "show", "", "kind", "").Want(http.StatusOK, "console-people")
		key := keyOf(t, p, "alain@contoso.com")
		if !list.Has("/console/people/"+key) || strings.Contains(list.Text(), "citra") {
			t.Fatalf("the list: %s", list.Text())
		}
		person := b.Get("/console/people/"+key).Want(http.StatusOK, "console-person")
		if strings.Contains(person.Body, "alain@example.net") || !strings.Contains(person.Text(), "a…@e…") {
			t.Error("an address is shown whole, or not at all")
		}
		if acts := fmt.Sprint(person.Choices("act")); acts != "[send_code unlock clear_limits revoke_sessions freeze issue_pass]" {
			t.Errorf("acts of the helpdesk: %s", acts)
		}
		inCall(t, p, b, "alain@contoso.com")
		theirs := atDesk(t, p, "alain@contoso.com", false)
		b.Post("/console/people/"+key, "act", "freeze").Want(http.StatusOK, "console-person")
		b.Post("/console/people/"+key, "act", "revoke_sessions").Want(http.StatusOK, "console-person")
		if page, err := theirs.Do(http.MethodGet, "/console", nil); err != nil || !strings.HasPrefix(page.Path, "/signin") {
			t.Errorf("the person is still signed in: %v, %d", err, page.Status)
		}
		if page := b.Post("/console/people/"+key, "act", "unfreeze"); page.Alert() != string(problem.Forbidden) {
			t.Errorf("the helpdesk lifted a freeze: %d %q", page.Status, page.Alert())
		}
		if page := b.Post("/console/people/"+keyOf(t, p, "owner@contoso.com"), "act", "freeze"); page.Alert() != string(problem.Forbidden) {
			t.Errorf("the helpdesk froze an owner: %q", page.Alert())
		}
		if page := b.Post("/console/people/"+keyOf(t, p, "helpdesk@contoso.com"), "act", "freeze"); page.Alert() != string(problem.Forbidden) {
			t.Errorf("somebody acted on themselves: %q", page.Alert())
		}
		found := false
		for _, e := range p.Events() {
			if e.Kind == audit.ResetBlocked && e.Reason == "frozen" {
				found = e.Actor.Kind == audit.Admin && e.Actor.UserID == "helpdesk@contoso.com"
			}
		}
		if !found {
			t.Error("the act is not in the log with who did it")
		}
		if page := b.Get("/console/people/" + keyOf(t, p, "citra@contoso.com")); strings.Contains(page.Body, "<b>Lestari") {
			t.Error("a name is markup")
		}
	})
}

func TestPeopleAreFiltered(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "owner@contoso.com", true)
		for filter, want := range map[string]string{
			"show=capable":            "alain@contoso.com owner@contoso.com",
			"show=not-registered":     "auditor@contoso.com authentication_admin@contoso.com citra@contoso.com helpdesk@contoso.com policy_admin@contoso.com",
			"show=not-enabled":        "eko@contoso.com",
			"kind=authenticator_code": "owner@contoso.com",
		} {
			page := b.Get("/console/people?"+filter).Want(http.StatusOK, "console-people")
			var got []string
			for _, word := range strings.Fields(page.Text()) {
				if strings.HasSuffix(word, "@contoso.com") {
					got = append(got, word)
				}
			}
			if text := strings.Join(got[1:], " "); text != want { // the first is who is signed in
				t.Errorf("%s: %s", filter, text)
			}
		}
	})
}

func TestAPolicyIsChangedWithFields(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "policy_admin@contoso.com", true)
		page := b.Get("/console/policy?lang=id").Want(http.StatusOK, "console-policy")
		fields := page.Form("policy")
		with := func(action string, changed ...string) []string {
			all := []string{"action", action}
			for name, value := range fields {
				if i := slices.Index(changed, name); i >= 0 && i%2 == 0 {
					value = changed[i+1]
				}
				all = append(all, name, value)
			}
			return all
		}
		preview := b.Post("/console/policy", with("preview", "reset.gates", "2")...).Want(http.StatusOK, "console-policy")
		for _, want := range []string{"Verifikasi untuk mengatur ulang: Satu → Dua", "1 orang tidak lagi bisa mengatur ulang"} {
			if !strings.Contains(preview.Text(), want) {
				t.Errorf("the preview lacks %q: %s", want, preview.Text())
			}
		}
		if p.Organization().Policy.Reset.Gates != 1 {
			t.Error("saved by looking")
		}
		wrong := b.Post("/console/policy", with("save", "codes.digits", "delapan")...).Want(http.StatusUnprocessableEntity, "console-policy")
		if typed, _ := wrong.Field("codes.digits"); typed != "delapan" || wrong.Alert() != string(problem.DocumentWrong) || !strings.Contains(wrong.Text(), "tulis sebuah bilangan bulat") {
			t.Errorf("refused: %q %s", typed, wrong.Text())
		}
		nist := b.Post("/console/policy", with("preset", "preset", "nist_aal2")...).Want(http.StatusOK, "console-policy")
		if length, _ := nist.Field("password.min_length"); length != "15" || p.Organization().Policy.Password.MinLength != 12 {
			t.Errorf("the preset's length is %q", length)
		}
		before, _ := p.Organization().Policy.Text()
		b.Post("/console/policy", with("save", "reset.gates", "2")...).Want(http.StatusOK, "console-policy")
		after, _ := p.Organization().Policy.Text()
		if want := strings.Replace(before, "gates: 1", "gates: 2", 1); after != want {
			t.Errorf("saved as\n%s\nwant\n%s", after, want)
		}
		stale := b.Post("/console/policy", with("save")...).Want(http.StatusConflict, "console-policy")
		if stale.Alert() != string(problem.Conflict) || p.Organization().Policy.Reset.Gates != 2 {
			t.Errorf("stale: %q", stale.Alert())
		}
		// Who may only see it is shown no way to change it.
		seen := atDesk(t, p, "auditor@contoso.com", true).Get("/console/policy").Want(http.StatusOK, "console-policy")
		if len(seen.Choices("action")) > 0 || !strings.Contains(seen.Body, "<fieldset class=\"part\" id=\"part-reset\" disabled>") {
			t.Error("an auditor is offered to change the policy")
		}
	})
}

func TestAPolicyIsSeenBeforeItIsSaved(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "policy_admin@contoso.com", true)
		page := b.Get("/console/policy/document").Want(http.StatusOK, "console-policy-document")
		document, _ := page.Field("document")
		version, _ := page.Field("version")
		two := strings.Replace(document, "gates: 1", "gates: 2", 1)
		preview := b.Post("/console/policy/document", "document", two, "version", version, "action", "preview").Want(http.StatusOK, "console-policy-document")
		if !strings.Contains(preview.Text(), "1 person could no longer reset") || p.Organization().Policy.Reset.Gates != 1 {
			t.Errorf("preview: %s", preview.Text())
		}
		wrong := b.Post("/console/policy/document", "document", "reset: {gates: 9}", "version", version, "action", "save").Want(http.StatusUnprocessableEntity, "console-policy-document")
		if typed, _ := wrong.Field("document"); strings.TrimSpace(typed) != "reset: {gates: 9}" || wrong.Alert() != string(problem.DocumentWrong) || !strings.Contains(wrong.Text(), "reset.gates") {
			t.Errorf("refused: %s", wrong.Text())
		}
		b.Post("/console/policy/document", "document", two, "version", version, "action", "save").Want(http.StatusOK, "console-policy-document")
		if p.Organization().Policy.Reset.Gates != 2 {
			t.Error("not saved")
		}
		// Somebody who still looks at the old one changes nothing.
		stale := b.Post("/console/policy/document", "document", document, "version", version, "action", "save").Want(http.StatusConflict, "console-policy-document")
		if stale.Alert() != string(problem.Conflict) || p.Organization().Policy.Reset.Gates != 2 {
			t.Errorf("stale: %q", stale.Alert())
		}
	})
}

func TestARequestIsHandled(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		person := p.Browser()
		person.Get("/reset")
		person.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
		person.Post("/reset/contact", "message", "Tolong <script>").Want(http.StatusOK, "reset-contact-sent")
		b := atDesk(t, p, "helpdesk@contoso.com", true)
		list := b.Get("/console/requests").Want(http.StatusOK, "console-requests")
		if !strings.Contains(list.Text(), "citra@contoso.com") {
			t.Fatal(list.Text())
		}
		address := list.Links("/console/requests/")[0]
		one := b.Get(address).Want(http.StatusOK, "console-request")
		if !strings.Contains(one.Text(), "Tolong <script>") || !one.Has("/console/people/"+keyOf(t, p, "citra@contoso.com")) {
			t.Error(one.Text())
		}
		long := strings.Repeat("Called back. ", 2000)
		if page := b.Post(address, "note", long).Want(http.StatusUnprocessableEntity, "console-request"); page.Alert() != string(problem.TooLong) || !strings.Contains(page.Body, long) {
			t.Errorf("a long note: %q, and what was typed is gone", page.Alert())
		}
		b.Post(address, "note", "Called back").Want(http.StatusOK, "console-requests")
		if again := b.Post(address, "note", "Twice"); again.Alert() != string(problem.Conflict) {
			t.Errorf("resolved twice: %q", again.Alert())
		}
		if done := b.Get("/console/requests?state=resolved"); !strings.Contains(done.Text(), "citra@contoso.com") {
			t.Error("it is not among those that are done")
		}
	})
}

func TestReportsAndTheLog(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		person := p.Browser()
		toCode(t, person, "alain@contoso.com")
		person.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		person.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if err := p.App.Audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.App.Report.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := atDesk(t, p, "auditor@contoso.com", true)
		if page := b.Get("/console/reports").Want(http.StatusOK, "console-reports"); !strings.Contains(page.Text(), "1 call to the helpdesk was not needed") || !strings.Contains(page.Body, "<svg") {
			t.Error(page.Text())
		}
		today := p.Clock.Now().UTC().Format("2006-01-02")
		if page := b.Get("/console/reports.csv"); !strings.Contains(page.Body, today+",1,0,0,0,0,0,0,0,0,") {
			t.Errorf("CSV: %s", page.Body)
		}
		if page := b.Get("/console/audit?kind=reset.completed").Want(http.StatusOK, "console-audit"); !strings.Contains(page.Text(), "alain@contoso.com") || !strings.Contains(page.Body, "Forgot the password <code>forgot</code>") {
			t.Error(page.Text())
		}
		if page := b.Get("/console/audit/checkpoint"); page.Status != http.StatusOK || !strings.HasPrefix(page.Body, "kunci.dev/log/") {
			t.Errorf("checkpoint: %d %s", page.Status, page.Body)
		}
		export := b.Post("/console/audit/export", "kind", "", "from", "", "to", "")
		if export.Status != http.StatusOK || strings.Contains(export.Body, "alain@contoso.com") || !strings.Contains(export.Body, "reset.completed") {
			t.Error("an export without people holds one, or nothing")
		}
		if export = b.Post("/console/audit/export", "kind", "reset.completed", "from", today, "to", today, "people", "yes"); !strings.Contains(export.Body, "alain@contoso.com") {
			t.Errorf("an export with people: %s", export.Body)
		}
		if page := b.Get("/console/audit?kind=export.created"); strings.Count(page.Text(), "export.created") != 2 {
			t.Error("that somebody exported is not in the log")
		}
	})
}
