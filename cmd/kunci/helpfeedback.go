package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

// helpFeedback is feedback as it is printed.
type helpFeedback struct {
	Day          string   `json:"day"`
	Organization string   `json:"organization,omitempty"`
	Article      string   `json:"article"`
	Lang         string   `json:"lang"`
	Helpful      bool     `json:"helpful"`
	Quality      int      `json:"language_quality,omitempty"`
	Affected     []string `json:"affected,omitempty"`
	Comment      string   `json:"comment,omitempty"`
}

func (c *cli) helpFeedbackCommand() *cobra.Command {
	var limit int
	cmd := c.withJSON(&cobra.Command{
		Use: "help-feedback", Short: "Print what readers said about the help pages",
		Long: `Prints what readers said about the help pages, the newest day first. Nobody is
named: neither account nor address nor time of day is kept, and nothing for
longer than a year.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return misuse(cmd, "--limit is a number from 1")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				said, err := a.ListHelpFeedback(cmd.Context(), limit)
				if err != nil {
					return err
				}
				all := make([]helpFeedback, len(said))
				for i, f := range said {
					all[i] = helpFeedback{f.Day.Format(time.DateOnly), f.Organization, f.Article, f.Lang, f.Helpful, f.Quality, f.Affected, f.Comment}
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), all)
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, f := range all {
					_, _ = fmt.Fprintln(out, strings.Join(f.columns(), "\t")) // Flush tells
				}
				return out.Flush()
			})
		},
	})
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many at most")
	return cmd
}

// columns are one line; a comment is quoted, so that its own lines stay one.
func (f helpFeedback) columns() []string {
	helped := "helped"
	if !f.Helpful {
		helped = "did not help"
	}
	mark := "-"
	if f.Quality > 0 {
		mark = fmt.Sprintf("%d of 5", f.Quality)
	}
	comment := ""
	if f.Comment != "" {
		comment = strconv.Quote(f.Comment)
	}
	return []string{f.Day, f.Lang, f.Article, helped, mark, strings.Join(f.Affected, ","), comment}
}
