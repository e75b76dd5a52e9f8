package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

func TestAnOrganizationExplainsDeadEndsItself(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		const path = "/console/settings/help-texts/problem.not-verified/en"
		b := atDesk(t, p, "policy_admin@contoso.com", true)
		version := settingsVersion(t, b.Get(path).Want(http.StatusOK, "console-help-text"))
		for name, wrong := range map[string]string{"a link": "Go to https://evil.example", "a contact that is not there": "Call {{support_phone}}", "an unknown variable": "{{code}}"} {
			page := b.Post(path, "version", version, "text", wrong, "action", "save_help").Want(http.StatusUnprocessableEntity, "console-help-text")
			if kept, _ := page.Field("text"); strings.TrimSpace(kept) != wrong {
				t.Errorf("%s: what was typed is lost: %q", name, kept)
			}
		}
		const own = "Come to **room 12** of {{org}} <b>now</b>:\n\n- with your badge\n- or write to {{support_email}}"
		const shown = "<strong>room 12</strong> of Contoso &lt;b&gt;now&lt;/b&gt;:"
		preview := b.Post(path, "version", version, "text", own, "action", "preview_help").Want(http.StatusOK, "console-help-text")
		if _, saved := p.Organization().HelpText("problem.not-verified", "en"); saved || !strings.Contains(preview.Body, shown) {
			t.Errorf("the preview, saved %v: %s", saved, preview.Text())
		}
		b.Post(path, "version", version, "text", own, "action", "save_help").Want(http.StatusOK, "console-help-text")
		if page := b.Post(path, "version", version, "text", own, "action", "save_help"); page.Status != http.StatusConflict {
			t.Errorf("to an old version: %d", page.Status)
		}
		if e, ok := settingsEvent(p, audit.OrganizationChanged, "help_texts.problem.not-verified.en"); !ok || strings.Contains(e.Detail["help_texts.problem.not-verified.en"], "room") {
			t.Errorf("the event: %+v", e)
		}
		// People read it at the dead end, in its language alone.
		lost := p.Browser()
		lost.Header.Set("Accept-Language", "en")
		lost.Get("/reset")
		end := lost.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot")
		if end.Problem() != string(problem.NotVerified) || !strings.Contains(end.Body, shown) || !end.Has("mailto:helpdesk@contoso.example") || !end.Has("/reset/contact") {
			t.Errorf("the dead end %s:\n%s", end.Problem(), end.Body)
		}
		lost.Header.Set("Accept-Language", "id")
		if end = lost.Get("/reset/problem"); strings.Contains(end.Body, "room 12") {
			t.Error("the other language has it too")
		}
		before := p.Organization().Version
		if p.Apply(settingsFile(t, p)); p.Organization().Version != before {
			t.Error("applying what was shown changes something")
		}
		p.Import("fabrikam", "user_id,display_name,password\nowner@fabrikam.com,Oscar,teapot harbour violin\n")
		if page := atDesk(t, p, "owner@fabrikam.com", true).Get(path); strings.Contains(page.Body, "room 12") {
			t.Error("another organization sees the text")
		}
		b.Post(path, "version", settingsVersion(t, b.Get(path)), "action", "reset_help").Want(http.StatusOK, "console-help-text")
		if _, own := p.Organization().HelpText("problem.not-verified", "en"); own {
			t.Error("the product's text is not in use again")
		}
		// The same over the API.
		c := newProgram(t, p, "contoso", org.PolicyAdmin)
		got := c.do(http.MethodGet, api+"/help-texts/help/id", "")
		if got.status != http.StatusOK || !strings.Contains(got.body, `"own":false`) {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodPut, api+"/help-texts/help/id", `{"text":"evil.example"}`, "If-Match", got.header.Get("ETag")); got.code() != string(problem.DocumentWrong) {
			t.Errorf("%d %s", got.status, got.body)
		}
		try := c.do(http.MethodPost, api+"/help-texts/help/id/try", `{"text":"Selamat datang di **{{org}}**:\n\n- tulis ke {{support_email}}"}`)
		if try.status != http.StatusOK || !strings.Contains(try.body, `{"text":"Contoso","strong":true}`) || !strings.Contains(try.body, `"address":"mailto:helpdesk@contoso.example"`) || !strings.Contains(try.body, `"list":true`) {
			t.Errorf("tried: %d %s", try.status, try.body)
		}
		if _, saved := p.Organization().HelpText("help", "id"); saved {
			t.Error("trying a text saves it")
		}
		if got := c.do(http.MethodPost, api+"/help-texts/help/id/try", `{"text":"evil.example"}`); got.code() != string(problem.DocumentWrong) {
			t.Errorf("tried: %d %s", got.status, got.body)
		}
		put := c.do(http.MethodPut, api+"/help-texts/help/id", `{"text":"Selamat datang di {{org}}"}`, "If-Match", got.header.Get("ETag"))
		reader := p.Browser()
		reader.Header.Set("Accept-Language", "id")
		if page := reader.Get("/help?org=contoso"); put.status != http.StatusOK || !strings.Contains(page.Text(), "Selamat datang di Contoso") {
			t.Errorf("%d %s\n%s", put.status, put.body, page.Text())
		}
		if got := c.do(http.MethodPost, api+"/help-texts/help/id/reset", "", "If-Match", put.header.Get("ETag")); got.status != http.StatusOK || !strings.Contains(got.body, `"own":false`) {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}
