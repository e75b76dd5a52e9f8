package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
)

func (c *cli) auditCommand() *cobra.Command {
	return group("audit", "The log of what happened", c.auditVerify(), c.auditExport(), c.auditCheckpoint(), c.auditProof(), c.auditConsistency(), c.auditKey())
}

func (c *cli) auditVerify() *cobra.Command {
	var files []string
	cmd := c.withJSON(&cobra.Command{
		Use: "verify", Short: "Look for records that were changed, removed, reordered or cut off",
		Long: `Computes the whole log again and compares it with its signed checkpoints. With
--checkpoint it also has to continue the history of a checkpoint that was kept
elsewhere, which finds a log that was cut off together with its checkpoints.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var known []string
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("the checkpoint cannot be read: %w", err)
				}
				known = append(known, string(text))
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				bar := newProgress(cmd.ErrOrStderr(), "records")
				report, err := a.Audit.VerifyWith(cmd.Context(), audit.VerifyOptions{Known: known, Progress: bar.show})
				bar.end()
				if err != nil {
					return err
				}
				return c.printReport(cmd, report)
			})
		},
	})
	cmd.Flags().StringArrayVar(&files, "checkpoint", nil, "file with a checkpoint that was kept elsewhere")
	return cmd
}

func (c *cli) printReport(cmd *cobra.Command, r audit.Report) error {
	if c.json {
		r.Faults = append([]audit.Fault{}, r.Faults...) // a list, if an empty one
		if err := printJSON(cmd.OutOrStdout(), r); err != nil {
			return err
		}
	} else {
		for _, f := range r.Faults {
			if err := say(cmd.OutOrStdout(), "%s", f); err != nil {
				return err
			}
		}
		text := "nothing in the log was changed"
		if !r.OK() {
			text = plural(len(r.Faults), "fault", "faults")
		}
		err := say(cmd.OutOrStdout(), "%s (%d waiting for their place in the log), %s: %s.",
			plural(r.Records, "record", "records"), r.Waiting, plural(r.Checkpoints, "checkpoint", "checkpoints"), text)
		if err != nil {
			return err
		}
	}
	if !r.OK() {
		return errTold
	}
	return nil
}

func (c *cli) auditExport() *cobra.Command {
	var slug, from, to, file, kind, outcome, user, by, format string
	var sealed bool
	var q audit.Query
	cmd := c.withJSON(&cobra.Command{
		Use: "export", Short: "Write events as JSON lines or CSV, oldest first",
		Long: `Writes events, one a line, oldest first, and records that somebody did. With
--sealed it writes the log as it is hashed, of the whole installation, for a second
program that verifies it elsewhere (docs/audit-log.md); what identifies people is
sealed in it.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.Kind, q.Outcome, q.Format = audit.Kind(kind), audit.Outcome(outcome), audit.Format(format)
			switch {
			case kind != "" && !slices.Contains(audit.Kinds, q.Kind):
				return misuse(cmd, "--kind: there is no kind of event %q", kind)
			case outcome != "" && !slices.Contains(audit.Outcomes, q.Outcome):
				return misuse(cmd, "--outcome: expected success, failure or denied")
			case q.Format != audit.Lines && q.Format != audit.CSV:
				return misuse(cmd, "--format: expected json or csv")
			case c.json && q.Format == audit.CSV:
				return misuse(cmd, "--json and --format csv contradict each other; leave one out")
			case sealed && (slug+from+to+kind+outcome+user+by+q.Correlation != "" || q.Format == audit.CSV):
				return misuse(cmd, "--sealed writes the whole log as JSON lines; leave the other flags out")
			}
			for _, moment := range []struct {
				flag, text string
				into       *time.Time
			}{{"--from", from, &q.From}, {"--to", to, &q.To}} {
				if err := parseTime(moment.text, moment.into); err != nil {
					return misuse(cmd, "%s: %v", moment.flag, err)
				}
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				if sealed {
					return exportSealed(cmd, a, file)
				}
				for _, who := range []struct {
					userID string
					into   *string
				}{{user, &q.Target}, {by, &q.By}} {
					if who.userID == "" {
						continue
					}
					p, err := a.Person(cmd.Context(), slug, who.userID)
					if err != nil {
						return err
					}
					q.Org, *who.into = p.Org.ID, p.Account.ID
				}
				if q.Org == "" && slug != "" {
					o, err := a.Organization(cmd.Context(), slug)
					if err != nil {
						return err
					}
					q.Org = o.ID
				}
				return export(cmd, a, q, file)
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "only this organization's events")
	cmd.Flags().StringVar(&from, "from", "", "only events from this day or time on (2026-11-23 or 2026-11-23T08:00:00Z)")
	cmd.Flags().StringVar(&to, "to", "", "only events before this day or time")
	cmd.Flags().StringVar(&kind, "kind", "", "only this kind of event, such as reset.completed")
	cmd.Flags().StringVar(&outcome, "outcome", "", "only these: success, failure or denied")
	cmd.Flags().StringVar(&user, "user", "", "only what happened to this user ID")
	cmd.Flags().StringVar(&by, "by", "", "only what this user ID did as an administrator")
	cmd.Flags().StringVar(&q.Correlation, "support-code", "", "only the events of the request that showed this code")
	cmd.Flags().StringVar(&format, "format", string(audit.Lines), "json (one object a line) or csv")
	cmd.Flags().BoolVar(&sealed, "sealed", false, "the whole log as it is hashed, to verify it elsewhere")
	cmd.Flags().BoolVar(&q.WithoutPeople, "without-people", false, "leave out user IDs, addresses and browsers")
	cmd.Flags().StringVarP(&file, "output", "o", "", "file to write, which must not exist (default: standard output)")
	return cmd
}

func export(cmd *cobra.Command, a *app.App, q audit.Query, file string) error {
	n := 0
	err := writeTo(cmd, file, func(out io.Writer) (err error) {
		n, err = a.Export(cmd.Context(), out, q)
		return err
	})
	if err == nil && file != "" {
		err = say(cmd.ErrOrStderr(), "%s written to %s.", plural(n, "event", "events"), file)
	}
	return err
}

func exportSealed(cmd *cobra.Command, a *app.App, file string) error {
	n, checkpoint := int64(0), ""
	err := writeTo(cmd, file, func(out io.Writer) (err error) {
		n, checkpoint, err = a.ExportLeaves(cmd.Context(), out)
		return err
	})
	if err != nil {
		return err
	}
	return say(cmd.ErrOrStderr(), "%s written, up to this checkpoint:\n\n%s", plural(n, "leaf", "leaves"), strings.TrimSuffix(checkpoint, "\n"))
}

// writeTo has something written to a new file, or to standard output.
func writeTo(cmd *cobra.Command, file string, write func(io.Writer) error) (err error) {
	if file == "" {
		return write(cmd.OutOrStdout())
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the file cannot be written: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

func (c *cli) auditProof() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "proof EVENT_ID", Short: "Print the proof that an event is in the log, as JSON",
		Long: `Prints what shows to somebody without this program that an event is in the log:
what is hashed, its place, the hashes that lead to the root, and the signed
checkpoint. docs/audit-log.md says how to check it.`,
		Args: arguments(1, "EVENT_ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				proof, err := a.Proof(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), proof)
			})
		},
	})
}

func (c *cli) auditConsistency() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "consistency CHECKPOINT_FILE", Short: "Print the proof that the log continues a checkpoint that was kept, as JSON",
		Long: `Prints what shows to somebody without this program, and without the records, that
the log of now continues the one that a kept checkpoint covers: nothing of that was
changed or cut off. docs/audit-log.md says how to check it.`,
		Args: arguments(1, "CHECKPOINT_FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			older, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("the checkpoint cannot be read: %w", err)
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				proof, err := a.Continues(cmd.Context(), string(older))
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), proof)
			})
		},
	})
}

func (c *cli) auditKey() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "key", Short: "Print the public key that checks checkpoints and proofs",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				key, err := a.Audit.PublicKey()
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), map[string]string{"key": key})
				}
				return say(cmd.OutOrStdout(), "%s", key)
			})
		},
	})
}

func parseTime(text string, into *time.Time) (err error) {
	if text == "" {
		return nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if *into, err = time.Parse(layout, text); err == nil {
			return nil
		}
	}
	return errors.New("expected a day or a time, such as 2026-11-23 or 2026-11-23T08:00:00Z")
}

func (c *cli) auditCheckpoint() *cobra.Command {
	return c.withJSON(&cobra.Command{
		Use: "checkpoint", Short: "Print the newest signed checkpoint, to keep elsewhere",
		Long: `Gives every waiting event its place in the log and prints the newest signed
checkpoint (C2SP tlog-checkpoint). Keep it where nobody who can write this
database can reach it, and give it to "kunci audit verify --checkpoint".`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.open(cmd.Context(), func(a *app.App) error {
				text, err := a.Checkpoint(cmd.Context())
				if err != nil {
					return err
				}
				text = strings.TrimSuffix(text, "\n") + "\n"
				if c.json {
					return printJSON(cmd.OutOrStdout(), map[string]string{"checkpoint": text})
				}
				_, err = io.WriteString(cmd.OutOrStdout(), text)
				return err
			})
		},
	})
}
