package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// What people, strangers and programs leave behind is text wherever an administrator
// or they themselves read it: no page of the console or of a person shows it as markup,
// and no answer lets a script of it run. The walk goes wherever links lead.
func TestNothingStoredIsMarkup(t *testing.T) {
	t.Parallel()
	const evil = `"'><img src=x onerror=alert(1)>{{.}}`
	people := strings.Replace(consolePeople, "Alain Dupont", `"`+strings.ReplaceAll(evil, `"`, `""`)+`"`, 1)
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, Organization: consoleOrganization, Accounts: people})
	stranger := p.Browser()
	stranger.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0 "+evil)
	stranger.Get("/reset")
	stranger.Post("/reset", "user_id", "eko@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
	stranger.Get("/reset/contact").Want(http.StatusOK, "reset-contact")
	stranger.Post("/reset/contact", "message", evil).Want(http.StatusOK, "reset-contact-sent")
	signIn(t, stranger, evil+"@contoso.com", evil)
	signIn(t, stranger, "alain@contoso.com", evil)
	article := p.Browser().Get("/help").Links("/help/")[0]
	stranger.Post(article, "helpful", "no", "language_quality", "1", "comment", evil)
	me := signedIn(t, p, "alain@contoso.com", "")
	m := me.ofKind(method.Email)
	me.Post("/security-info/"+m.ID+"/change", "name", evil)
	me.Post("/security-info/add", "kind", "authenticator_code", "name", evil)
	c := newProgram(t, p, "contoso", org.Owner)
	if _, _, err := p.App.NewAPIKey(t.Context(), "contoso", evil, org.Auditor, time.Hour); err != nil {
		t.Fatal(err)
	}
	c.do(http.MethodPost, api+"/webhooks", `{"url":"https://siem.contoso.example/<img src=x onerror=alert(1)>"}`)
	c.do(http.MethodPost, api+"/requests/x/resolve", `{"note":"<img src=x onerror=alert(1)>"}`)
	c.do(http.MethodPost, api+"/imports", "user_id,<img src=x onerror=alert(1)>\n<img src=x>,1\n", "Content-Type", "text/csv")
	owner := atDesk(t, p, "owner@contoso.com", true)
	owner.Header.Set("User-Agent", evil)
	owner.Post("/console/people", "q", evil)
	owner.Post("/console/people/"+keyOf(t, p, "alain@contoso.com"), "act", "freeze", "note", evil)
	for _, walk := range []struct {
		b    *kuncitest.Browser
		from string
		most string
	}{{owner, "/console", "/console"}, {me.Browser, "/security-info", "/"}} {
		seen, wait, shown := map[string]bool{walk.from: true}, []string{walk.from}, 0
		for len(wait) > 0 && len(seen) < 400 {
			at := wait[0]
			wait = wait[1:]
			page := walk.b.Get(at)
			if strings.Contains(page.Header.Get("Content-Type"), "html") && strings.Contains(page.Body, "<img src=x") {
				t.Errorf("%s shows what was stored as markup", at)
			}
			if strings.Contains(page.Body, "&lt;img src=x") {
				shown++
			}
			if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") || strings.Contains(policy, "unsafe") {
				t.Errorf("%s: policy %q", at, policy)
			}
			if page.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %q: the way back shows it after signing out", at, page.Header.Get("Cache-Control"))
			}
			for _, link := range page.Links(walk.most) {
				u, err := url.Parse(link)
				if err != nil || u.Query().Get("lang") != "" || seen[link] || strings.HasPrefix(link, "/help") || textPages.MatchString(link) || strings.HasPrefix(link, "//") {
					continue
				}
				seen[link] = true
				wait = append(wait, link)
			}
		}
		if shown < 1 || len(seen) < 4 {
			t.Errorf("from %s: %d pages, %d of them show what was stored: this test sees nothing", walk.from, len(seen), shown)
		}
	}
	if strings.Contains(p.Logged.String(), "\x1b") {
		t.Error("the log holds an escape")
	}
}
