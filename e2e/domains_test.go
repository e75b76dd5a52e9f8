package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"

	"kunci.dev/kunci/internal/domain/domaintest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// An owner asks for a domain, and reads on a phone what to put into the DNS.
func TestDomainsInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true, DNS: domaintest.Start(t)})
			b := settingsDesk(t, p, on)
			b.open("/console/settings/domains", "console-domains")
			b.run("writing the domain", chromedp.WaitVisible("#domain", chromedp.ByQuery), chromedp.SetValue("#domain", "kantor-cabang-surabaya.contoso.co.id", chromedp.ByQuery))
			b.leave().click(`button[value="add_domain"]`).at("console-domains").shot("d1-pending")
			b.leave().click(`li:last-child button[value="verify_domain"]`).at("console-domains").shot("d2-failed")
			b.leave().click(`li:first-child button[value="ask_domain"]`).at("console-domains").shot("d3-remove")
		})
	}
}
