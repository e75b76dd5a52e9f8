package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// settingsVersion is the version that a page's form carries.
func settingsVersion(t *testing.T, page *kuncitest.Page) string {
	t.Helper()
	version, ok := page.Field("version")
	if !ok {
		t.Fatalf("no version on %s:\n%s", page.Path, page.Text())
	}
	return version
}

// settingsFile is the organization as kunci org show prints it.
func settingsFile(t *testing.T, p *kuncitest.Product) string {
	t.Helper()
	text, err := config.Encode(p.Organization().Document())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settingsEvent finds an event of a kind whose detail has a key.
func settingsEvent(p *kuncitest.Product, kind audit.Kind, key string) (audit.Record, bool) {
	for _, e := range p.Events() {
		if _, ok := e.Detail[key]; ok && e.Kind == kind {
			return e, true
		}
	}
	return audit.Record{}, false
}

func TestAnOrganizationWritesItsOwnMessages(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		const path = "/console/messages/code.reset/en"
		own := "Good morning {{user_id}}, your colleagues at {{org}} send you this:\n\n{{code}}\n\nTalk to {{support_email}}."
		b := atDesk(t, p, "policy_admin@contoso.com", true)
		edit := b.Get(path).Want(http.StatusOK, "console-message-edit")
		version := settingsVersion(t, edit)
		// The product's text is what one begins from, and it is shown in both languages.
		if text, _ := edit.Field("text"); !strings.Contains(text, "{{code}}") || !strings.Contains(edit.Text(), "Seseorang") || !strings.Contains(edit.Text(), "Somebody") {
			t.Errorf("the page to begin from: %s", edit.Text())
		}
		for name, wrong := range map[string]string{"no code": "Hello there", "a foreign link": "{{code}}\n\nhttps://evil.example/{{user_id}}", "unknown": "{{code}}\n\n{{token}}"} {
			page := b.Post(path, "version", version, "subject", "From {{org}}", "text", wrong, "action", "save_message").Want(http.StatusUnprocessableEntity, "console-message-edit")
			if kept, _ := page.Field("text"); kept != wrong && strings.TrimSpace(kept) != wrong {
				t.Errorf("%s: what was typed is lost: %q", name, kept)
			}
		}
		preview := b.Post(path, "version", version, "subject", "From {{org}}", "text", own, "action", "preview_message").Want(http.StatusOK, "console-message-edit")
		if !strings.Contains(preview.Text(), "your colleagues at Contoso send you this:") || !strings.Contains(preview.Text(), "Never give this code to anyone") {
			t.Errorf("the preview: %s", preview.Text())
		}
		if _, changed := settingsEvent(p, audit.PolicyChanged, "messages.code.reset.en.text"); changed {
			t.Error("a preview was saved")
		}
		b.Post(path, "version", version, "subject", "From {{org}}", "text", own, "action", "save_message").Want(http.StatusOK, "console-message-edit")
		if page := b.Post(path, "version", version, "subject", "Late {{org}}", "text", own, "action", "save_message"); page.Status != http.StatusConflict {
			t.Errorf("a change to an old version: %d", page.Status)
		}
		event, ok := settingsEvent(p, audit.PolicyChanged, "messages.code.reset.en.text")
		if !ok || event.Actor.UserID != "policy_admin@contoso.com" || strings.Contains(event.Detail["messages.code.reset.en.text"], "colleagues") {
			t.Errorf("the event: %+v", event)
		}
		// What is sent from now on says it; the other language does not.
		locked := p.Browser()
		locked.Header.Set("Accept-Language", "en")
		locked.Get("/reset")
		chosen := locked.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot")
		locked.Post("/reset/verify", "method", chosen.Choices("method")[0], "action", "send")
		mail := p.Mail.Wait(t, 1)[0].Parse(t)
		if mail.Subject != "From Contoso" || !strings.Contains(mail.Text, "Good morning alain@contoso.com") || !strings.Contains(mail.Text, "Talk to helpdesk@contoso.example.") || !strings.Contains(mail.HTML, "Good morning") {
			t.Errorf("%s\n%s", mail.Subject, mail.Text)
		}
		// A test goes to whoever asks, wherever the form would have it go, and not for ever.
		for range 5 {
			b.Post(path, "version", version, "subject", "From {{org}}", "text", own, "action", "test_message", "to", "x@evil.example").Want(http.StatusOK, "console-message-edit")
		}
		if page := b.Post(path, "version", version, "subject", "From {{org}}", "text", own, "action", "test_message"); page.Status != http.StatusTooManyRequests {
			t.Errorf("a sixth test: %d", page.Status)
		}
		for _, sent := range p.Mail.Wait(t, 6)[1:] {
			if test := sent.Parse(t); sent.To != "putri@example.net" || test.Subject != "[Test] From Contoso" {
				t.Errorf("a test to %v: %s", sent.To, test.Subject)
			}
		}
		// The file that makes the organization holds the text, and making it again changes nothing.
		file := settingsFile(t, p)
		if !strings.Contains(file, "message: code.reset") || !strings.Contains(file, "your colleagues at") {
			t.Fatalf("the file:\n%s", file)
		}
		before := p.Organization().Version
		if p.Apply(file); p.Organization().Version != before {
			t.Error("applying what was shown changes something")
		}
		// The other organization has its own.
		p.Import("fabrikam", "user_id,display_name,password\nowner@fabrikam.com,Oscar,teapot harbour violin\n")
		if page := atDesk(t, p, "owner@fabrikam.com", true).Get(path); strings.Contains(page.Body, "your colleagues") {
			t.Error("another organization sees the text")
		}
		version = settingsVersion(t, b.Get(path))
		b.Post(path, "version", version, "action", "reset_message").Want(http.StatusOK, "console-message-edit")
		if _, own := p.Organization().TextOf("code.reset", "en"); own {
			t.Error("the product's text is not in use again")
		}
	})
}

func TestMessagesOverTheAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.PolicyAdmin)
		got := c.do(http.MethodGet, api+"/messages/sms.reset/id", "")
		tag := got.header.Get("ETag")
		if got.status != http.StatusOK || tag == "" || !strings.Contains(got.body, `"own":false`) {
			t.Fatalf("%d %s", got.status, got.body)
		}
		body := `{"text":"{{code}} dari {{org}} ’ petik"}`
		if got := c.do(http.MethodPost, api+"/messages/sms.reset/id/try", body); got.status != http.StatusOK || strings.Contains(got.body, `"gsm":true`) || !strings.Contains(got.body, `"texts":2`) {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPut, api+"/messages/sms.reset/id", `{"text":"dari {{org}}"}`, "If-Match", tag); got.code() != string(problem.DocumentWrong) || !strings.Contains(got.body, "{{code}}") {
			t.Errorf("without a code: %d %s", got.status, got.body)
		}
		put := c.do(http.MethodPut, api+"/messages/sms.reset/id", body, "If-Match", tag)
		if put.status != http.StatusOK || put.header.Get("ETag") == tag {
			t.Errorf("%d %s", put.status, put.body)
		}
		if got := c.do(http.MethodPut, api+"/messages/sms.reset/id", body, "If-Match", tag); got.status != http.StatusPreconditionFailed {
			t.Errorf("to an old version: %d", got.status)
		}
		var listed struct {
			Messages []struct {
				Message, Language string
				Own               bool
			}
		}
		if err := json.Unmarshal([]byte(c.do(http.MethodGet, api+"/messages", "").body), &listed); err != nil {
			t.Fatal(err)
		}
		own := 0
		for _, m := range listed.Messages {
			if m.Own {
				own++
			}
		}
		if own != 1 {
			t.Errorf("%d own texts", own)
		}
		if got := c.do(http.MethodPost, api+"/messages/sms.reset/id/reset", "", "If-Match", put.header.Get("ETag")); got.status != http.StatusOK || !strings.Contains(got.body, `"own":false`) {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodGet, "/api/v1/orgs/fabrikam/messages", ""); got.status != http.StatusNotFound {
			t.Errorf("another organization's: %d", got.status)
		}
	})
}
