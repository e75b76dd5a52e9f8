package embedded

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/store"
)

var _ directory.Lister = (*Directory)(nil)

// List implements directory.Lister.
func (d *Directory) List(ctx context.Context, p directory.Page) ([]directory.Entry, error) {
	if p.Limit <= 0 || p.Limit > directory.MaxPage {
		p.Limit = directory.MaxPage
	}
	if p.Prefix != "" {
		if p.Prefix = directory.NormalizeUserID(p.Prefix); p.Prefix == "" {
			return nil, nil // nobody's user ID begins like that
		}
	}
	var rows []row
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		rows, err = selectPage(ctx, tx, d.org, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("embedded directory: list: %w", err)
	}
	entries := make([]directory.Entry, len(rows))
	for i, r := range rows {
		entries[i] = d.entry(r)
	}
	return entries, nil
}

// CountIn is how many accounts have a user ID in a domain.
func (d *Directory) CountIn(ctx context.Context, domain string) (n int, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) (err error) {
		n, err = countIn(ctx, tx, d.org, domain)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("embedded directory: count: %w", err)
	}
	return n, nil
}

// Count implements directory.Lister.
func (d *Directory) Count(ctx context.Context) (n int, err error) {
	err = d.db.Read(ctx, func(tx *store.Tx) (err error) {
		n, err = count(ctx, tx, d.org)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("embedded directory: count: %w", err)
	}
	return n, nil
}
