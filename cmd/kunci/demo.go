package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use: "demo", Short: "Run organization Contoso, with nothing to configure",
		Long: `Runs organization Contoso with a person for each situation. The page /demo says
who they are and what to try; /demo/inbox shows every message that is sent, and
/demo/inbox.json the same for programs.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = logger("text", slog.LevelWarn)
			o.Ready = func(url string) {
				_ = say(cmd.OutOrStdout(), "Kunci's demonstration runs. Open %s/demo, and end it with Ctrl-C.", url) // nobody may be watching
			}
			return app.Demo(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "", "address to listen on (default 127.0.0.1:8080)")
	cmd.Flags().StringVar(&o.Data, "data", "", "folder to keep the demonstration in (default: it ends with the program)")
	return cmd
}
