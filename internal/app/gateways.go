package app

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/notify"
)

// gateways builds what takes texts and calls; nil where none is configured.
func (a *App) gateways() (err error) {
	a.texts, a.calls = a.options.Texts, a.options.Calls
	if a.texts == nil {
		if a.texts, err = newGateway(a.Config.SMS, a.Config.PublicURL, a.options.Now); err != nil {
			return fmt.Errorf("sms: %w", err)
		}
	}
	if a.calls == nil {
		if a.calls, err = newGateway(a.Config.Voice, a.Config.PublicURL, a.options.Now); err != nil {
			return fmt.Errorf("voice: %w", err)
		}
	}
	return nil
}

// newGateway gives nil, and not a nil of some type, where there is no provider.
func newGateway(g config.Gateway, publicURL string, now func() time.Time) (notify.PhoneSender, error) {
	switch g.Provider {
	case "":
		return nil, nil
	case config.ProviderTwilio:
		if now == nil {
			now = time.Now
		}
		return notify.NewTwilio(notify.TwilioConfig{
			AccountSID: g.AccountSID, AuthToken: g.Secret, From: g.From, ServiceSID: g.MessagingServiceSID,
			BaseURL: g.BaseURL, PublicURL: publicURL, Timeout: g.Timeout, CAFile: g.CAFile,
		}, now)
	}
	c := notify.HTTPConfig{
		Method: g.Method, URL: g.URL, Body: g.Body, ContentType: g.ContentType, Header: g.Header, From: g.From,
		Secret: g.Secret, SuccessStatus: g.SuccessStatus, Timeout: g.Timeout, CAFile: g.CAFile,
	}
	if g.SuccessPattern != "" {
		var err error
		if c.SuccessPattern, err = regexp.Compile(g.SuccessPattern); err != nil {
			return nil, err
		}
	}
	return notify.NewHTTP(c)
}

// gateway reaches for a gateway up to the point where something would be sent.
func (d *doctor) gateway(ctx context.Context, section string, g config.Gateway) {
	if g.Provider == "" {
		return
	}
	sender, err := newGateway(g, d.c.PublicURL, d.o.Now)
	if checker, ok := sender.(interface{ Check(context.Context) error }); err == nil && ok {
		ctx, cancel := context.WithTimeout(ctx, smtpTimeout)
		defer cancel()
		err = checker.Check(ctx)
	}
	if err != nil {
		d.bad(section, "see the keys below "+section+", and that this machine may reach the gateway", "%v", err)
		return
	}
	d.good(section, "the gateway (%s) can be reached; nothing was sent", g.Provider)
}
