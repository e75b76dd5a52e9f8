package app

import (
	"context"
	"errors"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

var errNoKey = errors.New("there is no such API key, or it is revoked already; see: kunci api-key list")

// NewAPIKey makes a key for a program, and gives its text, which is never told again.
func (a *App) NewAPIKey(ctx context.Context, slug, name string, role org.Role, life time.Duration) (admin.APIKey, string, error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return admin.APIKey{}, "", err
	}
	return a.Admin.NewKey(ctx, admin.Operator(), o, name, role, life)
}

// APIKeys lists the keys of an organization.
func (a *App) APIKeys(ctx context.Context, slug string) ([]admin.APIKey, error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return nil, err
	}
	return a.Admin.Keys(ctx, admin.Operator(), o)
}

// RevokeAPIKey ends a key at once. Problem NotFound.
func (a *App) RevokeAPIKey(ctx context.Context, slug, id string) error {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return err
	}
	err = a.Admin.RevokeKey(ctx, admin.Operator(), o, id)
	if problem.Has(err, problem.NotFound) {
		return errNoKey
	}
	return err
}
