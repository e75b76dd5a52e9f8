package main

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve --config FILE", Short: "Run a node",
		Long: `Runs a node until it is told to stop (SIGTERM or Ctrl-C): requests that were begun
finish then, and what waits in the queue stays for the next start.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			settings, err := c.load()
			if err != nil {
				return err
			}
			var level slog.Level
			if err := level.UnmarshalText([]byte(settings.Log.Level)); err != nil {
				return err
			}
			a, err := app.New(cmd.Context(), settings, app.Options{Log: logger(settings.Log.Format, level)})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close()) }()
			return a.Run(cmd.Context())
		},
	}
}
