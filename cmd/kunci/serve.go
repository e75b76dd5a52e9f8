package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/store"
)

func serveCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run a node", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			log := logger(settings)
			a, err := app.Open(cmd.Context(), settings, app.Options{Log: log})
			if err != nil {
				return err
			}
			err = a.Run(cmd.Context(), func() { log.Info("serving", "listen", settings.Listen, "public_url", settings.PublicURL) })
			return errors.Join(err, a.Close())
		},
	}
}

func migrateCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database to this version", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			db, err := store.Open(cmd.Context(), settings.Database, store.Options{})
			if err != nil {
				return err
			}
			applied, err := app.Migrate(cmd.Context(), db)
			if err := errors.Join(err, db.Close()); err != nil {
				return err
			}
			for _, name := range applied {
				fmt.Fprintln(cmd.OutOrStdout(), "applied", name)
			}
			if len(applied) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "The database is at this version.")
			}
			return nil
		},
	}
}
