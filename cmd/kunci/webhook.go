package main

import (
	"context"
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
		}),
		c.webhookOne("pause", "Send nothing to one until it is resumed; what happens meanwhile waits", func(cmd *cobra.Command, a *app.App, slug, id string) error {
			if err := a.PauseWebhook(cmd.Context(), slug, id); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "The webhook %s is paused.", id)
		}),
		c.webhookOne("resume", "Send to one again, from where it stopped", func(cmd *cobra.Command, a *app.App, slug, id string) error {
			if err := a.ResumeWebhook(cmd.Context(), slug, id); err != nil {
				return err
			}
			return say(cmd.OutOrStdout(), "Events are sent to the webhook %s again.", id)
		}),
		c.webhookSetAside(), c.webhookSendAgain(), c.webhookDiscard())
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
						out[i] = map[string]any{"id": h.ID, "host": h.Host, "people": h.People, "state": h.State(), "failing_since": some(h.FailingSince), "paused_at": some(h.PausedAt), "paused_for": h.PausedFor, "last_error": h.LastError, "delivered_at": some(h.DeliveredAt), "set_aside": h.SetAside}
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
	state := "last " + minute(h.DeliveredAt)
	switch {
	case h.PausedFor == webhook.ByHand:
		state = "paused since " + minute(h.PausedAt)
	case !h.PausedAt.IsZero():
		state = "paused since " + minute(h.PausedAt) + ": " + h.LastError
	case !h.FailingSince.IsZero():
		state = "failing since " + minute(h.FailingSince) + ": " + h.LastError
	case h.DeliveredAt.IsZero():
		state = "nothing sent yet"
	}
	if h.SetAside > 0 {
		state += fmt.Sprintf("; %d set aside", h.SetAside)
	}
	return state
}

func (c *cli) webhookSetAside() *cobra.Command {
	var slug string
	cmd := c.withJSON(&cobra.Command{
		Use: "set-aside --org ORG ID", Short: "List the events that one refused for so long that they were set aside", Args: arguments(1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if slug == "" {
				return misuse(cmd, "--org is missing")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				all, err := a.WebhookSetAside(cmd.Context(), slug, args[0])
				if err != nil {
					return err
				}
				if c.json {
					out := make([]map[string]any, len(all))
					for i, e := range all {
						out[i] = map[string]any{
							"event": e.EventID, "type": e.Kind, "leaf": e.Leaf, "tries": e.Tries, "last_error": e.LastError,
							"set_aside_at": e.SetAsideAt, "tried_at": e.TriedAt, "next_try_at": some(e.NextAt),
						}
					}
					return printJSON(cmd.OutOrStdout(), out)
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, e := range all {
					next := "waits to be sent again"
					if !e.NextAt.IsZero() {
						next = "next try " + minute(e.NextAt)
					}
					_, _ = fmt.Fprintf(out, "%s\t%s\t%d tries, %s\t%s\n", e.EventID, e.Kind, e.Tries, e.LastError, next) // Flush tells
				}
				return out.Flush()
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}

func (c *cli) webhookSendAgain() *cobra.Command {
	cmd := c.onSetAside("To be sent again by a running node: %d.", (*app.App).SendWebhookAgain, func(int) string { return "" })
	cmd.Use, cmd.Short = "send-again --org ORG ID [EVENT…]", "Send events that were set aside again: these, or all"
	return cmd
}

func (c *cli) webhookDiscard() *cobra.Command {
	var all bool
	cmd := c.onSetAside("Given up: %d.", (*app.App).DiscardWebhookEvents, func(events int) string {
		if all == (events > 0) {
			return "name the events to give up, or all of them with --all; see: kunci webhook set-aside"
		}
		return ""
	})
	cmd.Use, cmd.Short = "discard --org ORG ID [EVENT…]", "Give up events that were set aside: these, or with --all every one"
	cmd.Long = `They are not sent to this receiver any more. The audit log keeps them, and that
they were given up.`
	cmd.Flags().BoolVar(&all, "all", false, "every event that is set aside")
	return cmd
}

// onSetAside makes a command that does something with events which a webhook refused:
// those that are named, or all. wrong says what is wrong with how many are named;
// empty: nothing.
func (c *cli) onSetAside(done string, do func(a *app.App, ctx context.Context, slug, id string, events ...string) (int64, error), wrong func(events int) string) *cobra.Command {
	var slug string
	cmd := &cobra.Command{
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case slug == "":
				return misuse(cmd, "--org is missing")
			case len(args) == 0:
				return misuse(cmd, "the ID of a webhook is missing; see: kunci webhook list")
			}
			if text := wrong(len(args) - 1); text != "" {
				return misuse(cmd, "%s", text)
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				n, err := do(a, cmd.Context(), slug, args[0], args[1:]...)
				if err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), done, n)
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}

// some is a time, or nothing for the zero time.
func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
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
