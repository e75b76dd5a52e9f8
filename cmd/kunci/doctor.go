package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) doctorCommand() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "doctor --config FILE", Short: "Check everything a node needs and say how to mend it",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			checks := app.Doctor(cmd.Context(), settings, app.Options{Log: slog.New(slog.DiscardHandler)})
			var lines []string
			wrong := false
			for _, check := range checks {
				mark := "ok     "
				if !check.OK {
					mark, wrong = "wrong  ", true
				}
				lines = append(lines, mark+check.Name+": "+check.Text)
				if check.Mend != "" {
					lines = append(lines, "       → "+check.Mend)
				}
			}
			if c.json {
				err = printJSON(cmd.OutOrStdout(), checks)
			} else {
				err = say(cmd.OutOrStdout(), "%s", strings.Join(lines, "\n"))
			}
			if err == nil && wrong {
				return errTold
			}
			return err
		},
	})
}
