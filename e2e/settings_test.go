package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"

	"kunci.dev/kunci/internal/domain/domaintest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// settingsDesk is an owner's browser, signed in with the second factor.
func settingsDesk(t *testing.T, p *kuncitest.Product, on device) *tab {
	t.Helper()
	shows := withApp(t, p, "adele@contoso.com")
	b := openTabFor(t, p.URL, on, 2*patience)
	b.open("/console", "signin").fill("user_id", "adele@contoso.com").press()
	b.at("signin-password").fill("password", kuncitest.OldPassword).press()
	b.at("signin-verify").fill("code", shows()).press()
	return b.at("console-overview")
}

// settingsWrite puts a text in the place of what a field holds.
func settingsWrite(b *tab, name, value string) *tab {
	b.t.Helper()
	selector := `[name="` + name + `"]`
	b.run("writing "+name, chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.SetValue(selector, value, chromedp.ByQuery))
	return b
}

// An owner at one desk: messages, colors, domains and receivers of events, one after another.
func TestSettingsInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true, DNS: domaintest.Start(t)})
			b := settingsDesk(t, p, on)
			walkMessages(t, b, on)
			walkBranding(t, b)
			walkDomains(b)
			walkWebhooks(t, p, b)
		})
	}
}

// An owner writes a message in the organization's words, on a phone.
func walkMessages(t *testing.T, b *tab, on device) {
	b.open("/console/messages", "console-messages").shot("s1-messages")
	b.open("/console/messages/code.reset/id", "console-message-edit").shot("s2-message")
	settingsWrite(b, "text", "Halo {{user_id}},\n\n{{token}}").leave().click(`button[value="save_message"]`).at("console-message-edit").shot("s3-refused")
	settingsWrite(b, "text", "Halo {{user_id}}, ini kode dari {{org}}:\n\n{{code}}").leave().click(`button[value="save_message"]`).at("console-message-edit").shot("s4-saved")
	if b.attribute("main .notice", "role") != "status" {
		t.Error("the text was not saved")
	}
	b.open("/console/messages/sms.reset/id", "console-message-edit").shot("s5-text")
	if on != devices[0] {
		return // the pages below are of the same parts
	}
	b.open("/console/settings/help-texts", "console-help-texts").shot("s6-help-texts")
	b.open("/console/settings/help-texts/problem.not-verified/id", "console-help-text")
	settingsWrite(b, "text", "Datanglah ke **loket tiga** di {{org}}:\n\n- dengan kartu pegawai").leave().click(`button[value="preview_help"]`).at("console-help-text").shot("s7-help-text")
	b.open("/console/settings/administrators", "console-administrators").shot("s8-administrators")
	settingsWrite(b, "name", "nobody@contoso.com").leave().click(`button[value="grant_role"]`).at("console-administrators").shot("s9-refused")
}
