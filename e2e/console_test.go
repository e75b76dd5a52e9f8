package e2e

import (
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// An administrator's day: what needs somebody, people, one of them, a request,
// the policy, the reports, the log.
func TestTheConsoleInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range []device{devices[0], devices[3]} {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			locked := p.Browser()
			locked.Get("/reset")
			locked.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot")
			locked.Post("/reset/contact", "message", "Saya di loket tiga, tolong dibantu.")
			shows := withApp(t, p, "adele@contoso.com")
			if err := p.App.Audit.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := p.App.Report.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			b := openTab(t, p.URL, on)
			b.open("/console", "signin").fill("user_id", "adele@contoso.com").press()
			b.at("signin-password").fill("password", kuncitest.OldPassword).press()
			b.at("signin-verify").fill("code", shows()).press()
			b.at("console-overview").shot("c1-overview")
			b.open("/console/people", "console-people").shot("c2-people")
			b.fill("q", "alain").leave().click(`form[role="search"] button`).at("console-people")
			b.leave().click(`tbody a`).at("console-person").shot("c3-person")
			b.leave().click(`button[value="freeze"]`).at("console-person").shot("c4-frozen")
			b.leave().click(`button[value="send_code"]`).at("console-person").shot("c12-caller")
			settingsWrite(b, "minutes", "60").leave().click(`button[value="issue_pass"]`).at("console-person").shot("c13-pass")
			if b.words(".pass") == "" {
				t.Error("no pass was issued")
			}
			b.leave().click(`button[value="see_values"]`).at("console-person").shot("c14-value")
			b.open("/console/people/import", "console-import").shot("c19-import")
			b.open("/console/requests", "console-requests").shot("c5-requests")
			b.leave().click(`tbody a`).at("console-request").fill("note", "Sudah ditelepon").shot("c6-request")
			b.press().at("console-requests")
			b.open("/console/policy", "console-policy").shot("c7-policy")
			b.leave().click(`button[value="preview"]`).at("console-policy").shot("c8-preview")
			b.open("/console/policy/document", "console-policy-document").shot("c18-document")
			b.open("/console/reports", "console-reports").shot("c9-reports")
			b.open("/console/audit", "console-audit").shot("c10-audit")
			b.open("/console/messages", "console-messages").shot("c11-messages")
			b.open("/console/settings", "console-settings").fill("name", "Nightly").shot("c16-settings")
			b.leave().click(`button[value="create_key"]`).at("console-settings").shot("c17-key")
		})
	}
}
