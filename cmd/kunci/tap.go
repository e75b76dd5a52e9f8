package main

import (
	"time"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) tapCommand() *cobra.Command {
	return group("tap", "Temporary Access Passes",
		c.tapIssue(),
		c.person("revoke USER_ID", "Take somebody's pass back", "",
			func(cmd *cobra.Command, a *app.App, p app.Person) error {
				if err := a.RevokePass(cmd.Context(), p); err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), "The pass of %s is void.", p.Account.Entry.UserID)
			}))
}

func (c *cli) tapIssue() *cobra.Command {
	var minutes int
	var starts string
	var in time.Duration
	var reusable bool
	cmd := c.withJSON(c.person("issue USER_ID", "Issue a Temporary Access Pass for somebody who has nothing else left",
		`Issues a pass with which somebody gets back in for a short time. It is printed
once and kept nowhere; hand it over yourself, to a person whose identity you have
checked. A new pass takes the place of the one before. The person is told by mail
that a pass was issued.`,
		func(cmd *cobra.Command, a *app.App, p app.Person) error {
			from, err := startOf(cmd, a, starts, in)
			if err != nil {
				return err
			}
			pass, err := a.IssuePass(cmd.Context(), p, from, minutes, reusable)
			if err != nil {
				return err
			}
			if c.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{
					"user_id": p.Account.Entry.UserID, "id": pass.ID, "pass": pass.Code,
					"starts": pass.Starts.UTC(), "ends": pass.Ends.UTC(), "one_time": pass.OneTime,
				})
			}
			if err := say(cmd.ErrOrStderr(), "For %s, from %s to %s, %s. It is not shown again.", p.Account.Entry.UserID,
				minute(pass.Starts), minute(pass.Ends), map[bool]string{true: "once", false: "any number of times"}[pass.OneTime]); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "%s", pass.Code)
		}))
	cmd.Flags().IntVar(&minutes, "minutes", 0, "how long it counts (default: as the organization's policy says)")
	cmd.Flags().StringVar(&starts, "starts", "", "when it begins to count, like 2026-01-31T08:00:00+07:00 (default: now)")
	cmd.Flags().DurationVar(&in, "in", 0, "how long from now it begins to count, like 12h")
	cmd.Flags().BoolVar(&reusable, "reusable", false, "a pass that works any number of times, where the policy allows it")
	return cmd
}

// startOf reads when a pass begins; zero means now.
func startOf(cmd *cobra.Command, a *app.App, starts string, in time.Duration) (time.Time, error) {
	switch {
	case starts != "" && in != 0:
		return time.Time{}, misuse(cmd, "give --starts or --in, not both")
	case in < 0:
		return time.Time{}, misuse(cmd, "--in cannot be in the past")
	case in > 0:
		return a.DB.Now().Add(in), nil
	case starts == "":
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, starts)
	if err != nil {
		return time.Time{}, misuse(cmd, "--starts expects a time like 2026-01-31T08:00:00+07:00")
	}
	return at, nil
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
