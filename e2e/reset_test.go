package e2e

import (
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

const newPassword = "tujuh kuda minum kopi"

// devices are the ways in which people come: a small phone in the morning, an
// office screen, with scripts and without, light and dark, in both languages.
var devices = []device{
	{name: "phone-id", width: 360, height: 740, language: "id", scripts: true},
	{name: "phone-id-noscript-dark", width: 360, height: 740, language: "id", dark: true},
	{name: "narrow-en", width: 320, height: 640, language: "en", scripts: true},
	{name: "wide-en-dark", width: 1280, height: 900, language: "en", scripts: true, dark: true},
}

func TestResetInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			b := openTab(t, p.URL, on)
			b.open("/reset", "reset-identify").shot("1-identify")
			b.fill("user_id", "alain@contoso.com").press().at("reset-choose").shot("2-choose")
			b.press().at("reset-verify").shot("3-verify")
			b.fill("code", "00000000").press().at("reset-verify")
			if got := b.attribute(`[role="alert"]`, "data-error"); got != "code-wrong" {
				t.Errorf("alert %q", got)
			}
			b.shot("4-wrong")
			b.fill("code", p.Code(1)).press().at("reset-password").shot("5-password")
			b.fill("new_password", newPassword).fill("confirm_password", newPassword).press().at("reset-done").shot("6-done")
			contoso := p.Organization()
			a, err := p.App.Accounts.Find(t.Context(), contoso, "alain@contoso.com")
			if err != nil {
				t.Fatal(err)
			}
			d, err := p.App.Accounts.Directory(contoso)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := d.CheckPassword(t.Context(), a.Entry.Key, newPassword); err != nil || got != directory.OK {
				t.Errorf("the new password: %v, %v", got, err)
			}
		})
	}
}

func TestDeadEndsInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices[:2] {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			for userID, want := range map[string]string{
				"citra@contoso.com": "not-verified", "eko@contoso.com": "not-enabled", "fitri@contoso.com": "not-managed",
			} {
				b := openTab(t, p.URL, on)
				b.open("/reset", "reset-identify").fill("user_id", userID).press().at("reset-problem")
				if got := b.attribute("main", "data-problem"); got != want {
					t.Errorf("%s: %s, want %s", userID, got, want)
				}
				b.shot("problem-" + want)
				if want == "not-enabled" {
					b.press().at("reset-contact").shot("contact")
					b.fill("message", "Saya tidak bisa masuk").press().at("reset-contact-sent")
				}
			}
			b := openTab(t, p.URL, on)
			b.open("/unsupported-browser", "unsupported-browser").shot("unsupported")
		})
	}
}

// A proof of work is done by the page itself.
func TestCaptchaInChromium(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
	flood := p.Browser()
	flood.Get("/reset")
	for range 11 {
		flood.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot")
	}
	b := openTab(t, p.URL, devices[0])
	b.open("/reset", "reset-identify").fill("user_id", "alain@contoso.com").press().at("reset-identify").shot("captcha")
	b.run("waiting for the work", chromedpEnabled(`main button.primary`))
	b.press().at("reset-choose")
}
