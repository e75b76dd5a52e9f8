package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kunci.dev/kunci/internal/app"
)

func (c *cli) accountExport() *cobra.Command {
	var file string
	cmd := c.withJSON(c.person("export USER_ID", "Print everything that is kept of a person, as JSON", `Prints what is kept of a person and identifies them, with whole addresses and
numbers, for the person to see: account, methods, sessions, requests, messages and
events; never a secret, nor who else had a part in it. It is recorded.`,
		func(cmd *cobra.Command, a *app.App, p app.Person) error {
			all, err := a.ExportPerson(cmd.Context(), p)
			if err != nil {
				return err
			}
			if file == "" {
				return printJSON(cmd.OutOrStdout(), all)
			}
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("the file cannot be written: %w", err)
			}
			e := json.NewEncoder(f)
			e.SetIndent("", "  ")
			return errors.Join(e.Encode(all), f.Close())
		}))
	cmd.Flags().StringVarP(&file, "output", "o", "", "file to write, which must not exist (default: standard output)")
	return cmd
}

func (c *cli) accountErase() *cobra.Command {
	var slug, typed string
	var left bool
	cmd := &cobra.Command{
		Use: "erase USER_ID --confirm USER_ID", Short: "Erase a person for good", Args: arguments(1, "USER_ID"),
		Long: `Erases account, methods, requests, messages and sessions of a person, and destroys
the keys that say who they are in the audit log. The log stays, and stays provable:
run "kunci audit verify" afterwards. There is no way back. Where the directory is
your own, the account stays there, and whoever signs in with it is somebody new.
Backups and what a collector or a webhook got are beyond its reach.

Somebody whom the directory has no more is named by the account's identifier, which
is the target of their events: kunci account erase --left --org ORG ID --confirm ID`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if left && slug == "" {
				return misuse(cmd, "name the organization: --org ORG")
			}
			return c.open(cmd.Context(), func(a *app.App) error {
				if left {
					if err := a.EraseLeft(cmd.Context(), slug, args[0], typed); err != nil {
						return err
					}
				} else {
					p, err := a.Person(cmd.Context(), slug, args[0])
					if err == nil {
						err = a.ErasePerson(cmd.Context(), p, typed)
					}
					if err != nil {
						return err
					}
				}
				return say(cmd.OutOrStdout(), "The person is erased. The audit log says that it was done, and no longer who it was.")
			})
		},
	}
	cmd.Flags().StringVar(&slug, "org", "", "organization (default: the one with the user ID's domain)")
	cmd.Flags().StringVar(&typed, "confirm", "", "the user ID again")
	cmd.Flags().BoolVar(&left, "left", false, "the directory has this person no more; name the account's identifier")
	return cmd
}
