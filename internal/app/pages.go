package app

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"strings"
	"sync"

	"kunci.dev/kunci/internal/api"
	"kunci.dev/kunci/internal/web"
	"kunci.dev/kunci/internal/web/console"
	"kunci.dev/kunci/internal/web/help"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/web/portal"
)

// parsed are the pages of every room. They are parsed once in a process, however
// many nodes run in it: nothing in them is a node's own.
var parsed = sync.OnceValues(func() (*page.Renderer, error) {
	var folders []fs.FS
	for _, templates := range []func() (fs.FS, error){portal.Templates, console.Templates, help.Templates} {
		folder, err := templates()
		if err != nil {
			return nil, err
		}
		folders = append(folders, folder)
	}
	return page.NewRenderer(slog.New(slog.DiscardHandler), folders...)
})

// wirePages builds what people see.
func (a *App) wirePages() error {
	pages, err := parsed()
	if err != nil {
		return err
	}
	pages = pages.For(a.Log)
	public := strings.TrimSuffix(a.Config.PublicURL, "/")
	people, err := portal.New(portal.Deps{
		DB: a.DB, Orgs: a.Orgs, Reset: a.Reset, SignIn: a.SignIn, SecurityInfo: a.SecurityInfo, Captcha: a.Captcha, OwnData: a.Privacy, Pages: pages, Log: a.Log, Place: a.Notify.Place,
		PublicURL: public, PushKey: a.Pushes.PublicKey(), Secure: strings.HasPrefix(public, "https://"),
	})
	if err != nil {
		return err
	}
	administrators, err := console.New(console.Deps{
		DB: a.DB, Orgs: a.Orgs, Accounts: a.Accounts, Methods: a.Methods, SignIn: a.SignIn, Admin: a.Admin, Helpdesk: a.Helpdesk, Report: a.Report, Roster: a.Roster,
		Audit: a.Audit, Notify: a.Notify, Webhooks: a.Webhooks, Domains: a.Domains, Pages: pages, Secure: strings.HasPrefix(public, "https://"),
	})
	if err != nil {
		return err
	}
	answers, err := help.New(help.Deps{Feedback: a.Feedback, Pages: pages, Brand: people.Brand})
	if err != nil {
		return err
	}
	a.API, err = api.New(api.Deps{
		DB: a.DB, Keys: a.Keys, Orgs: a.Orgs, Accounts: a.Accounts, Admin: a.Admin, Helpdesk: a.Helpdesk, Report: a.Report, Audit: a.Audit,
		Messages: a.Notify, Reset: a.Reset, Captcha: a.Captcha, Domains: a.Domains, Webhooks: a.Webhooks, Idempotency: a.Idempotency, Log: a.Log, From: page.Actor, PublicURL: a.Config.PublicURL,
	})
	if err != nil {
		return err
	}
	var trusted []netip.Prefix
	for _, text := range a.Config.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("trusted_proxies: %w", err)
		}
		trusted = append(trusted, network)
	}
	a.Handler, err = web.New(web.Deps{PublicURL: public, RelatedOrigins: a.Config.Passkeys.RelatedOrigins, TrustedProxies: trusted, Portal: people, Console: administrators, Help: answers, API: a.API, Pages: pages, Extra: a.extra(), Log: a.Log, Now: a.options.clock()})
	return err
}
