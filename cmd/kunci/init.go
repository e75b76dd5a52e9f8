package main

import (
	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) initCommand() *cobra.Command {
	var o app.InitOptions
	cmd := &cobra.Command{
		Use: "init --config FILE", Short: "Write a configuration, the keyset and an up-to-date database",
		Long: `Writes a commented configuration, the keyset beside it and a database of this
version. Nothing is overwritten. Relative paths begin at the configuration's folder.`,
		Example: "  kunci init --config /etc/kunci/kunci.yaml --public-url https://reset.contoso.com \\\n" +
			"      --database postgres://kunci@db/kunci --smtp smtp.contoso.com:587",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.config == "" {
				return misuse(cmd, "name the file to write: --config kunci.yaml")
			}
			o.Config = c.config
			made, err := app.Init(cmd.Context(), o)
			if err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), `Written: %s, %s and the database.
Back up the keyset apart from the database: without it, addresses and passwords are lost.

Next, describe your organization in a file and run:
  kunci org apply --config %s -f FILE
Then start the node:
  kunci serve --config %s`, made.File(), made.Keyset, made.File(), made.File())
		},
	}
	cmd.Flags().StringVar(&o.PublicURL, "public-url", "", "address that people open (default http://localhost:8080)")
	cmd.Flags().StringVar(&o.Listen, "listen", "", "address to listen on (default 127.0.0.1:8080)")
	cmd.Flags().StringVar(&o.Database, "database", "", "sqlite:PATH or postgres://user@host/name (default sqlite:kunci.db)")
	cmd.Flags().StringVar(&o.SMTP, "smtp", "", "mail server, HOST:PORT (default localhost:25)")
	return cmd
}
