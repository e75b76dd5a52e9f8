package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/demo"
	"kunci.dev/kunci/internal/secret"
)

func demoCommand() *cobra.Command {
	options := demo.Options{}
	cmd := &cobra.Command{
		Use: "demo", Short: "Try everything with the organization Contoso; nothing to set up", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
			options.Ready = func(url string) {
				fmt.Fprintf(cmd.OutOrStdout(), "Kunci is ready.\n\n  %s/demo   the people of Contoso, and what to try\n\nStop with Ctrl+C.\n", url)
			}
			return demo.Run(cmd.Context(), options, launch)
		},
	}
	cmd.Flags().StringVar(&options.Listen, "listen", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringVar(&options.Data, "data", "", "folder to keep; empty: a temporary one")
	return cmd
}

// launch builds and runs the product for the demo.
func launch(ctx context.Context, s demo.Setup) error {
	settings := config.Defaults()
	settings.PublicURL, settings.Database, settings.Keyset = s.PublicURL, s.Database, s.Keyset
	if _, err := os.Stat(s.Keyset); errors.Is(err, fs.ErrNotExist) {
		keys, err := secret.Generate()
		if err == nil {
			err = keys.Write(s.Keyset)
		}
		if err != nil {
			return err
		}
	}
	a, err := app.Open(ctx, &settings, app.Options{
		Log: s.Log, Now: s.Now, Sender: s.Sender, Listener: s.Listener,
		Extra: map[string]http.Handler{"GET /demo": s.Pages, "GET /demo/": s.Pages},
	})
	if err != nil {
		return err
	}
	_, err = app.Migrate(ctx, a.DB)
	if err == nil {
		err = s.Seed(ctx, demo.Rooms{DB: a.DB, Orgs: a.Orgs, Accounts: a.Accounts, Methods: a.Methods})
	}
	if err == nil {
		err = a.Run(ctx, s.Ready)
	}
	return errors.Join(err, a.Close())
}
