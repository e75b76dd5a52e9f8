package e2e

import "github.com/chromedp/chromedp"

// An owner asks for a domain, and reads on a phone what to put into the DNS.
func walkDomains(b *tab) {
	b.open("/console/settings/domains", "console-domains")
	b.run("writing the domain", chromedp.WaitVisible("#domain", chromedp.ByQuery), chromedp.SetValue("#domain", "kantor-cabang-surabaya.contoso.co.id", chromedp.ByQuery))
	b.leave().click(`button[value="add_domain"]`).at("console-domains").shot("d1-pending")
	b.leave().click(`li:last-child button[value="verify_domain"]`).at("console-domains").shot("d2-failed")
	b.leave().click(`li:first-child button[value="ask_domain"]`).at("console-domains").shot("d3-remove")
}
