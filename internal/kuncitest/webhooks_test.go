package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/webhook"
)

// A program and an owner at the console add, try, pause, resume and remove
// receivers; one that is gone is paused by itself and the owner gets a mail.
func TestWebhooksInTheConsoleAndTheAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c, other := newProgram(t, p, "contoso", org.Owner), newProgram(t, p, "fabrikam", org.Owner)
		var status atomic.Int64
		status.Store(http.StatusGone)
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
		t.Cleanup(receiver.Close)
		// Over the API only public addresses over https.
		for _, url := range []string{receiver.URL, "http://siem.contoso.com", "https://a:b@siem.contoso.com"} {
			if got := c.do(http.MethodPost, api+"/webhooks", `{"url":"`+url+`"}`); got.code() != string(problem.WebhookAddress) || strings.Contains(got.body, "siem") {
				t.Errorf("%s: %d %s", url, got.status, got.body)
			}
		}
		const key = `"one-webhook"`
		made := c.do(http.MethodPost, api+"/webhooks", `{"url":"https://127.0.0.1/t0ken"}`, "Idempotency-Key", key)
		var hook struct{ ID, Secret, State string }
		if err := json.Unmarshal([]byte(made.body), &hook); err != nil || !strings.HasPrefix(hook.Secret, "whsec_") || hook.State != "live" || strings.Contains(made.body, "t0ken") {
			t.Fatalf("%d %s", made.status, made.body)
		}
		if got := c.do(http.MethodPost, api+"/webhooks", `{"url":"https://127.0.0.1/t0ken"}`, "Idempotency-Key", key); got.code() != string(problem.IdempotencyOnce) {
			t.Errorf("the secret is told again: %d %s", got.status, got.body)
		}
		path := api + "/webhooks/" + hook.ID
		if got := c.do(http.MethodPost, path+"/test", ""); !strings.Contains(got.body, `"error":"not-public"`) || !strings.Contains(got.body, `"arrived":false`) {
			t.Errorf("a private address: %d %s", got.status, got.body)
		}
		for _, act := range []string{"/pause", "/resume", "/test", "/send-again"} {
			body := ""
			if act == "/send-again" {
				body = `{}`
			}
			if got := other.do(http.MethodPost, strings.Replace(path, "contoso", "fabrikam", 1)+act, body); got.status != http.StatusNotFound {
				t.Errorf("another organization: %s %d %s", act, got.status, got.body)
			}
		}
		if got := c.do(http.MethodPost, path+"/pause", ""); !strings.Contains(got.body, `"paused_for":"by-hand"`) {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPost, path+"/resume", ""); got.status != http.StatusOK || strings.Contains(got.body, "paused") {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodGet, path+"/set-aside", ""); got.status != http.StatusOK || !strings.Contains(got.body, `"events":[]`) {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPost, path+"/send-again", `{}`); got.status != http.StatusOK || !strings.Contains(got.body, `"events":0`) {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPost, path+"/send-again", `{"events":["none"]}`); got.status != http.StatusNotFound {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodDelete, path, ""); got.status != http.StatusNoContent || c.do(http.MethodGet, path, "").status != http.StatusNotFound {
			t.Errorf("%d %s", got.status, got.body)
		}
		// One that answers 410 is paused by the running node, and the owner is told.
		h, _, err := p.App.AddWebhook(t.Context(), "contoso", webhook.Order{URL: receiver.URL, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		if err != nil {
			t.Fatal(err)
		}
		until(t, "the mail to the owner", func() bool {
			for _, m := range p.Mail.Mails() {
				if m.To == "owner@contoso.com" && strings.Contains(m.Parse(t).Text, h.Host) && strings.Contains(m.Parse(t).Text, "status-410") {
					return true
				}
			}
			return false
		})
		status.Store(http.StatusNoContent)
		b := atDesk(t, p, "owner@contoso.com", true)
		if page := b.Get("/console"); !page.Has("/console/settings/webhooks") {
			t.Errorf("the first page does not warn: %s", page.Text())
		}
		const place = "/console/settings/webhooks"
		if page := b.Get(place).Want(http.StatusOK, "console-hooks"); !strings.Contains(page.Text(), "410") || !strings.Contains(page.Body, "resume_webhook") {
			t.Errorf("%s", page.Text())
		}
		b.Post(place, "act", "resume_webhook", "id", h.ID).Want(http.StatusOK, "console-hooks")
		if page := b.Post(place, "act", "test_webhook", "id", h.ID).Want(http.StatusOK, "console-hooks"); !strings.Contains(page.Text(), "The test arrived") {
			t.Errorf("%s", page.Text())
		}
		if page := b.Post(place, "act", "add_webhook", "url", "http://siem.contoso.com/"); page.Status != http.StatusUnprocessableEntity || page.Alert() != string(problem.WebhookAddress) {
			t.Errorf("%d %s", page.Status, page.Text())
		}
		if page := b.Post(place, "act", "add_webhook", "url", "https://siem.contoso.com/t0ken").Want(http.StatusOK, "console-hooks"); !strings.Contains(page.Text(), "whsec_") || strings.Contains(b.Get(place).Body, "whsec_") {
			t.Errorf("the secret is told once: %s", page.Text())
		}
		b.Post(place, "act", "remove_webhook", "id", h.ID).Want(http.StatusOK, "console-hooks")
		if page := b.Post(place, "act", "send_all_again", "id", h.ID); page.Status != http.StatusNotFound && page.Alert() != string(problem.NotFound) {
			t.Errorf("of one that is removed: %d", page.Status)
		}
		// Adding asks for a second factor proved moments ago.
		p.Clock.Advance(11 * time.Minute)
		if page := b.Post(place, "act", "add_webhook", "url", "https://siem2.contoso.com/"); page.Name() != "signin-verify" {
			t.Errorf("without a fresh proof: %s", page.Name())
		}
		reasons := make(map[string]bool)
		for _, e := range p.Events() {
			if e.Kind == audit.AdministratorChanged {
				reasons[e.Reason] = true
			}
		}
		for _, want := range []string{"webhook-added", "webhook-paused", "webhook-resumed", "webhook-removed"} {
			if !reasons[want] {
				t.Errorf("%s is not recorded", want)
			}
		}
	})
}
