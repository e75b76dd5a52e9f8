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
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

func accountCommand(c *common) *cobra.Command {
	return group("account", "Accounts of an organization", accountImport(c), accountShow(c),
		accountAct(c, "unlock", "Lift the directory's lock and the throttles of an account", unlock),
		accountAct(c, "require-registration", "Ask for a new registration at the next sign-in", requireRegistration),
		accountAct(c, "freeze", "Stop resets of an account", freeze),
		accountAct(c, "unfreeze", "Allow resets of an account again", unfreeze))
}

func accountImport(c *common) *cobra.Command {
	var slug, file string
	var options account.ImportOptions
	cmd := &cobra.Command{
		Use: "import --org ORG -f FILE.csv|.ndjson", Short: "Bring in accounts and pre-registered methods", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats := map[string]account.Format{".csv": account.CSV, ".ndjson": account.NDJSON, ".jsonl": account.NDJSON}
			format, ok := formats[strings.ToLower(filepath.Ext(file))]
			if !ok {
				return usageError{errors.New("name a .csv or .ndjson file with -f")}
			}
			r, _, err := open(cmd, file)
			if err != nil {
				return err
			}
			defer r.Close()
			return c.with(cmd, func(a *app.App) error {
				o, err := organization(cmd, a, slug)
				if err != nil {
					return err
				}
				options.Progress = progress(cmd.ErrOrStderr())
				return importInto(cmd, c, a, o, r, format, options)
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	cmd.Flags().StringVarP(&file, "file", "f", "", "account file")
	cmd.Flags().BoolVar(&options.SkipBad, "skip-bad", false, "apply the good rows of a file with bad ones")
	return cmd
}

func importInto(cmd *cobra.Command, c *common, a *app.App, o *org.Organization, r io.Reader, format account.Format, options account.ImportOptions) error {
	report, err := a.Accounts.Import(cmd.Context(), o, operator(), r, format, options)
	var bad *account.FileError
	if errors.As(err, &bad) {
		for _, row := range bad.Rows {
			fmt.Fprintln(cmd.ErrOrStderr(), row)
		}
		return fmt.Errorf("%d bad rows, nothing was applied; correct them, or apply the others with --skip-bad", bad.Total)
	}
	if err != nil {
		return err
	}
	for _, row := range report.Bad {
		fmt.Fprintln(cmd.ErrOrStderr(), "skipped", row)
	}
	if c.json {
		return printJSON(cmd.OutOrStdout(), report)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d rows: %d accounts new, %d changed, %d as they were; %d methods added; %d rows skipped\n",
		report.Rows, report.Created, report.Updated, report.Unchanged, report.MethodsAdded, report.BadTotal)
	return nil
}

func accountShow(c *common) *cobra.Command {
	slug := ""
	cmd := &cobra.Command{
		Use: "show --org ORG USER_ID", Short: "Show one account", Args: exactly(1, "a user ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(a *app.App) error {
				o, found, err := findAccount(cmd, a, slug, args[0])
				if err != nil {
					return err
				}
				return show(cmd, c, a, o, found)
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}

func findAccount(cmd *cobra.Command, a *app.App, slug, userID string) (*org.Organization, account.Account, error) {
	o, err := organization(cmd, a, slug)
	if err != nil {
		return nil, account.Account{}, err
	}
	found, err := a.Accounts.Find(cmd.Context(), o, userID)
	if problem.Has(err, problem.NotFound) {
		return nil, found, fmt.Errorf("%s has no account %q; check the spelling", slug, userID)
	}
	return o, found, err
}

// shownAccount is an account on a terminal: methods masked, nothing secret.
type shownAccount struct {
	UserID     string        `json:"user_id"`
	Name       string        `json:"name,omitempty"`
	Source     string        `json:"password_source"`
	Password   bool          `json:"has_password"`
	Disabled   bool          `json:"disabled"`
	Locked     *time.Time    `json:"locked_until,omitempty"`
	Frozen     bool          `json:"resets_frozen"`
	Registered *time.Time    `json:"registered_at,omitempty"`
	LastReset  *time.Time    `json:"last_reset_at,omitempty"`
	Groups     []string      `json:"groups,omitempty"`
	Methods    []shownMethod `json:"methods"`
}

type shownMethod struct {
	Kind   string `json:"kind"`
	Value  string `json:"value,omitempty"`
	Usable bool   `json:"usable"`
	By     string `json:"proved_by,omitempty"`
}

func show(cmd *cobra.Command, c *common, a *app.App, o *org.Organization, found account.Account) error {
	var methods []method.Method
	err := a.DB.Read(cmd.Context(), func(tx *store.Tx) (err error) {
		methods, err = a.Methods.List(cmd.Context(), tx, o.ID, found.ID)
		return err
	})
	if err != nil {
		return err
	}
	entry := found.Entry
	s := shownAccount{
		UserID: entry.UserID, Name: entry.DisplayName, Source: string(entry.Source), Password: entry.HasPassword,
		Disabled: entry.Disabled, Frozen: found.Frozen(), Groups: entry.Groups,
		Locked: future(entry.LockedUntil, a.DB.Now()), Registered: known(found.RegisteredAt), LastReset: known(found.LastResetAt),
	}
	for _, m := range methods {
		s.Methods = append(s.Methods, shownMethod{string(m.Kind), m.Masked(), m.Usable(), m.ProvedBy})
	}
	if c.json {
		return printJSON(cmd.OutOrStdout(), s)
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s  %s\npassword: %s, set: %v\ndisabled: %v  resets frozen: %v\n", s.UserID, s.Name, s.Source, s.Password, s.Disabled, s.Frozen)
	if s.Locked != nil {
		fmt.Fprintf(w, "locked until %s\n", s.Locked.Format(time.RFC3339))
	}
	for _, m := range s.Methods {
		fmt.Fprintf(w, "method: %s %s usable: %v (by the %s)\n", m.Kind, m.Value, m.Usable, m.By)
	}
	return nil
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func future(t, now time.Time) *time.Time {
	if !t.After(now) {
		return nil
	}
	return &t
}

// act is one change to one account.
type act func(cmd *cobra.Command, a *app.App, o *org.Organization, found account.Account) error

func accountAct(c *common, name, short string, do act) *cobra.Command {
	slug := ""
	cmd := &cobra.Command{
		Use: name + " --org ORG USER_ID", Short: short, Args: exactly(1, "a user ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(a *app.App) error {
				o, found, err := findAccount(cmd, a, slug, args[0])
				if err != nil {
					return err
				}
				if err := do(cmd, a, o, found); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s done\n", found.Entry.UserID, name)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}

func unlock(cmd *cobra.Command, a *app.App, o *org.Organization, found account.Account) error {
	d, err := a.Accounts.Directory(o)
	if err != nil {
		return err
	}
	if err := d.Unlock(cmd.Context(), found.Entry.Key); err != nil {
		return fmt.Errorf("the directory did not unlock the account: %w", err)
	}
	return a.DB.Write(cmd.Context(), func(tx *store.Tx) error {
		if err := a.Challenges.ClearLimits(cmd.Context(), tx, o.ID, found.ID); err != nil {
			return err
		}
		for _, kind := range []audit.Kind{audit.AccountUnlocked, audit.ThrottleCleared} {
			err := a.Audit.Record(cmd.Context(), tx, operator(), audit.Event{
				Kind: kind, Org: o.ID, Target: found.ID, TargetUserID: found.Entry.UserID, Outcome: audit.Success, Reason: "administrator",
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func requireRegistration(cmd *cobra.Command, a *app.App, o *org.Organization, found account.Account) error {
	return a.DB.Write(cmd.Context(), func(tx *store.Tx) error {
		return a.Accounts.RequireRegistration(cmd.Context(), tx, operator(), o.ID, found.ID)
	})
}

func freeze(cmd *cobra.Command, a *app.App, o *org.Organization, found account.Account) error {
	return a.DB.Write(cmd.Context(), func(tx *store.Tx) error {
		return a.Accounts.Freeze(cmd.Context(), tx, operator(), o.ID, found.ID)
	})
}

func unfreeze(cmd *cobra.Command, a *app.App, o *org.Organization, found account.Account) error {
	return a.DB.Write(cmd.Context(), func(tx *store.Tx) error {
		return a.Accounts.Unfreeze(cmd.Context(), tx, operator(), o.ID, found.ID)
	})
}

func canResetCommand(c *common) *cobra.Command {
	slug, lang := "", "en"
	cmd := &cobra.Command{
		Use: "can-reset --org ORG USER_ID", Short: "Say whether a person can reset, and if not why", Args: exactly(1, "a user ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(a *app.App) error {
				o, err := organization(cmd, a, slug)
				if err != nil {
					return err
				}
				rules, err := a.Reset.Explain(cmd.Context(), o, args[0])
				if err != nil {
					return err
				}
				type line struct {
					Rule    string       `json:"rule"`
					OK      bool         `json:"ok"`
					Text    string       `json:"text"`
					Problem problem.Code `json:"problem,omitempty"`
				}
				var lines []line
				can := true
				for _, rule := range rules {
					lines = append(lines, line{rule.Name, rule.OK, i18n.For(lang).TMap(rule.Key, rule.Args), rule.Problem})
					can = can && rule.OK
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), map[string]any{"user_id": args[0], "can_reset": can, "rules": lines})
				}
				for _, l := range lines {
					fmt.Fprintf(cmd.OutOrStdout(), "%-4s %-12s %s\n", map[bool]string{true: "yes", false: "NO"}[l.OK], l.Rule, l.Text)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s can reset: %v\n", args[0], map[bool]string{true: "yes", false: "no"}[can])
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	cmd.Flags().StringVar(&lang, "lang", lang, "language of the sentences")
	return cmd
}
