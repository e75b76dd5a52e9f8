package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/config"
)

// errTold fails a command that has said why already.
var errTold = errors.New("told")

// usageError is a command that was written wrongly.
type usageError struct {
	command string
	text    string
}

func (e *usageError) Error() string { return e.text }

func misuse(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Sprintf(format, args...)}
}

// cli is what every command shares.
type cli struct {
	config string
	json   bool
}

func newRoot() *cobra.Command {
	c := &cli{}
	root := group("kunci", "Self-service password reset and security info")
	root.Long = `Kunci lets people reset their own forgotten password, unlock their account, and
look after the security info that proves who they are.

Try it with nothing to configure:  kunci demo
Set up a node:                     kunci init --config kunci.yaml`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misuse(cmd, "%v", err) })
	root.PersistentFlags().StringVar(&c.config, "config", os.Getenv("KUNCI_CONFIG"), "configuration file (environment: KUNCI_CONFIG)")
	root.AddCommand(
		c.demoCommand(), c.initCommand(), c.serveCommand(), c.migrateCommand(), c.orgCommand(), c.accountCommand(), c.apiKeyCommand(), c.webhookCommand(),
		c.canResetCommand(), c.tapCommand(), c.tokenCommand(), c.auditCommand(), c.keysCommand(), c.breachCommand(), c.helpFeedbackCommand(),
		c.doctorCommand(), c.versionCommand(),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use: use, Short: short,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return misuse(cmd, "a command is missing") },
	}
	g.AddCommand(commands...)
	return g
}

// arguments asks for exactly the named arguments.
func arguments(n int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > n && cmd.HasSubCommands():
			return misuse(cmd, "there is no command %q", args[0])
		case len(args) > n:
			return misuse(cmd, "%q is one argument too many", args[n])
		case len(args) < n:
			return misuse(cmd, "%s is missing", names[len(args)])
		}
		return nil
	}
}

// withJSON gives a command that prints data the flag --json.
func (c *cli) withJSON(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

func (c *cli) load() (*config.Config, error) { return config.Load(c.config, os.Environ()) }

// open builds the product for one command; only what fails is logged.
func (c *cli) open(ctx context.Context, do func(a *app.App) error) (err error) {
	settings, err := c.load()
	if err != nil {
		return err
	}
	a, err := app.New(ctx, settings, app.Options{Log: logger(settings.Log.Format, slog.LevelError)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return do(a)
}

func logger(format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// printJSON writes v with its keys in a form that is pleasant to read.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// say writes a line that a person reads.
func say(out io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(out, format+"\n", args...)
	return err
}

// plural is a number with its noun.
func plural[N int | int64](n N, one, other string) string {
	if n == 1 {
		return fmt.Sprint(n, " ", one)
	}
	return fmt.Sprint(n, " ", other)
}
