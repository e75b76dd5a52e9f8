package app

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/demo"
	"kunci.dev/kunci/internal/secret"
)

// Demo runs the demonstration until ctx ends.
func Demo(ctx context.Context, o demo.Options) error { return demo.Run(ctx, o, launch) }

// launch starts the product the way the demo wants it: its own folder, its
// own people, its own inbox. Everything else is as in a real node.
func launch(ctx context.Context, s demo.Setup) (err error) {
	c := config.Defaults()
	c.PublicURL, c.Database, c.Keyset = s.PublicURL, s.Database, s.Keyset
	if _, err := os.Stat(c.Keyset); errors.Is(err, fs.ErrNotExist) {
		keys, err := secret.Generate()
		if err != nil {
			return err
		}
		if err := keys.Write(c.Keyset); err != nil {
			return err
		}
	}
	if _, err := Migrate(ctx, &c); err != nil {
		return err
	}
	a, err := New(ctx, &c, Options{
		Log: s.Log, Now: s.Now, Sender: s.Sender, Texts: s.Phones, Calls: s.Phones, Listener: s.Listener, Pages: s.Pages,
		Ready: func(string) { s.Ready() },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := s.Seed(ctx, demo.Rooms{DB: a.DB, Orgs: a.Orgs, Accounts: a.Accounts, Methods: a.Methods, Helpdesk: a.Helpdesk}); err != nil {
		return err
	}
	return a.Run(ctx)
}
