package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/token"
)

func (c *cli) tokenCommand() *cobra.Command {
	return group("token", "Hardware tokens: bring, hand out, take back",
		c.tokenImport(), c.withJSON(c.tokenList()), c.tokenAssign(), c.tokenActivate(),
		c.tokenChange("take --org ORG SERIAL", "Take a token back from whoever has it", "The token %s is nobody's now.", (*app.App).TakeToken),
		c.tokenChange("drop --org ORG SERIAL", "Forget a token that nobody has", "The token %s is forgotten.", (*app.App).DropToken))
}

func (c *cli) tokenImport() *cobra.Command {
	var slug, file string
	var skipBad bool
	cmd := c.withJSON(&cobra.Command{
		Use: "import --org ORG -f FILE.csv", Short: "Read hardware tokens from a .csv file",
		Long: `Reads hardware tokens from a file. A bad row is named by its line, and nothing of
the file is applied then, unless --skip-bad is given. Reading a file again changes
nothing. Keep the file as you would keep passwords, and destroy it afterwards.

Columns, in the style of Microsoft Entra's file: upn (whom the token is for, may be
empty), serial number, secret key (base32 or hexadecimal), time interval (30 or
60), manufacturer, model; besides type (totp or hotp), counter, digits (6 or 8),
algorithm (SHA1, SHA256, SHA512).`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if slug == "" {
				return misuse(cmd, "name the organization: --org ORG")
			}
			in, err := input(cmd, file)
			if err != nil {
				return err
			}
			defer func() { _ = in.Close() }() // it was only read
			return c.open(cmd.Context(), func(a *app.App) error {
				report, err := a.ImportTokens(cmd.Context(), slug, in, skipBad)
				return c.printTokens(cmd, report, err)
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization the tokens belong to")
	cmd.Flags().StringVarP(&file, "file", "f", "", "file to read; - reads standard input")
	cmd.Flags().BoolVar(&skipBad, "skip-bad", false, "apply the good rows of a file with bad ones")
	return cmd
}

func (c *cli) printTokens(cmd *cobra.Command, r token.Report, err error) error {
	var bad *token.FileError
	if errors.As(err, &bad) {
		if err := printBadTokens(cmd.ErrOrStderr(), bad.Rows); err != nil {
			return err
		}
		return fmt.Errorf("nothing was applied because of %s; mend them, or leave them out with --skip-bad", plural(len(bad.Rows), "bad row", "bad rows"))
	}
	if err != nil {
		return err
	}
	if err := printBadTokens(cmd.ErrOrStderr(), r.Bad); err != nil {
		return err
	}
	if c.json {
		return printJSON(cmd.OutOrStdout(), map[string]int{
			"rows": r.Rows, "added": r.Added, "assigned": r.Assigned, "unchanged": r.Unchanged, "bad": len(r.Bad),
		})
	}
	return say(cmd.OutOrStdout(), "%s: %d added, %d assigned, %d unchanged, %d left out.",
		plural(r.Rows, "row", "rows"), r.Added, r.Assigned, r.Unchanged, len(r.Bad))
}

// mostBad is how many bad rows are printed.
const mostBad = 100

func printBadTokens(out io.Writer, rows []token.BadRow) error {
	for i, r := range rows {
		if i == mostBad {
			return say(out, "and %d more", len(rows)-mostBad)
		}
		if err := say(out, "%s", app.BadToken(r)); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) tokenList() *cobra.Command {
	var slug string
	cmd := &cobra.Command{
		Use: "list --org ORG", Short: "Print the tokens of an organization and who has them", Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if slug == "" {
				return misuse(cmd, "name the organization: --org ORG")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				tokens, err := a.ListTokens(cmd.Context(), slug)
				if err != nil {
					return err
				}
				return c.printHeld(cmd, tokens)
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}

// shownToken is what "token list" prints: no secret.
type shownToken struct {
	Serial       string `json:"serial"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Type         string `json:"type"`
	State        string `json:"state"`
	UserID       string `json:"user_id,omitempty"`
}

func (c *cli) printHeld(cmd *cobra.Command, tokens []app.HeldToken) error {
	shown := make([]shownToken, len(tokens))
	lines := make([]string, len(tokens))
	for i, t := range tokens {
		s := shownToken{Serial: t.Serial, Manufacturer: t.Manufacturer, Model: t.Model, Type: "totp", State: "in stock", UserID: t.UserID}
		if t.OATH.Counter {
			s.Type = "hotp"
		}
		if t.AccountID != "" {
			s.State = map[bool]string{true: "active", false: "assigned"}[t.Active]
		}
		shown[i] = s
		lines[i] = strings.TrimRight(fmt.Sprintf("%-20s %-4s  %-8s  %s", s.Serial, s.Type, s.State, s.UserID), " ")
	}
	if c.json {
		return printJSON(cmd.OutOrStdout(), shown)
	}
	if len(lines) == 0 {
		return say(cmd.OutOrStdout(), "no tokens")
	}
	return say(cmd.OutOrStdout(), "%s", strings.Join(lines, "\n"))
}

func (c *cli) tokenAssign() *cobra.Command {
	var serial string
	cmd := c.person("assign --serial SERIAL USER_ID", "Hand a token to somebody", "",
		func(cmd *cobra.Command, a *app.App, p app.Person) error {
			if serial == "" {
				return misuse(cmd, "name the token: --serial SERIAL")
			}
			if err := a.AssignToken(cmd.Context(), p, serial); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "%s has the token %s. It counts when it is activated with a code.", p.Account.Entry.UserID, serial)
		})
	cmd.Flags().StringVar(&serial, "serial", "", "serial number of the token")
	return cmd
}

func (c *cli) tokenActivate() *cobra.Command {
	var serial string
	var codes []string
	cmd := c.person("activate --code CODE USER_ID", "Make somebody's token count, by a code that it shows",
		`Makes somebody's token count, by a code that it shows. People do this themselves on
the page "security info". A token whose clock or counter is far off needs two codes
that follow one another: --code 123456 --code 234567.`,
		func(cmd *cobra.Command, a *app.App, p app.Person) error {
			if len(codes) == 0 {
				return misuse(cmd, "give a code of the token: --code CODE")
			}
			if err := a.ActivateToken(cmd.Context(), p, serial, codes); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "The token of %s is active.", p.Account.Entry.UserID)
		})
	cmd.Flags().StringVar(&serial, "serial", "", "serial number, where the person has several")
	cmd.Flags().StringArrayVar(&codes, "code", nil, "a code; twice for two that follow one another")
	return cmd
}

// tokenChange is a command about one token.
func (c *cli) tokenChange(use, short, done string, do func(a *app.App, ctx context.Context, slug, serial string) error) *cobra.Command {
	var slug string
	cmd := &cobra.Command{
		Use: use, Short: short, Args: arguments(1, "SERIAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if slug == "" {
				return misuse(cmd, "name the organization: --org ORG")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				if err := do(a, cmd.Context(), slug, args[0]); err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), done, args[0])
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}
