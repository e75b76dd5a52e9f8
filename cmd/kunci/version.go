package main

import (
	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) versionCommand() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "version", Short: "Print version, commit and Go",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := app.ThisVersion()
			if c.json {
				return printJSON(cmd.OutOrStdout(), v)
			}
			return say(cmd.OutOrStdout(), "kunci %s\ncommit %s\n%s", v.Version, v.Commit, v.Go)
		},
	})
}
