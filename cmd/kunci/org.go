package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

func orgCommand(c *common) *cobra.Command {
	return group("org", "Organizations as files", orgApply(c), orgShow(c), orgList(c))
}

// open gives a file, or standard input for "-", with the folder its paths are relative to.
func open(cmd *cobra.Command, path string) (io.ReadCloser, string, error) {
	switch path {
	case "":
		return nil, "", usageError{errors.New("name the file with -f, or - for standard input")}
	case "-":
		return io.NopCloser(cmd.InOrStdin()), ".", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("the file cannot be read: %w", err)
	}
	return f, filepath.Dir(path), nil
}

func orgApply(c *common) *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Make organizations what a file says, and print what changed", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, folder, err := open(cmd, file)
			if err != nil {
				return err
			}
			defer r.Close()
			documents, err := org.Parse(r, folder)
			if err != nil {
				return fmt.Errorf("%s is wrong, nothing was changed:\n%w", file, err)
			}
			return c.with(cmd, func(a *app.App) error { return apply(cmd, a, documents) })
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "organization file, - for standard input")
	return cmd
}

// apply changes every organization of the file or none.
func apply(cmd *cobra.Command, a *app.App, documents []org.Document) error {
	type result struct {
		slug    string
		changes []org.Change
	}
	var all []result
	err := a.DB.Write(cmd.Context(), func(tx *store.Tx) error {
		all = nil
		for _, d := range documents {
			changes, err := a.Orgs.Apply(cmd.Context(), tx, operator(), d)
			if err != nil {
				return fmt.Errorf("%s, nothing was changed:\n%w", d.Slug, err)
			}
			all = append(all, result{d.Slug, changes})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		if len(r.changes) == 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing to change\n", r.slug)
		}
		for _, change := range r.changes {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", r.slug, change)
		}
	}
	return nil
}

func orgShow(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "show ORG", Short: "Print an organization as a file", Args: exactly(1, "the organization's short name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(a *app.App) error {
				o, err := organization(cmd, a, args[0])
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), o)
				}
				text, err := config.Encode(o.Document())
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			})
		},
	}
}

func orgList(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the organizations", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(a *app.App) error {
				var all []*org.Organization
				err := a.DB.Read(cmd.Context(), func(tx *store.Tx) (err error) {
					all, err = a.Orgs.List(cmd.Context(), tx)
					return err
				})
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), all)
				}
				for _, o := range all {
					fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\t%v\n", o.Slug, o.Name, o.Domains)
				}
				return nil
			})
		},
	}
}
