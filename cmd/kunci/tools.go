package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/secret"
)

func keysCommand(c *common) *cobra.Command {
	rotate := &cobra.Command{
		Use: "rotate", Short: "Seal new values under a new key; older ones still open", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			keys, err := secret.Open(settings.Keyset)
			if err != nil {
				return err
			}
			if err := keys.Rotate(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s has a new sealing key. Copy it to every node, restart them, and back it up.\n", settings.Keyset)
			return nil
		},
	}
	return group("keys", "The keys of this installation", rotate)
}

func doctorCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check everything a node needs, and say how to mend it", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.load()
			if err != nil {
				return err
			}
			findings := app.Doctor(cmd.Context(), settings)
			failed := 0
			for _, f := range findings {
				if !f.OK {
					failed++
				}
				if c.json {
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-4s %-11s %s\n", map[bool]string{true: "ok", false: "BAD"}[f.OK], f.Check, f.Text)
				if f.Mend != "" {
					fmt.Fprintf(cmd.OutOrStdout(), "     to mend: %s\n", f.Mend)
				}
			}
			if c.json {
				if err := printJSON(cmd.OutOrStdout(), findings); err != nil {
					return err
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d checks failed; the lines above say how to mend them", failed, len(findings))
			}
			return nil
		},
	}
}

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version = "development"

func versionCommand(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit and Go", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			commit := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						commit = s.Value
					}
				}
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"version": version, "commit": commit, "go": runtime.Version()})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "kunci %s, commit %s, %s\n", version, commit, runtime.Version())
			return nil
		},
	}
}

// progress counts on a terminal and is silent elsewhere.
func progress(w io.Writer) func(done int) {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(done int) { fmt.Fprintf(f, "\r%d rows", done) }
}
