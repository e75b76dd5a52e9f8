package app

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/web"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/web/portal"
)

// wire builds the rooms from the bottom up: each gets what stands below it.
func (a *App) wire() error {
	c := a.Config
	public, err := url.Parse(c.PublicURL)
	if err != nil {
		return fmt.Errorf("public_url: %w", err)
	}
	if a.Audit, err = audit.New(audit.Deps{DB: a.DB, Keys: a.Keys, Origin: public.Hostname() + "/audit", Log: a.log}); err != nil {
		return err
	}
	if a.Jobs, err = jobs.New(jobs.Deps{DB: a.DB, Log: a.log}); err != nil {
		return err
	}
	if a.Orgs, err = org.New(org.Deps{Audit: a.Audit}); err != nil {
		return err
	}
	if a.Sessions, err = session.New(session.Deps{Keys: a.Keys, Audit: a.Audit}); err != nil {
		return err
	}
	if a.Methods, err = method.New(method.Deps{Keys: a.Keys}); err != nil {
		return err
	}
	hasher, err := password.New(password.HasherDeps{Keys: a.Keys})
	if err != nil {
		return err
	}
	directories, err := embedded.New(embedded.Deps{DB: a.DB, Hasher: hasher, Log: a.log})
	if err != nil {
		return err
	}
	if a.Accounts, err = account.New(account.Deps{DB: a.DB, Methods: a.Methods, Audit: a.Audit, Directories: directories.Open, Log: a.log}); err != nil {
		return err
	}
	return a.wireFlows()
}

// wireFlows builds what leads people through: messages, proofs, the way back in, pages.
func (a *App) wireFlows() error {
	sender, err := a.sender()
	if err != nil {
		return err
	}
	if a.Messages, err = notify.New(notify.Deps{
		DB: a.DB, Jobs: a.Jobs, Keys: a.Keys, Sender: sender, Log: a.log, PublicURL: a.Config.PublicURL,
	}); err != nil {
		return err
	}
	desk, err := helpdesk.New(helpdesk.Deps{Keys: a.Keys, Audit: a.Audit, Notify: a.Messages})
	if err != nil {
		return err
	}
	if a.Challenges, err = challenge.New(challenge.Deps{Keys: a.Keys, Methods: a.Methods, Audit: a.Audit, Messages: a.Messages}); err != nil {
		return err
	}
	if a.Reset, err = reset.New(reset.Deps{
		DB: a.DB, Keys: a.Keys, Orgs: a.Orgs, Accounts: a.Accounts, Methods: a.Methods, Challenges: a.Challenges,
		Helpdesk: desk, Audit: a.Audit, Messages: a.Messages, Sessions: a.Sessions, PublicURL: a.Config.PublicURL, Log: a.log,
	}); err != nil {
		return err
	}
	return a.wirePages()
}

func (a *App) sender() (notify.Sender, error) {
	if a.options.Sender != nil {
		return a.options.Sender, nil
	}
	return a.SMTP()
}

// SMTP is the mail server of the configuration.
func (a *App) SMTP() (*notify.SMTP, error) {
	s := a.Config.SMTP
	return notify.NewSMTP(notify.SMTPConfig{
		Host: s.Host, Port: s.Port, TLS: s.TLS, Username: s.Username, Password: s.Password, From: s.From, CAFile: s.CAFile,
	})
}

func (a *App) wirePages() error {
	work, err := captcha.New(a.Keys)
	if err != nil {
		return err
	}
	templates, err := portal.Templates()
	if err != nil {
		return err
	}
	pages, err := page.NewRenderer(a.log, templates)
	if err != nil {
		return err
	}
	secure := strings.HasPrefix(a.Config.PublicURL, "https://")
	people, err := portal.New(portal.Deps{
		DB: a.DB, Orgs: a.Orgs, Reset: a.Reset, Captcha: work, Pages: pages, Log: a.log,
		PublicURL: strings.TrimSuffix(a.Config.PublicURL, "/"), Secure: secure,
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
	metrics := newMetrics()
	a.metrics = metrics
	a.server, err = web.New(web.Deps{
		PublicURL: a.Config.PublicURL, TrustedProxies: trusted, Portal: people, Pages: pages, Extra: a.options.Extra,
		Ready: a.Current, Count: metrics.request, Log: a.log, Now: a.options.Now,
	})
	return err
}
