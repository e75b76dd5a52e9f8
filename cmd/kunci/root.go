package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// usageError is a command that was written wrong: exit code 2.
type usageError struct{ error }

// errSilent ends with exit code 1 after the output has said why.
var errSilent = errors.New("")

// flags that every command has.
type common struct {
	config string
	json   bool
}

func newRoot() *cobra.Command {
	c := &common{}
	root := &cobra.Command{
		Use: "kunci", Short: "Self-service password reset and security info for your directory",
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q; see: kunci --help", args[0])}
			}
			return usageError{errors.New("say what to do; see: kunci --help")}
		},
	}
	root.PersistentFlags().StringVar(&c.config, "config", os.Getenv("KUNCI_CONFIG"), "configuration file (or KUNCI_CONFIG)")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print data as JSON")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		demoCommand(), initCommand(c), serveCommand(c), migrateCommand(c), orgCommand(c), accountCommand(c),
		canResetCommand(c), auditCommand(c), keysCommand(c), doctorCommand(c), versionCommand(c),
	)
	return root
}

// exactly asks for n arguments and says which.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s needs %s; see: %s --help", cmd.CommandPath(), names, cmd.CommandPath())}
		}
		return nil
	}
}

// group is a command that has only subcommands.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, _ []string) error {
		return usageError{fmt.Errorf("say what to do; see: %s --help", cmd.CommandPath())}
	}}
	g.AddCommand(commands...)
	return g
}

func (c *common) load() (*config.Config, error) {
	if c.config == "" {
		if _, err := os.Stat("kunci.yaml"); err == nil {
			c.config = "kunci.yaml"
		}
	}
	return config.Load(c.config, os.Environ())
}

func logger(c *config.Config) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(c.Log.Level)) // checked when the file was read
	options := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// with builds the rooms for one command and lets go of them after it.
func (c *common) with(cmd *cobra.Command, do func(a *app.App) error) error {
	settings, err := c.load()
	if err != nil {
		return err
	}
	a, err := app.Open(cmd.Context(), settings, app.Options{Log: logger(settings)})
	if err != nil {
		return err
	}
	err = a.Current(cmd.Context())
	if err == nil {
		err = do(a)
	}
	if err == nil {
		err = a.Audit.Run(cmd.Context())
	}
	return errors.Join(err, a.Close())
}

// organization finds the one a command names.
func organization(cmd *cobra.Command, a *app.App, slug string) (*org.Organization, error) {
	if slug == "" {
		return nil, usageError{errors.New("name the organization with --org")}
	}
	var o *org.Organization
	err := a.DB.Read(cmd.Context(), func(tx *store.Tx) (err error) {
		o, err = a.Orgs.BySlug(cmd.Context(), tx, slug)
		return err
	})
	if problem.Has(err, problem.NotFound) {
		return nil, fmt.Errorf("there is no organization %q; see: kunci org list", slug)
	}
	return o, err
}

// operator is who may run this program on the server.
func operator() audit.Actor {
	by := audit.Actor{Kind: audit.CLI}
	if u, err := user.Current(); err == nil {
		by.UserID = u.Username
	}
	return by
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
