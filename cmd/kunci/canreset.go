package main

import (
	"strings"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) canResetCommand() *cobra.Command {
	var slug string
	cmd := c.withJSON(&cobra.Command{
		Use: "can-reset [--org ORG] USER_ID", Short: "Can this person reset, and if not, why",
		Args: arguments(1, "USER_ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				answers, met, err := a.CanReset(cmd.Context(), slug, args[0])
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), map[string]any{
						"user_id": args[0], "can_reset": met == "", "problem": met, "rules": answers,
					})
				}
				lines := []string{args[0] + " can reset."}
				if met != "" {
					lines[0] = args[0] + " cannot reset: " + string(met)
				}
				for _, r := range answers {
					mark := "  yes  "
					if !r.OK {
						mark = "  no   "
					}
					lines = append(lines, mark+r.Text)
				}
				return say(cmd.OutOrStdout(), "%s", strings.Join(lines, "\n"))
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization (default: the one with the user ID's domain)")
	return cmd
}
