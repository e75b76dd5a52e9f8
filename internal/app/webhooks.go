package app

import (
	"context"
	"errors"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

var errNoWebhook = errors.New("there is no such webhook; see: kunci webhook list")

// AddWebhook has an organization's events sent somewhere, and gives the secret that
// signs them, which is never told again.
func (a *App) AddWebhook(ctx context.Context, slug string, in webhook.Order) (webhook.Hook, string, error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return webhook.Hook{}, "", err
	}
	h, secret, err := a.Webhooks.Add(ctx, operator, o, in)
	if problem.Has(err, problem.BadInput) {
		err = errors.New("the address is not one that events can go to: it begins with https:// (or http:// in a network named with --allow) and holds no user name")
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

// RemoveWebhook sends no more to one.
func (a *App) RemoveWebhook(ctx context.Context, slug, id string) error {
	o, err := a.Organization(ctx, slug)
	if err == nil {
		err = a.Webhooks.Remove(ctx, operator, o, id)
	}
	if problem.Has(err, problem.NotFound) {
		return errNoWebhook
	}
	return err
}

// TestWebhook sends a test now; failure is empty when it arrived.
func (a *App) TestWebhook(ctx context.Context, slug, id string) (failure string, err error) {
	o, err := a.Organization(ctx, slug)
	if err == nil {
		failure, err = a.Webhooks.Test(ctx, o, id)
	}
	if problem.Has(err, problem.NotFound) {
		err = errNoWebhook
	}
	return failure, err
}
