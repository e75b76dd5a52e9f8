package main

import (
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/webhook"
)

func (c *cli) webhookCommand() *cobra.Command {
	return group("webhook", "Send what happens in an organization to other programs", c.webhookAdd(), c.webhookList(),
		c.webhookOne("remove", "Send no more to one", func(cmd *cobra.Command, a *app.App, slug, id string) error {
			if err := a.RemoveWebhook(cmd.Context(), slug, id); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "The webhook %s is removed.", id)
		}),
		c.webhookOne("test", "Send a test now; one that arrives switches the webhook on again", func(cmd *cobra.Command, a *app.App, slug, id string) error {
			failure, err := a.TestWebhook(cmd.Context(), slug, id)
			if err != nil {
				return err
			}
			if failure != "" {
				return fmt.Errorf("the test did not arrive: %s", failure)
			}
			return say(cmd.OutOrStdout(), "The test arrived.")
		}))
}

func (c *cli) webhookAdd() *cobra.Command {
	var slug string
	var in webhook.Order
	var allowed []string
	cmd := c.withJSON(&cobra.Command{
		Use: "add --org ORG URL", Short: "Send events from now on, signed, and print the secret, once",
		Long: `Sends every event of an organization to an address, in order and signed as Standard
Webhooks says. Addresses that are not public are refused when the connection is
made; --allow names networks of yours that may be reached all the same.`,
		Args: arguments(1, "URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if slug == "" {
				return misuse(cmd, "--org is missing")
			}
			for _, text := range allowed {
				network, err := netip.ParsePrefix(text)
				if err != nil {
					return misuse(cmd, "--allow expects a network like 10.1.0.0/16, not %q", text)
				}
				in.Allowed = append(in.Allowed, network.Masked())
			}
			in.URL = args[0]
			return c.open(cmd.Context(), func(a *app.App) error {
				h, secret, err := a.AddWebhook(cmd.Context(), slug, in)
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), map[string]any{"id": h.ID, "host": h.Host, "people": h.People, "secret": secret})
				}
				return say(cmd.OutOrStdout(), "%s\n\nKeep it now: it is not told again. Try it with:\n  kunci webhook test --org %s %s", secret, slug, h.ID)
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	cmd.Flags().BoolVar(&in.People, "people", false, "with user IDs, addresses and browsers")
	cmd.Flags().StringArrayVar(&allowed, "allow", nil, "a network that is not public and may be reached, like 10.1.0.0/16")
	return cmd
}

func (c *cli) webhookList() *cobra.Command {
	var slug string
	cmd := c.withJSON(&cobra.Command{
		Use: "list --org ORG", Short: "List where events are sent, and how that goes", Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if slug == "" {
				return misuse(cmd, "--org is missing")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				all, err := a.ListWebhooks(cmd.Context(), slug)
				if err != nil {
					return err
				}
				if c.json {
					out := make([]map[string]any, len(all))
					for i, h := range all {
						out[i] = map[string]any{"id": h.ID, "host": h.Host, "people": h.People, "state": hookState(h)}
					}
					return printJSON(cmd.OutOrStdout(), out)
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, h := range all {
					_, _ = fmt.Fprintln(out, strings.Join([]string{h.ID, h.Host, hookState(h)}, "\t")) // Flush tells
				}
				return out.Flush()
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}

func hookState(h webhook.Hook) string {
	switch {
	case !h.DisabledAt.IsZero():
		return "switched off " + h.DisabledAt.UTC().Format(time.DateOnly) + ": " + h.LastError
	case !h.FailingSince.IsZero():
		return "failing since " + minute(h.FailingSince) + ": " + h.LastError
	case h.DeliveredAt.IsZero():
		return "nothing sent yet"
	}
	return "last " + minute(h.DeliveredAt)
}

// webhookOne is a command about one webhook.
func (c *cli) webhookOne(name, short string, do func(cmd *cobra.Command, a *app.App, slug, id string) error) *cobra.Command {
	var slug string
	cmd := &cobra.Command{
		Use: name + " --org ORG ID", Short: short, Args: arguments(1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if slug == "" {
				return misuse(cmd, "--org is missing")
			}
			return c.open(cmd.Context(), func(a *app.App) error { return do(cmd, a, slug, args[0]) })
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}
