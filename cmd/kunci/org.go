package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
)

func (c *cli) orgCommand() *cobra.Command {
	return group("org", "Organizations as files", c.orgApply(), c.orgShow(), c.orgList(), c.orgSync(), c.orgImportEntra())
}

func (c *cli) orgApply() *cobra.Command {
	var file string
	cmd := c.withJSON(&cobra.Command{
		Use: "apply -f FILE", Short: "Make organizations what a file says, and tell what changed",
		Long: `Makes organizations what a file says and tells what changed. Applying a file again
changes nothing. A file may hold several organizations (---); all of them are
taken, or none.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := input(cmd, file)
			if err != nil {
				return err
			}
			defer func() { _ = in.Close() }() // it was only read
			return c.open(cmd.Context(), func(a *app.App) error {
				applied, err := a.Apply(cmd.Context(), in, filepath.Dir(file))
				if err != nil {
					return err
				}
				for _, o := range applied {
					for _, warning := range o.Warnings {
						if err := say(cmd.ErrOrStderr(), "warning: %s: %s", o.Organization, warning); err != nil {
							return err
						}
					}
				}
				return c.printApplied(cmd.OutOrStdout(), applied)
			})
		},
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with the organizations; - reads standard input")
	return cmd
}

func (c *cli) printApplied(out io.Writer, applied []app.Applied) error {
	if c.json {
		for i := range applied {
			applied[i].Changes = append([]org.Change{}, applied[i].Changes...) // a list, if an empty one
		}
		return printJSON(out, applied)
	}
	for _, o := range applied {
		if len(o.Changes) == 0 {
			if err := say(out, "%s: nothing to change", o.Organization); err != nil {
				return err
			}
			continue
		}
		lines := []string{fmt.Sprintf("%s: %s", o.Organization, plural(len(o.Changes), "change", "changes"))}
		for _, change := range o.Changes {
			lines = append(lines, "  "+change.String())
		}
		if err := say(out, "%s", strings.Join(lines, "\n")); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) orgShow() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "show ORG", Short: "Print an organization as the file that makes it",
		Args: arguments(1, "ORG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				o, err := a.Organization(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				encode := config.Encode
				if c.json {
					encode = config.EncodeJSON
				}
				text, err := encode(o.Document())
				if err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), "%s", strings.TrimSuffix(string(text), "\n"))
			})
		},
	})
}

func (c *cli) orgList() *cobra.Command {
	type line struct {
		Organization string   `json:"organization"`
		Name         string   `json:"name"`
		Domains      []string `json:"domains"`
		Reset        string   `json:"reset"`
		Version      int64    `json:"version"`
	}
	return c.withJSON(&cobra.Command{
		Use: "list", Short: "List the organizations",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				all, err := a.Organizations(cmd.Context())
				if err != nil {
					return err
				}
				lines := make([]line, len(all))
				for i, o := range all {
					lines[i] = line{o.Slug, o.Name, o.Domains, o.Policy.Reset.Scope, o.Version}
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), lines)
				}
				table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(table, "ORGANIZATION\tNAME\tDOMAINS\tRESET FOR")
				for _, l := range lines {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", l.Organization, l.Name, strings.Join(l.Domains, ", "), l.Reset)
				}
				return table.Flush()
			})
		},
	})
}

func (c *cli) orgSync() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "sync ORG", Short: "Read the list of an organization's directory now",
		Long: `Reads who is in the directory of an organization, for the figures of its reports.
The organization's file asks for the list with directory.sync; a node then reads
it from time to time by itself.`,
		Args: arguments(1, "ORG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				list, err := a.Sync(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), list)
				}
				read := "what changed was read"
				if list.Whole {
					read = "everybody was read"
				}
				return say(cmd.OutOrStdout(), "%s: %s on the list, %s", args[0], plural(list.Entries, "person", "people"), read)
			})
		},
	})
}

func (c *cli) orgImportEntra() *cobra.Command {
	var file string
	cmd := c.withJSON(&cobra.Command{
		Use: "import-entra -f FILE", Short: "Print the policy that does what one of Microsoft Entra does",
		Long: `Reads the password reset policy of Microsoft Entra's portal, the JSON object that
its own pages fetch, and prints the policy that does the same here, with what
changed on the way. Nothing is applied: put it below "policy" in the
organization's file, and see on the console what it would do to people.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := input(cmd, file)
			if err != nil {
				return err
			}
			defer func() { _ = in.Close() }() // it was only read
			got, err := org.FromEntra(in)
			if err != nil {
				return err
			}
			var notes []string
			for _, note := range got.Notes {
				notes = append(notes, note.In(i18n.For(i18n.Fallback)))
			}
			if c.json {
				policy, err := config.EncodeJSON(got.Policy)
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), map[string]any{"policy": json.RawMessage(policy), "support": got.Support, "notes": notes})
			}
			text, err := got.Policy.Text()
			if err != nil {
				return err
			}
			comments := ""
			for _, note := range notes {
				comments += "# " + strings.ReplaceAll(note, "\n", " ") + "\n"
			}
			return say(cmd.OutOrStdout(), "%s%s", comments, strings.TrimSuffix(text, "\n"))
		},
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with the object; - reads standard input")
	return cmd
}

// input opens the file of a flag; "-" is standard input.
func input(cmd *cobra.Command, file string) (io.ReadCloser, error) {
	switch file {
	case "":
		return nil, misuse(cmd, "name the file to read: -f FILE")
	case "-":
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	return f, nil
}
