package main

import (
	"strings"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) migrateCommand() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "migrate --config FILE", Short: "Bring the database to this version",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			applied, err := app.Migrate(cmd.Context(), settings)
			switch {
			case err != nil:
				return err
			case c.json:
				return printJSON(cmd.OutOrStdout(), map[string][]string{"applied": append([]string{}, applied...)})
			case len(applied) == 0:
				return say(cmd.OutOrStdout(), "The database is of this version already.")
			}
			return say(cmd.OutOrStdout(), "Applied %s.", strings.Join(applied, ", "))
		},
	})
}
