package embedded

import (
	"cmp"
	"context"
	"fmt"
	"slices"

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

// Several implements directory.Lister.
func (d *Directory) Several(ctx context.Context, keys []string) ([]directory.Entry, error) {
	var rows []row
	err := d.db.Read(ctx, func(tx *store.Tx) error {
		for some := range slices.Chunk(keys, directory.MaxPage) {
			found, err := selectSeveral(ctx, tx, d.org, some)
			if err != nil {
				return err
			}
			rows = append(rows, found...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("embedded directory: several: %w", err)
	}
	entries := make([]directory.Entry, len(rows))
	for i, r := range rows {
		entries[i] = d.entry(r)
	}
	slices.SortFunc(entries, func(a, b directory.Entry) int { return cmp.Compare(a.UserID, b.UserID) })
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
