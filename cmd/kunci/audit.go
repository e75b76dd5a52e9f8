package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
)

func auditCommand(c *common) *cobra.Command {
	return group("audit", "The log of what happened", auditVerify(c), auditExport(c), auditCheckpoint(c))
}

func auditVerify(c *common) *cobra.Command {
	var kept []string
	cmd := &cobra.Command{
		Use: "verify", Short: "Find records that were changed, removed, reordered or cut off", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var known []string
			for _, path := range kept {
				text, err := os.ReadFile(path)
				if err != nil {
					return fmt.Errorf("the checkpoint cannot be read: %w", err)
				}
				known = append(known, string(text))
			}
			return c.with(cmd, func(a *app.App) error {
				report, err := a.Audit.Verify(cmd.Context(), known...)
				if err != nil {
					return err
				}
				if c.json {
					err = printJSON(cmd.OutOrStdout(), report)
				} else {
					for _, fault := range report.Faults {
						fmt.Fprintln(cmd.OutOrStdout(), fault)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%d records, %d checkpoints, %d faults\n", report.Records, report.Checkpoints, len(report.Faults))
				}
				if err == nil && !report.OK() {
					err = fmt.Errorf("the audit log is not what was logged; keep this database as evidence and compare it with a backup")
				}
				return err
			})
		},
	}
	cmd.Flags().StringArrayVar(&kept, "checkpoint", nil, "a checkpoint that was kept elsewhere (may be given several times)")
	return cmd
}

func auditExport(c *common) *cobra.Command {
	slug := ""
	cmd := &cobra.Command{
		Use: "export [--org ORG]", Short: "Print the events as JSON lines, oldest first", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(a *app.App) error {
				query := audit.Query{}
				if slug != "" {
					o, err := organization(cmd, a, slug)
					if err != nil {
						return err
					}
					query.Org = o.ID
				}
				_, err := a.Audit.Export(cmd.Context(), cmd.OutOrStdout(), operator(), query)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "only this organization's events")
	return cmd
}

func auditCheckpoint(c *common) *cobra.Command {
	return &cobra.Command{
		Use: "checkpoint", Short: "Print the newest signed checkpoint, to be kept elsewhere", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd, func(a *app.App) error {
				if err := a.Audit.Run(cmd.Context()); err != nil {
					return err
				}
				text, err := a.Audit.Checkpoint(cmd.Context())
				if err != nil {
					return err
				}
				if text == "" {
					return fmt.Errorf("there is no checkpoint yet: nothing has happened")
				}
				key, err := a.Audit.PublicKey()
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), map[string]string{"checkpoint": text, "public_key": key})
				}
				fmt.Fprint(cmd.OutOrStdout(), text)
				return nil
			})
		},
	}
}
