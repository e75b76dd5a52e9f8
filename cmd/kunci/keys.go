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
it has no key for; give every node the new file; start them again. Then run
"kunci keys reseal", so that nothing that is kept rests on the old key.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			if err := app.RotateKeys(settings); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "%s has a new key. Back it up, give it to every node, start them again, and run: kunci keys reseal", settings.Keyset)
		},
	}, &cobra.Command{
		Use: "reseal", Short: "Seal what is kept under the newest key",
		Long: `Seals registered methods, requests and the keys of people in the audit log under
the newest key of the keyset. Nodes may run meanwhile, once they have the new
keyset. It can be ended and begun again at any time.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				p := newProgress(cmd.ErrOrStderr(), "rows")
				n, err := a.Reseal(cmd.Context(), func(rows int) { p.show(int64(rows), 0) })
				p.end()
				if err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), "%s sealed under the newest key.", plural(n, "value was", "values were"))
			})
		},
	})
}
