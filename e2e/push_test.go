package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// shows waits for something on a page that reloads by itself, and leaves judging
// it to whoever knows that it stays.
func (b *tab) shows(selector string) *tab {
	b.t.Helper()
	b.run("waiting for "+selector, chromedp.WaitVisible(selector, chromedp.ByQuery))
	return b
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	var text string
	b.run("reading "+selector, chromedp.Text(selector, &text, chromedp.ByQuery))
	return strings.TrimSpace(text)
}

// Two profiles: a person's phone, and the browser in which they forgot their
// password. Both look by themselves where scripts run; no push service is reached.
func TestApprovalOnADeviceInChromium(t *testing.T) {
	t.Parallel()
	plain := devices[1]
	plain.name, plain.language = "phone-en-noscript-dark", "en"
	for _, on := range []device{devices[0], plain} {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true, Localhost: true})
			phone := openTab(t, p.URL, on)
			phone.signIn(p, "citra@contoso.com")
			phone.open("/security-info/add", "security-info-add").click(`[data-kind="authenticator_push"] a`).at("security-info-add").shot("push-1-intro")
			phone.press().at("security-info-add").shot("push-2-try")
			phone.fill("code", phone.text("[data-number]")).fill("name", "Ponsel Citra").press().at("security-info").shot("push-3-list")
			phone.shows(`[data-method][data-kind="authenticator_push"]`)
			phone.run("forgetting the session", network.DeleteCookies("kunci-session").WithURL(p.URL))
			if on.scripts {
				phone.open("/push", "push-approve").shot("push-4-nothing-waits")
				var scope string
				phone.run("registering the worker", chromedp.Evaluate(
					`navigator.serviceWorker.register("/push-worker.js", {scope: "/push"}).then((r) => r.scope)`, &scope, awaitPromise))
				if scope != p.URL+"/push" {
					t.Errorf("the worker looks after %q", scope)
				}
			}

			laptop := openTab(t, p.URL, on)
			laptop.open("/reset", "reset-identify").fill("user_id", "citra@contoso.com").press().at("reset-choose").press()
			laptop.shows("[data-number]")
			laptop.at("reset-verify").shot("push-5-number")
			number := laptop.text("[data-number]")

			if !on.scripts {
				phone.open("/push", "push-approve")
			}
			phone.shows("[data-request]").at("push-approve").shot("push-6-request")
			wrong := "42"
			if number == wrong {
				wrong = "43"
			}
			phone.fill("code", wrong).press().shows(`[data-error="code-wrong"]`).at("push-approve").shot("push-7-wrong")
			phone.fill("code", number).press().shows(".notice").shot("push-8-done")

			// The other browser goes on by itself, or is asked to look.
			if !on.scripts {
				laptop.click("noscript a")
			}
			laptop.at("reset-password").fill("new_password", newPassword).fill("confirm_password", newPassword).press().at("reset-done")
			laptop.passwordIs(p, "citra@contoso.com", newPassword)

			// The second factor: the answer lets the browser in that asked.
			laptop.run("forgetting the reset", network.ClearBrowserCookies())
			laptop.open("/signin", "signin").fill("user_id", "citra@contoso.com").press().at("signin-password")
			laptop.fill("password", newPassword).press().at("signin-verify").shot("push-9-factor")
			laptop.press()
			number = laptop.shows("[data-number]").text("[data-number]")
			if !on.scripts {
				phone.open("/push", "push-approve")
			}
			phone.shows("[data-request]").fill("code", number).press().shows(".notice")
			if !on.scripts {
				laptop.click("noscript a").shows("form[data-push-continue]").press()
			}
			laptop.at("security-info")
		})
	}
}
