package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/app"
)

func (c *cli) accountCommand() *cobra.Command {
	var lift bool
	freeze := c.person("freeze USER_ID", "Stop every reset of an account, or allow them again (--lift)", "",
		func(cmd *cobra.Command, a *app.App, p app.Person) error {
			text := "Resets of %s are frozen. Allow them again with --lift."
			if lift {
				text = "Resets of %s are allowed again."
			}
			if err := a.Freeze(cmd.Context(), p, lift); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), text, p.Account.Entry.UserID)
		})
	freeze.Flags().BoolVar(&lift, "lift", false, "allow resets again")
	return group("account", "Accounts and their pre-registered methods",
		c.accountImport(),
		c.withJSON(c.person("show USER_ID", "Print what is known about an account", "", c.showPerson)),
		c.person("unlock USER_ID", "Lift the lock of an account and the limits on its resets", "",
			func(cmd *cobra.Command, a *app.App, p app.Person) error {
				if err := a.Unlock(cmd.Context(), p); err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), "%s is unlocked.", p.Account.Entry.UserID)
			}),
		c.person("require-registration USER_ID", "Have somebody register their methods anew at the next sign-in", "",
			func(cmd *cobra.Command, a *app.App, p app.Person) error {
				if err := a.RequireRegistration(cmd.Context(), p); err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), "%s will be asked to register at the next sign-in.", p.Account.Entry.UserID)
			}),
		c.person("unlink USER_ID", "Let an account belong to whoever next signs in with it at the identity provider",
			"An account belongs to the identity at the organization's provider that it was first used with. After this command it belongs to\nthe next one that signs in with its user ID there; all its sessions end.",
			func(cmd *cobra.Command, a *app.App, p app.Person) error {
				if err := a.Unlink(cmd.Context(), p); err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), "%s is linked to no identity any more.", p.Account.Entry.UserID)
			}),
		freeze, c.accountExport(), c.accountErase())
}

// person is a command about one account.
func (c *cli) person(use, short, long string, do func(cmd *cobra.Command, a *app.App, p app.Person) error) *cobra.Command {
	var slug string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: arguments(1, "USER_ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				p, err := a.Person(cmd.Context(), slug, args[0])
				if err != nil {
					return err
				}
				return do(cmd, a, p)
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization (default: the one with the user ID's domain)")
	return cmd
}

func (c *cli) accountImport() *cobra.Command {
	var slug, file, format string
	var skipBad bool
	cmd := c.withJSON(&cobra.Command{
		Use: "import --org ORG -f FILE", Short: "Read accounts and pre-registered methods from a .csv or .ndjson file",
		Long: `Reads accounts and pre-registered methods from a file. A bad row is named by its
line, and nothing of the file is applied then, unless --skip-bad is given. Reading
a file again changes nothing.

Columns: user_id, display_name, given_name, family_name, password (plain or a PHC
hash), groups (separated by ;), email, mobile_phone, office_phone, password_source
(managed or external), language, disabled, must_change.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if slug == "" {
				return misuse(cmd, "name the organization: --org ORG")
			}
			if format == "" {
				format = strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
			}
			if format != string(account.CSV) && format != string(account.NDJSON) && file != "" {
				return misuse(cmd, "expected a file that ends in .csv or .ndjson, or --format csv or ndjson")
			}
			in, err := input(cmd, file)
			if err != nil {
				return err
			}
			defer func() { _ = in.Close() }() // it was only read
			return c.open(cmd.Context(), func(a *app.App) error {
				bar := newProgress(cmd.ErrOrStderr(), "rows")
				report, err := a.Import(cmd.Context(), slug, in, account.Format(format), account.ImportOptions{
					SkipBad: skipBad, Progress: func(done int) { bar.show(int64(done), 0) },
				})
				bar.end()
				return c.printImport(cmd, report, err)
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization the accounts belong to")
	cmd.Flags().StringVarP(&file, "file", "f", "", "file to read; - reads standard input")
	cmd.Flags().StringVar(&format, "format", "", "csv or ndjson (default: by the file's name)")
	cmd.Flags().BoolVar(&skipBad, "skip-bad", false, "apply the good rows of a file with bad ones")
	return cmd
}

func (c *cli) printImport(cmd *cobra.Command, r account.ImportReport, err error) error {
	var bad *account.FileError
	if errors.As(err, &bad) {
		if err := printBad(cmd.ErrOrStderr(), bad.Rows, bad.Total); err != nil {
			return err
		}
		return fmt.Errorf("nothing was applied because of %s; mend them, or leave them out with --skip-bad", plural(bad.Total, "bad row", "bad rows"))
	}
	if err != nil {
		return err
	}
	if err := printBad(cmd.ErrOrStderr(), r.Bad, r.BadTotal); err != nil {
		return err
	}
	if c.json {
		return printJSON(cmd.OutOrStdout(), map[string]int{
			"rows": r.Rows, "created": r.Created, "updated": r.Updated, "unchanged": r.Unchanged,
			"methods_added": r.MethodsAdded, "bad": r.BadTotal,
		})
	}
	return say(cmd.OutOrStdout(), "%s: %d created, %d updated, %d unchanged, %d left out; %s added.",
		plural(r.Rows, "row", "rows"), r.Created, r.Updated, r.Unchanged, r.BadTotal, plural(r.MethodsAdded, "method", "methods"))
}

func printBad(out io.Writer, rows []account.BadRow, total int) error {
	for _, r := range rows {
		if err := say(out, "%s", app.BadRow(r)); err != nil {
			return err
		}
	}
	if more := total - len(rows); more > 0 {
		return say(out, "and %d more", more)
	}
	return nil
}

// shownPerson is what "account show" prints: no address or number in full.
type shownPerson struct {
	Organization  string        `json:"organization"`
	UserID        string        `json:"user_id"`
	ID            string        `json:"id"`
	Name          string        `json:"name"`
	Groups        []string      `json:"groups"`
	Role          string        `json:"role,omitempty"`
	Password      string        `json:"password"`
	Disabled      bool          `json:"disabled"`
	LockedUntil   *time.Time    `json:"locked_until"`
	RegisteredAt  *time.Time    `json:"registered_at"`
	MustRegister  bool          `json:"must_register"`
	ReconfirmedAt *time.Time    `json:"reconfirmed_at"`
	FrozenAt      *time.Time    `json:"frozen_at"`
	LastResetAt   *time.Time    `json:"last_reset_at"`
	Methods       []shownMethod `json:"methods"`
}

type shownMethod struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Value    string `json:"value"`
	Usable   bool   `json:"usable"`
	ProvedBy string `json:"proved_by,omitempty"`
	Default  bool   `json:"default"`
}

func (c *cli) showPerson(cmd *cobra.Command, _ *app.App, p app.Person) error {
	e := p.Account.Entry
	s := shownPerson{
		Organization: p.Org.Slug, UserID: e.UserID, ID: p.Account.ID, Name: e.DisplayName, Groups: append([]string{}, e.Groups...),
		Role: string(p.Role), Password: string(e.Source), Disabled: e.Disabled, LockedUntil: known(e.LockedUntil),
		RegisteredAt: known(p.Account.RegisteredAt), MustRegister: p.Account.MustRegister,
		ReconfirmedAt: known(p.Account.ReconfirmedAt), FrozenAt: known(p.Account.FrozenAt), LastResetAt: known(p.Account.LastResetAt),
		Methods: []shownMethod{},
	}
	if !e.HasPassword && s.Password == "managed" {
		s.Password = "none yet"
	}
	for _, m := range p.Methods {
		s.Methods = append(s.Methods, shownMethod{m.ID, string(m.Kind), m.Masked(), m.Usable(), m.ProvedBy, m.Default})
	}
	if c.json {
		return printJSON(cmd.OutOrStdout(), s)
	}
	return say(cmd.OutOrStdout(), "%s", s.text())
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (s shownPerson) text() string {
	at := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		return t.UTC().Format("2006-01-02 15:04 UTC")
	}
	lines := []string{
		s.UserID + " (" + s.Name + ")",
		"organization   " + s.Organization,
		"groups         " + strings.Join(s.Groups, ", "),
		"password       " + s.Password,
		"registered     " + at(s.RegisteredAt),
		"last reset     " + at(s.LastResetAt),
	}
	if s.Role != "" {
		lines = append(lines, "role           "+s.Role)
	}
	if s.Disabled {
		lines = append(lines, "disabled       yes")
	}
	if s.LockedUntil != nil {
		lines = append(lines, "locked until   "+at(s.LockedUntil))
	}
	if s.FrozenAt != nil {
		lines = append(lines, "resets frozen  since "+at(s.FrozenAt))
	}
	if s.MustRegister {
		lines = append(lines, "asked to register at the next sign-in")
	}
	for _, m := range s.Methods {
		line := fmt.Sprintf("method         %s %s", m.Kind, m.Value)
		if !m.Usable {
			line += " (cannot be used)"
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	if len(s.Methods) == 0 {
		lines = append(lines, "no method registered")
	}
	return strings.Join(lines, "\n")
}
