package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/store"
)

const waysHidden = `
organization: contoso
name: Contoso
domains: [contoso.com]
language: id
support: {email: helpdesk@contoso.example}
policy:
  reset: {disclose_status: false, methods: [email, mobile_phone, office_phone]}
  phone: {countries: [ID]}
`

const waysPeople = `user_id,display_name,password,email,mobile_phone
ponsel@contoso.com,Ponsel,teapot harbour violin,,0812 3456 7842
diisi@contoso.com,Diisi,teapot harbour violin,diisi@example.net,0812 3456 7843
`

// Behind a hidden status somebody with a phone and somebody who is not there see
// the same pages, until a code that only the phone has is typed.
func TestHiddenPhonesInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range []device{devices[0], devices[3]} {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{
				Kind: store.SQLite, WallClock: true, Organization: waysHidden, Accounts: waysPeople, Phones: &notifytest.GatewayOptions{},
			})
			b := openTab(t, p.URL, on)
			b.judged = map[string]bool{}
			var seen [2][]string
			for i, who := range []string{"ponsel@contoso.com", "tidak.ada@contoso.com"} {
				look := func(page string) {
					b.at(page)
					var text string
					b.run("reading the page", chromedp.Text("main", &text, chromedp.ByQuery))
					seen[i] = append(seen[i], strings.ReplaceAll(text, who, "WHO"))
				}
				b.open("/reset", "reset-identify").fill("user_id", who).press()
				look("reset-choose")
				b.shot("hidden-phone-1-choose").leave().click(`label:has(input[value="kind:mobile_phone"])`).click(`main .primary`)
				look("reset-verify")
				b.shot("hidden-phone-2-number").fill("destination", "0812 3456 7842").press()
				look("reset-verify")
				b.shot("hidden-phone-3-code")
				if i == 0 {
					b.fill("code", p.Texts(t, 1)[0].Code).press().at("reset-password")
				} else {
					b.fill("code", "12345678").press()
					look("reset-verify")
				}
			}
			for n, text := range seen[0] {
				if text != seen[1][n] {
					t.Errorf("page %d of somebody:\n%s\n-- and of nobody:\n%s", n, text, seen[1][n])
				}
			}
			if n := len(p.Phones.Asks()); n != 1 {
				t.Errorf("%d texts", n)
			}
		})
	}
}

// What the organization entered is shown, confirmed and declined.
func TestGivenMethodsInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range []device{devices[0], devices[3]} {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{
				Kind: store.SQLite, WallClock: true, Accounts: waysPeople, Phones: &notifytest.GatewayOptions{},
				Organization: strings.Replace(waysHidden, "disclose_status: false, ", "", 1),
			})
			b := openTab(t, p.URL, on)
			b.open("/signin", "signin").fill("user_id", "diisi@contoso.com").press().to("signin-password").fill("password", kuncitest.OldPassword).press()
			b.to("signin-verify").press().to("signin-verify").fill("code", p.Texts(t, 1)[0].Code).press()
			b.at("security-info").shot("given-1-list").leave().click(`[data-kind="email"] a[href$="/confirm"]`)
			b.at("security-info-confirm").shot("given-2-ask").press().at("security-info-confirm").shot("given-3-code")
			b.fill("code", p.Code(1)).press().at("security-info").shot("given-4-confirmed")
			b.leave().click(`[data-kind="mobile_phone"] a[href$="/delete"]`).at("security-info-delete").shot("given-5-decline").press().at("security-info").shot("given-6-declined")
		})
	}
}
