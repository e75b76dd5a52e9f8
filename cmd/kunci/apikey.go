package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/org"
)

func (c *cli) apiKeyCommand() *cobra.Command {
	return group("api-key", "Keys of programs that use /api/v1", c.apiKeyCreate(), c.apiKeyList(), c.apiKeyRevoke())
}

func (c *cli) apiKeyCreate() *cobra.Command {
	var slug, name, role string
	var days int
	cmd := c.withJSON(&cobra.Command{
		Use: "create --org ORG --name NAME --role ROLE", Short: "Make a key and print it, once",
		Long: `Makes a key for a program that administers an organization with one role: owner,
policy_admin, authentication_admin, helpdesk or auditor. The role reset is for the
server of a front end of your own: it leads resets, is believed where people come
from, and administers nothing. The key is printed once;
only its hash is kept.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case slug == "":
				return misuse(cmd, "--org is missing")
			case name == "":
				return misuse(cmd, "--name is missing; say what the key is for")
			case org.Role(role) != admin.FrontEnd && !slices.Contains(org.Roles, org.Role(role)):
				return misuse(cmd, "--role is one of owner, policy_admin, authentication_admin, helpdesk, auditor, reset")
			case days < 1 || days > int(admin.LongestKey/(24*time.Hour)):
				return misuse(cmd, "--days is a number from 1 to %d", int(admin.LongestKey/(24*time.Hour)))
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				k, text, err := a.NewAPIKey(cmd.Context(), slug, name, org.Role(role), time.Duration(days)*24*time.Hour)
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), struct {
						apiKey
						Key string `json:"key"`
					}{apiKeyOf(k), text})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nKeep it now: it is not told again. It ends on %s. Revoke it with:\n  kunci api-key revoke --org %s %s\n",
					text, k.ExpiresAt.UTC().Format(time.DateOnly), slug, k.ID)
				return err
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	cmd.Flags().StringVar(&name, "name", "", "what the key is for")
	cmd.Flags().StringVar(&role, "role", "", "what it may do")
	cmd.Flags().IntVar(&days, "days", 90, "how long it lives")
	return cmd
}

// apiKey is a key as it is printed.
type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      org.Role   `json:"role"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

func apiKeyOf(k admin.APIKey) apiKey {
	out := apiKey{ID: k.ID, Name: k.Name, Role: k.Role, CreatedAt: k.CreatedAt.UTC(), ExpiresAt: k.ExpiresAt.UTC()}
	if !k.UsedAt.IsZero() {
		out.UsedAt = &k.UsedAt
	}
	if !k.RevokedAt.IsZero() {
		out.RevokedAt = &k.RevokedAt
	}
	return out
}

func (c *cli) apiKeyList() *cobra.Command {
	var slug string
	cmd := c.withJSON(&cobra.Command{
		Use: "list --org ORG", Short: "List the keys of an organization; the keys themselves are not kept",
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if slug == "" {
				return misuse(cmd, "--org is missing")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				keys, err := a.APIKeys(cmd.Context(), slug)
				if err != nil {
					return err
				}
				all := make([]apiKey, len(keys))
				for i, k := range keys {
					all[i] = apiKeyOf(k)
				}
				if c.json {
					return printJSON(cmd.OutOrStdout(), all)
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for i, k := range all {
					_, _ = fmt.Fprintln(out, strings.Join([]string{k.ID, string(k.Role), stateOf(keys[i]), k.Name}, "\t")) // Flush tells
				}
				return out.Flush()
			})
		},
	})
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}

func stateOf(k admin.APIKey) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked " + k.RevokedAt.UTC().Format(time.DateOnly)
	case !k.Lives(time.Now()):
		return "ended " + k.ExpiresAt.UTC().Format(time.DateOnly)
	}
	return "until " + k.ExpiresAt.UTC().Format(time.DateOnly)
}

func (c *cli) apiKeyRevoke() *cobra.Command {
	var slug string
	cmd := &cobra.Command{
		Use: "revoke --org ORG ID", Short: "End a key at once", Args: arguments(1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if slug == "" {
				return misuse(cmd, "--org is missing")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				if err := a.RevokeAPIKey(cmd.Context(), slug, args[0]); err != nil {
					return err
				}
				return say(cmd.OutOrStdout(), "The key %s is revoked.", args[0])
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization")
	return cmd
}
