package e2e

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// fingerprint gives the browser a device that keeps passkeys and knows its
// person, or, with knows false, does not.
func (b *tab) fingerprint(knows bool) webauthn.AuthenticatorID {
	b.t.Helper()
	var id webauthn.AuthenticatorID
	b.run("adding a device for passkeys", webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: knows, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		return err
	}))
	return id
}

func (b *tab) says(what string) *tab {
	b.t.Helper()
	b.run("waiting for "+what, chromedp.WaitVisible(`[data-say="`+what+`"]`, chromedp.ByQuery))
	return b
}

func TestPasskeysInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range []device{devices[0], devices[3]} {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true, Localhost: true})
			b := openTab(t, p.URL, on)
			id := b.fingerprint(true)

			// Register it.
			b.open("/signin", "signin").shot("passkey-1-signin")
			b.fill("user_id", "alain@contoso.com").press().at("signin-password")
			b.fill("password", kuncitest.OldPassword).press().at("security-info")
			b.open("/security-info/add", "security-info-add").click(`[data-kind="passkey"] a`).at("security-info-add").shot("passkey-2-intro")
			b.press().at("security-info-add").shot("passkey-3-make")
			b.fill("name", "Ponsel saya").press().at("security-info").shot("passkey-4-list")
			b.run("looking for the passkey", chromedp.WaitVisible(`[data-method][data-kind="passkey"]`, chromedp.ByQuery))

			// The device keeps one for an account.
			b.open("/security-info/add?kind=passkey", "security-info-add").press().at("security-info-add")
			b.click(`main .primary`).says("exists").shot("passkey-5-exists")

			// Reset with it, from a browser that nobody is signed in in.
			b.run("forgetting who is signed in", network.ClearBrowserCookies())
			b.open("/reset", "reset-identify").fill("user_id", "alain@contoso.com").press().at("reset-choose").shot("passkey-6-choose")
			b.press().at("reset-verify").shot("passkey-7-verify")
			b.run("the person is not known to the device", webauthn.SetUserVerified(id, false))
			b.click(`main .primary`).says("cancelled").judge("reset-verify, cancelled")
			b.shot("passkey-8-cancelled")
			b.run("the person is known to the device", webauthn.SetUserVerified(id, true))
			b.press().at("reset-password")
			b.fill("new_password", newPassword).fill("confirm_password", newPassword).press().at("reset-done")

			// Sign in with it, and nothing else.
			b.run("forgetting the reset", network.ClearBrowserCookies())
			b.open("/signin", "signin").click(`[data-passkey] button`).at("security-info")
			b.passwordIs(p, "alain@contoso.com", newPassword)

			// Or the password, and then the passkey.
			b.run("forgetting who is signed in", network.ClearBrowserCookies())
			b.open("/signin", "signin").fill("user_id", "alain@contoso.com").press().to("signin-password")
			b.fill("password", newPassword).press().at("signin-verify").shot("passkey-9-factor").press().to("security-info")
		})
	}
}

func (b *tab) passwordIs(p *kuncitest.Product, userID, pw string) {
	b.t.Helper()
	a, err := p.App.Accounts.Find(b.t.Context(), p.Organization(), userID)
	if err != nil {
		b.t.Fatal(err)
	}
	d, err := p.App.Accounts.Directory(p.Organization())
	if err != nil {
		b.t.Fatal(err)
	}
	if got, err := d.CheckPassword(b.t.Context(), a.Entry.Key, pw); err != nil || got != directory.OK {
		b.t.Errorf("the new password: %v, %v", got, err)
	}
}

// Browsers without scripts, and those inside apps that have no passkeys, say
// what to do instead, and another method is one press away.
func TestWherePasskeysAreMissingInChromium(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true, Localhost: true})
	p.GivePasskey("alain@contoso.com", p.Device())
	for _, on := range devices[:2] {
		t.Run(on.name, func(t *testing.T) {
			b := openTab(t, p.URL, on)
			b.run("taking passkeys away", chromedp.ActionFunc(func(ctx context.Context) error {
				_, err := page.AddScriptToEvaluateOnNewDocument(`delete window.PublicKeyCredential`).Do(ctx)
				return err
			}))
			b.open("/reset", "reset-identify").fill("user_id", "alain@contoso.com").press().at("reset-choose")
			b.press().at("reset-verify")
			if on.scripts {
				b.says("missing").judge("reset-verify, missing")
			} else {
				b.run("waiting for the words", chromedp.WaitVisible(`noscript .alert`, chromedp.ByQuery))
			}
			b.shot("passkey-missing")
			b.run("leaving", chromedp.SetAttributeValue("main", "data-left", "yes", chromedp.ByQuery))
			b.click(`main button[value="back"]`).at("reset-choose")
		})
	}
}
