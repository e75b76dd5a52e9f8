package kuncitest_test

import (
	"encoding/base32"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/webhook"
)

var textPages = regexp.MustCompile(`^/console/(messages|settings/help-texts)/`)

// secrets gives Alain one of everything that is nobody else's business, and what must
// not be read anywhere: by what it is called.
func secrets(t *testing.T, p *kuncitest.Product, key string) map[string]string {
	t.Helper()
	const alain = "alain@contoso.com"
	me := signedIn(t, p, alain, "")
	me.Post("/security-info/add", setOf(nil)...)
	me.ofKind(method.SecurityQuestions)
	me.Post("/security-info/add", "kind", "authenticator_code").Want(http.StatusOK, "security-info-add") // its seed is kept, unproved
	seed := ""
	for _, m := range me.methods() {
		if m.Kind == method.AuthenticatorCode {
			seed = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(m.Secret)
		}
	}
	paper := recoveryCode.FindString(me.Post("/security-info/add", "kind", "recovery_code").Text())
	me.ofKind(method.RecoveryCode)
	address := me.ofKind(method.Email).ID
	person := p.Browser()
	person.Get("/reset")
	person.Post("/reset", "user_id", alain, "reason", "forgot").Want(http.StatusOK, "reset-choose")
	person.Post("/reset/verify", "method", address, "action", "send").Want(http.StatusOK, "reset-verify")
	code := ""
	until(t, "the mail with a code", func() bool {
		for _, m := range p.Mail.Mails() {
			if found := eightDigits.FindString(m.Parse(t).Subject + " " + m.Parse(t).Text); found != "" {
				code = found
			}
		}
		return code != ""
	})
	_, hook, err := p.App.Webhooks.Add(t.Context(), audit.Actor{Kind: audit.System}, p.Organization(), webhook.Order{URL: "https://siem.contoso.example/t0ken"})
	if err != nil {
		t.Fatal(err)
	}
	c := newProgram(t, p, "contoso", org.Owner)
	b := atDesk(t, p, "owner@contoso.com", true)
	issued := b.Post("/console/people/"+key, "act", "issue_pass", "minutes", "60").Want(http.StatusOK, "console-person")
	_, pass, _ := strings.Cut(issued.Body, `<p class="pass"><bdi>`)
	pass, _, _ = strings.Cut(pass, "<")
	all := map[string]string{
		"a password": "teapot harbour violin", "a hash": "$argon2id$", "a seed": seed, "a recovery code": paper, "an answer": answers["q10"], "a pass": pass,
		"a code": code, "a webhook's secret": hook, "a webhook's address": "t0ken", "an API key": c.key, "a whole address": "alain@example.net",
	}
	for what, secret := range all {
		if len(secret) < 5 {
			t.Fatalf("%s is %q", what, secret)
		}
	}
	return all
}

// Nobody sees a password, a code, an answer or a secret: an owner opens every page
// that the console leads to, and every export, and every list of the API.
func TestNoPageShowsASecret(t *testing.T) {
	o := withQuestions
	o.Organization = strings.Replace(consoleOrganization, "policy: {reset: {exclude_groups: [contractors]}}", strings.TrimSpace(o.Organization[strings.Index(o.Organization, "policy:"):]), 1)
	o.Accounts = consolePeople
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		key := keyOf(t, p, "alain@contoso.com")
		all := secrets(t, p, key)
		requests(t, p, "eko@contoso.com")
		if err := p.App.Audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		judge := func(at, body string) {
			t.Helper()
			for what, secret := range all {
				if strings.Contains(body, secret) {
					t.Errorf("%s shows %s", at, what)
				}
			}
		}
		b := atDesk(t, p, "owner@contoso.com", true)
		seen, wait := map[string]bool{"/console": true}, []string{"/console"}
		for len(wait) > 0 {
			at := wait[0]
			wait = wait[1:]
			page := b.Get(at)
			if page.Status >= 400 {
				t.Errorf("%s: %d", at, page.Status)
			}
			judge(at, page.Body)
			for _, link := range page.Links("/console") {
				u, err := url.Parse(link)
				if err != nil || u.Query().Get("lang") != "" || seen[link] {
					continue
				}
				// Of the texts of messages and help one of each is enough.
				if text := textPages.FindString(link); text == "" || !seen[text] {
					seen[text] = true
					wait = append(wait, link)
				}
				seen[link], seen[u.Path] = true, true
			}
		}
		// The walk comes to every sort of page.
		for _, path := range []string{"/console/people/" + key, "/console/people/import", "/console/policy/document", "/console/reports.json", "/console/reports.csv", "/console/audit/checkpoint",
			"/console/messages/", "/console/settings/help-texts/", "/console/settings/webhooks", "/console/settings/domains", "/console/settings/branding", "/console/settings/administrators", "/console/directory"} {
			if !seen[path] {
				t.Errorf("no link leads to %s", path)
			}
		}
		for _, form := range [][]string{
			{"/console/people/export", "format", "csv"}, {"/console/people/export", "format", "ndjson"},
			{"/console/audit/export", "people", "yes"}, {"/console/audit/export", "format", "csv", "people", "yes"},
		} {
			page := b.Post(form[0], form[1:]...)
			if page.Status != http.StatusOK || !strings.Contains(page.Body, "contoso.com") {
				t.Errorf("%v: %d", form, page.Status)
			}
			judge(strings.Join(form, " "), page.Body)
		}
		c := newProgram(t, p, "contoso", org.Owner)
		asked := 0
		for _, o := range p.App.API.Operations() {
			if o.Method != http.MethodGet || strings.Contains(o.Path, "/graph/") {
				continue // Graph's shapes give whole values to those who may see them, and record it
			}
			path := strings.NewReplacer("{org}", "contoso", "{id}", key).Replace(o.Path)
			if got := c.do(http.MethodGet, path, ""); got.status == http.StatusOK {
				asked++
				judge("GET "+path, got.body)
			}
		}
		if asked < 15 {
			t.Errorf("only %d operations answered", asked)
		}
		// What is kept of a person has whole addresses, and no more than that.
		kept := b.Post("/console/people/"+key, "act", "export_person")
		if !strings.Contains(kept.Body, "alain@example.net") {
			t.Errorf("what is kept of a person: %d", kept.Status)
		}
		delete(all, "a whole address")
		judge("what is kept of a person", kept.Body)
		judge("the log of the program", p.Logged.String())
	})
}

// The first page says who can reset and who is not registered, what happened today,
// and leads to where each warning is mended.
func TestTheOverviewSaysWhatNeedsSomebody(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		figures := func(page *kuncitest.Page) string {
			var all []string
			for _, part := range strings.Split(page.Body, "<div><dt>")[1:] {
				name, rest, _ := strings.Cut(part, "</dt><dd>")
				n, _, _ := strings.Cut(rest, "<")
				all = append(all, name+" "+n)
			}
			return strings.Join(all, ", ")
		}
		// One resets, one asks for help.
		person := p.Browser()
		toCode(t, person, "alain@contoso.com")
		person.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		person.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		stuck := p.Browser()
		stuck.Get("/reset")
		stuck.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
		stuck.Post("/reset/contact", "message", "Tolong").Want(http.StatusOK, "reset-contact-sent")
		if err := p.App.Audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.App.Report.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := setAside(t, p, 2)
		b := atDesk(t, p, "owner@contoso.com", true)
		page := b.Get("/console").Want(http.StatusOK, "console-overview")
		if got, want := figures(page), "People 8, May reset 7, Registered enough 3, Can reset now 2, Passwords reset 1, Accounts unlocked 0, Dead ends shown 1, Blocked 0"; got != want {
			t.Errorf("the figures: %s", got)
		}
		for text, at := range map[string]string{
			"5 people may reset": "/console/people?show=not-registered", "1 request": "/console/requests", "2 events were refused by webhooks": "/console/settings/webhooks",
		} {
			if !strings.Contains(page.Text(), text) || !page.Has(at) {
				t.Errorf("no warning %q that leads to %s: %s", text, at, page.Text())
			}
			b.Get(at)
		}
		// What was mended is no warning any more.
		b.Post("/console/settings/webhooks", "act", "discard_all_events", "id", h.ID)
		b.Post(b.Get("/console/requests").Links("/console/requests/")[0], "note", "Called")
		if page := b.Get("/console"); page.Has("/console/settings/webhooks") || strings.Contains(page.Text(), "1 request") {
			t.Errorf("after mending: %s", page.Text())
		}
		// Whoever may not mend it reads it without a way there.
		desk := atDesk(t, p, "helpdesk@contoso.com", true)
		setAside(t, p, 1)
		if page := desk.Get("/console"); page.Has("/console/settings/webhooks") || !strings.Contains(page.Text(), "1 event was refused") {
			t.Errorf("the helpdesk's: %s", page.Text())
		}
	})
}
