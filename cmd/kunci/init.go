package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

func initCommand(c *common) *cobra.Command {
	settings := config.Defaults()
	smtp := ""
	cmd := &cobra.Command{
		Use: "init --config FILE", Short: "Write a configuration, make the keys and the database",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.config == "" {
				c.config = "kunci.yaml"
			}
			if smtp != "" {
				host, port, err := net.SplitHostPort(smtp)
				if err == nil {
					settings.SMTP.Host = host
					settings.SMTP.Port, err = strconv.Atoi(port)
				}
				if err != nil {
					return usageError{fmt.Errorf("--smtp is written HOST:PORT, such as mail.contoso.com:587")}
				}
			}
			return initialize(cmd, c.config, settings)
		},
	}
	cmd.Flags().StringVar(&settings.PublicURL, "public-url", settings.PublicURL, "address people open")
	cmd.Flags().StringVar(&settings.Listen, "listen", settings.Listen, "address the node listens on")
	cmd.Flags().StringVar(&settings.Database, "database", settings.Database, "sqlite:PATH or postgres://user@host/name")
	cmd.Flags().StringVar(&smtp, "smtp", "", "mail server, HOST:PORT")
	return cmd
}

func initialize(cmd *cobra.Command, path string, settings config.Config) error {
	folder := filepath.Dir(path)
	keyset := filepath.Join(folder, settings.Keyset)
	for _, existing := range []string{path, keyset} {
		if _, err := os.Stat(existing); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already and is never overwritten; move it away first, or go on with: kunci serve --config %s", existing, path)
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := config.Write(path, settings); err != nil {
		return err
	}
	loaded, err := config.Load(path, nil)
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	keys, err := secret.Generate()
	if err != nil {
		return err
	}
	if err := keys.Write(loaded.Keyset); err != nil {
		return err
	}
	db, err := store.Open(cmd.Context(), loaded.Database, store.Options{})
	if err != nil {
		return fmt.Errorf("%w\nthe configuration and the keys are written; correct the key database in %s, then run: kunci migrate --config %s", err, path, path)
	}
	if _, err := app.Migrate(cmd.Context(), db); err != nil {
		return errors.Join(err, db.Close())
	}
	if err := db.Close(); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Wrote %s, %s and an up-to-date database.\nBack up %s apart from the database.\n\nNext: kunci serve --config %s\n",
		path, loaded.Keyset, loaded.Keyset, path)
	return nil
}
