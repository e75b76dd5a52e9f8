package app

import (
	"context"
	"errors"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

var (
	errNoWebhook   = errors.New("there is no such webhook; see: kunci webhook list")
	errNotSetAside = errors.New("there is no such event set aside; see: kunci webhook set-aside")
)

// AddWebhook has an organization's events sent somewhere, and gives the secret that
// signs them, which is never told again.
func (a *App) AddWebhook(ctx context.Context, slug string, in webhook.Order) (webhook.Hook, string, error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return webhook.Hook{}, "", err
	}
	h, secret, err := a.Webhooks.Add(ctx, operator, o, in)
	switch {
	case problem.Has(err, problem.WebhookAddress):
		err = errors.New("the address is not one that events can go to: it begins with https:// (or http:// in a network named with --allow) and holds no user name")
	case problem.Has(err, problem.WebhookLimit):
		err = errors.New("an organization has no more webhooks than this; remove one first: kunci webhook remove")
	}
	return h, secret, err
}

// ListWebhooks lists where an organization's events are sent.
func (a *App) ListWebhooks(ctx context.Context, slug string) (all []webhook.Hook, err error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return nil, err
	}
	err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = a.Webhooks.List(ctx, tx, o.ID)
		return err
	})
	return all, err
}

// withWebhook does something to a receiver of an organization.
func (a *App) withWebhook(ctx context.Context, slug string, do func(o *org.Organization) error) error {
	o, err := a.Organization(ctx, slug)
	if err == nil {
		err = do(o)
	}
	if found, ok := problem.As(err); ok && found.Code == problem.NotFound {
		if found.Field == "events" {
			return errNotSetAside
		}
		return errNoWebhook
	}
	if problem.Has(err, problem.Blocked) {
		return errors.New("too many tests in a short time; wait ten minutes")
	}
	return err
}

// RemoveWebhook sends no more to one.
func (a *App) RemoveWebhook(ctx context.Context, slug, id string) error {
	return a.withWebhook(ctx, slug, func(o *org.Organization) error { return a.Webhooks.Remove(ctx, operator, o, id) })
}

// PauseWebhook sends nothing to one until it is resumed.
func (a *App) PauseWebhook(ctx context.Context, slug, id string) error {
	return a.withWebhook(ctx, slug, func(o *org.Organization) error { return a.Webhooks.Pause(ctx, operator, o, id) })
}

// ResumeWebhook sends to one again, from where it stopped.
func (a *App) ResumeWebhook(ctx context.Context, slug, id string) error {
	return a.withWebhook(ctx, slug, func(o *org.Organization) error { return a.Webhooks.Resume(ctx, operator, o, id) })
}

// TestWebhook sends a test now; failure is empty when it arrived.
func (a *App) TestWebhook(ctx context.Context, slug, id string) (failure string, err error) {
	err = a.withWebhook(ctx, slug, func(o *org.Organization) (err error) {
		failure, err = a.Webhooks.Test(ctx, operator, o, id)
		return err
	})
	return failure, err
}

// WebhookSetAside lists every event that was set aside for one.
func (a *App) WebhookSetAside(ctx context.Context, slug, id string) (all []webhook.Aside, err error) {
	const some = 500
	err = a.withWebhook(ctx, slug, func(o *org.Organization) error {
		return a.DB.Read(ctx, func(tx *store.Tx) error {
			all = nil
			for after := int64(-1); ; after = all[len(all)-1].Leaf {
				next, err := a.Webhooks.SetAside(ctx, tx, o.ID, id, after, some)
				all = append(all, next...)
				if err != nil || len(next) < some {
					return err
				}
			}
		})
	})
	return all, err
}

// SendWebhookAgain has events that were set aside sent again, all of them where
// none is named.
func (a *App) SendWebhookAgain(ctx context.Context, slug, id string, events ...string) (n int64, err error) {
	err = a.withWebhook(ctx, slug, func(o *org.Organization) (err error) {
		n, err = a.Webhooks.SendAgain(ctx, operator, o, id, events...)
		return err
	})
	return n, err
}

// DiscardWebhookEvents gives up events that were set aside, all of them where none is
// named. One that is not set aside ends it, after those before.
func (a *App) DiscardWebhookEvents(ctx context.Context, slug, id string, events ...string) (n int64, err error) {
	if len(events) == 0 {
		events = []string{""}
	}
	err = a.withWebhook(ctx, slug, func(o *org.Organization) error {
		for _, event := range events {
			one, err := a.Webhooks.Discard(ctx, operator, o, id, event)
			if n += one; err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}
