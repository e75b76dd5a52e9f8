package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/captcha"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/feedback"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/idempotency"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/privacy"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
	"kunci.dev/kunci/internal/token"
	"kunci.dev/kunci/internal/webhook"
)

// wire builds the rooms, the lowest first.
func (a *App) wire() (err error) {
	if a.Audit, err = audit.New(audit.Deps{DB: a.DB, Keys: a.Keys, Origin: auditOrigin(a.Keys), Log: a.Log}); err != nil {
		return err
	}
	if a.Jobs, err = jobs.New(jobs.Deps{DB: a.DB, Log: a.Log}); err != nil {
		return err
	}
	host, _ := challenge.RelyingParty(a.Config.PublicURL)
	if a.Methods, err = method.New(method.Deps{Keys: a.Keys, RelyingParty: host, HashMemory: a.options.Hash.Memory}); err != nil {
		return err
	}
	if err = a.gateways(); err != nil {
		return err
	}
	channels := org.Channels{Text: a.texts != nil, Call: a.calls != nil}
	if a.Orgs, err = org.New(org.Deps{Audit: a.Audit, Channels: channels, Keys: a.Keys}); err != nil {
		return err
	}
	if err := a.openDomains(); err != nil {
		return err
	}
	if a.Sessions, err = session.New(session.Deps{Keys: a.Keys, Audit: a.Audit}); err != nil {
		return err
	}
	if a.sender, err = senderOf(a.Config, a.options); err != nil {
		return err
	}
	places, err := a.openPlaces()
	if err != nil {
		return err
	}
	a.Notify, err = notify.New(notify.Deps{
		DB: a.DB, Jobs: a.Jobs, Keys: a.Keys, Sender: a.sender, Texts: a.texts, Calls: a.calls, Log: a.Log, PublicURL: a.Config.PublicURL,
		Places: places,
	})
	if err != nil {
		return err
	}
	a.Pushes, err = notify.NewPushes(notify.PushDeps{
		DB: a.DB, Jobs: a.Jobs, Keys: a.Keys, Methods: a.Methods, Audit: a.Audit, Log: a.Log, PublicURL: a.Config.PublicURL, Client: a.options.PushClient,
	})
	if err != nil {
		return err
	}
	if a.Captcha, err = captcha.New(a.Keys); err != nil {
		return err
	}
	if err := a.openBreached(); err != nil {
		return err
	}
	hasher, err := password.New(password.HasherDeps{Keys: a.Keys, Params: a.options.Hash})
	if err != nil {
		return err
	}
	own, err := embedded.New(embedded.Deps{DB: a.DB, Hasher: hasher, Log: a.Log})
	if err != nil {
		return err
	}
	a.ldap = ldap.New(ldap.Deps{Log: a.Log, Keys: a.Keys})
	a.Accounts, err = account.New(account.Deps{DB: a.DB, Methods: a.Methods, Audit: a.Audit, Directories: a.directories(own), Keys: a.Keys, Log: a.Log})
	if err != nil {
		return err
	}
	a.Challenges, err = challenge.New(challenge.Deps{Keys: a.Keys, Methods: a.Methods, Audit: a.Audit, Messages: a.Notify, Pushes: a.Pushes, PublicURL: a.Config.PublicURL, RelatedOrigins: a.Config.Passkeys.RelatedOrigins})
	if err != nil {
		return err
	}
	if a.Helpdesk, err = helpdesk.New(helpdesk.Deps{DB: a.DB, Keys: a.Keys, Methods: a.Methods, Audit: a.Audit, Notify: a.Notify, Sessions: a.Sessions}); err != nil {
		return err
	}
	a.Tokens, err = token.New(token.Deps{
		DB: a.DB, Accounts: a.Accounts, Methods: a.Methods, Challenges: a.Challenges, Audit: a.Audit, Messages: a.Notify,
	})
	if err != nil {
		return err
	}
	a.Reset, err = reset.New(reset.Deps{
		DB: a.DB, Keys: a.Keys, Orgs: a.Orgs, Accounts: a.Accounts, Methods: a.Methods, Challenges: a.Challenges,
		Helpdesk: a.Helpdesk, Audit: a.Audit, Messages: a.Notify, Deliveries: a.Notify,
		Sessions: a.Sessions, Breached: a.Breached, PublicURL: a.Config.PublicURL, Log: a.Log,
	})
	if err != nil {
		return err
	}
	if a.Provider, err = provider.New(provider.Deps{DB: a.DB, Keys: a.Keys, Log: a.Log, PublicURL: a.Config.PublicURL}); err != nil {
		return err
	}
	a.SignIn, err = signin.New(signin.Deps{
		DB: a.DB, Keys: a.Keys, Orgs: a.Orgs, Accounts: a.Accounts, Methods: a.Methods, Challenges: a.Challenges, Sessions: a.Sessions,
		Provider: a.Provider, Audit: a.Audit, Breached: a.Breached, Messages: a.Notify, Deliveries: a.Notify, Disputes: a.Reset, Nobody: hasher.VerifyDummy, Log: a.Log,
	})
	if err != nil {
		return err
	}
	a.SecurityInfo, err = securityinfo.New(securityinfo.Deps{
		DB: a.DB, Keys: a.Keys, Orgs: a.Orgs, Accounts: a.Accounts, Methods: a.Methods, Challenges: a.Challenges, Sessions: a.Sessions,
		Audit: a.Audit, Messages: a.Notify, Deliveries: a.Notify, Disputes: a.Reset, PublicURL: a.Config.PublicURL, FreshFor: signin.FreshFor, FreshForPasskey: signin.FreshForPasskey,
	})
	if err != nil {
		return err
	}
	a.Accounts.OnSettlement(a.SecurityInfo.Settled)
	if a.Roster, err = roster.New(roster.Deps{DB: a.DB, Orgs: a.Orgs, Directories: a.Accounts.Directory, Log: a.Log}); err != nil {
		return err
	}
	if a.Report, err = report.New(report.Deps{DB: a.DB, Audit: a.Audit, Orgs: a.Orgs, Roster: a.Roster, Directories: a.Accounts.Directory}); err != nil {
		return err
	}
	if a.Webhooks, err = webhook.New(webhook.Deps{DB: a.DB, Keys: a.Keys, Audit: a.Audit, Orgs: a.Orgs, Messages: a.Notify, Log: a.Log}); err != nil {
		return err
	}
	if err = a.streams(); err != nil {
		return err
	}
	a.Privacy, err = privacy.New(privacy.Deps{
		DB: a.DB, Audit: a.Audit, Accounts: a.Accounts, Methods: a.Methods, Sessions: a.Sessions, Challenges: a.Challenges,
		Provider: a.Provider, Reset: a.Reset, Helpdesk: a.Helpdesk, Notify: a.Notify, Roster: a.Roster, Log: a.Log,
		Keep: privacy.Keep{Events: a.Config.Keep.EventsDays, Requests: a.Config.Keep.RequestsDays},
	})
	if err != nil {
		return err
	}
	a.Admin, err = admin.New(admin.Deps{
		DB: a.DB, Accounts: a.Accounts, Methods: a.Methods, Challenges: a.Challenges, Sessions: a.Sessions, Provider: a.Provider,
		Reset: a.Reset, Helpdesk: a.Helpdesk, Report: a.Report, Audit: a.Audit, Orgs: a.Orgs, Jobs: a.Jobs, Messages: a.Notify, Privacy: a.Privacy,
		LDAP: a.ldap, Roster: a.Roster, SecurityInfo: a.SecurityInfo,
	})
	if err != nil {
		return err
	}
	a.Admin.HandleImports()
	if a.Feedback, err = feedback.New(a.DB); err != nil {
		return err
	}
	if a.Idempotency, err = idempotency.New(a.DB, a.Keys); err != nil {
		return err
	}
	a.keepHouse()
	return a.wirePages()
}

// openDomains asks the machine's own resolver, where no other is given.
func (a *App) openDomains() (err error) {
	var resolver domain.Resolver = net.DefaultResolver
	if a.options.Resolver != nil {
		resolver = a.options.Resolver
	}
	a.Domains, err = domain.New(domain.Deps{DB: a.DB, Orgs: a.Orgs, Audit: a.Audit, Resolver: resolver, Log: a.Log})
	return err
}

// directories opens each organization's directory by its kind.
func (a *App) directories(own *embedded.Service) func(*org.Organization) (directory.Directory, error) {
	return func(o *org.Organization) (directory.Directory, error) {
		if o.Directory.Kind == org.LDAP {
			return a.ldap.Open(o)
		}
		return own.Open(o)
	}
}

// auditOrigin names this installation's log. It comes from the keys, so that
// it outlives a change of the public address, and two installations differ.
func auditOrigin(keys *secret.Keyset) string {
	return "kunci.dev/log/" + hex.EncodeToString(keys.Derive("audit origin")[:8])
}

func senderOf(c *config.Config, o Options) (notify.Sender, error) {
	if o.Sender != nil {
		return o.Sender, nil
	}
	return newSMTP(c)
}

func newSMTP(c *config.Config) (*notify.SMTP, error) {
	m := c.SMTP
	return notify.NewSMTP(notify.SMTPConfig{
		Host: m.Host, Port: m.Port, TLS: m.TLS, Username: m.Username, Password: m.Password, From: m.From, CAFile: m.CAFile,
	})
}

// keepHouse says what runs again and again, on one node at a time.
func (a *App) keepHouse() {
	a.Jobs.Every("audit.sequence", time.Second, a.Audit.Run)
	a.Jobs.Every("reset.expire", time.Minute, a.Reset.Expire)
	a.Jobs.Every("report.count", 5*time.Second, a.Report.Run)
	a.Jobs.Every("report.snapshot", 15*time.Minute, a.Report.Snapshot)
	a.Jobs.Every("roster.run", 10*time.Second, a.Roster.Run)
	a.Jobs.Every("webhook.send", 2*time.Second, a.Webhooks.Run)
	a.Jobs.Every("privacy.forget", time.Hour, a.Privacy.Run)
	a.Jobs.Every("audit.stream", 2*time.Second, a.Streams.Run)
	a.Jobs.Every("helpdesk.digest", 10*time.Minute, a.digest)
	a.Jobs.Every("provider.look", 5*time.Minute, a.lookAtProviders)
	a.Jobs.Every("domain.look", 15*time.Minute, a.Domains.Run)
	a.purge("throttle.purge", func(ctx context.Context, tx *store.Tx) error {
		_, err := throttle.Purge(ctx, tx)
		return err
	})
	a.purge("method.purge", func(ctx context.Context, tx *store.Tx) error {
		_, err := a.Methods.Purge(ctx, tx)
		return err
	})
	a.purge("challenge.purge", func(ctx context.Context, tx *store.Tx) error {
		_, err := a.Challenges.Purge(ctx, tx)
		return err
	})
	a.purge("session.purge", a.Sessions.Purge)
	a.purge("account.bulk", a.Accounts.PurgeBulk)
	a.purge("account.bulk.resume", func(ctx context.Context, tx *store.Tx) error { return a.Admin.ResumeImports(ctx, tx) })
	a.purge("signin.purge", a.SignIn.Purge)
	a.purge("provider.purge", a.Provider.Purge)
	a.purge("feedback.purge", a.Feedback.Purge)
	a.purge("idempotency.purge", a.Idempotency.Purge)
}

// lookAtProviders notes how the organizations' identity providers are.
func (a *App) lookAtProviders(ctx context.Context) error {
	all, err := a.Organizations(ctx)
	if err != nil {
		return err
	}
	return a.Provider.Look(ctx, all)
}

// digest tells each organization's support address of the requests that wait.
func (a *App) digest(ctx context.Context) error {
	var all []*org.Organization
	err := a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = a.Orgs.List(ctx, tx)
		return err
	})
	for _, o := range all {
		// One address that cannot be written to is not the others' loss.
		err = errors.Join(err, a.DB.Write(ctx, func(tx *store.Tx) error { return a.Helpdesk.Digest(ctx, tx, o) }))
	}
	return err
}

// purge drops rows that nothing can use any more.
func (a *App) purge(name string, drop func(ctx context.Context, tx *store.Tx) error) {
	a.Jobs.Every(name, time.Hour, func(ctx context.Context) error {
		if err := a.DB.Write(ctx, func(tx *store.Tx) error { return drop(ctx, tx) }); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}
