package main

import (
	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) keysCommand() *cobra.Command {
	return group("keys", "The keyset", &cobra.Command{
		Use: "rotate", Short: "Add a new sealing key to the keyset and use it from now on",
		Long: `Adds a new key to the keyset's file. What older keys sealed still opens; new values
are sealed under the new one. Stop the nodes first, so that none meets a value
it has no key for; give every node the new file; start them again.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			if err := app.RotateKeys(settings); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "%s has a new key. Back it up, give it to every node, and start them again.", settings.Keyset)
		},
	})
}
