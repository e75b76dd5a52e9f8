package e2e

import (
	"fmt"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// An owner looks at the directory and tries a connection, without scripts, on
// every width.
func TestDirectoryInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices {
		t.Run(on.name, func(t *testing.T) {
			s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
			s.AddPerson(t, "adele@contoso.com", kuncitest.OldPassword, nil)
			p := kuncitest.Start(t, kuncitest.Options{
				Kind: store.SQLite, WallClock: true, Accounts: "user_id,email\nadele@contoso.com,adele@example.net\n",
				Organization: strings.Replace(kuncitest.Contoso, "\npolicy:", fmt.Sprintf(
					"\ndirectory: {kind: ldap, dialect: openldap, urls: [%q], bind_dn: %q, bind_password_file: %q, ca_file: %q, base_dn: %q}\npolicy:",
					s.URL, ldaptest.Service, s.PasswordFile, s.Authority.File, ldaptest.People), 1),
			})
			b := settingsDesk(t, p, on)
			b.open("/console/directory", "console-directory").shot("d1-directory")
			b.fill("sample", "adele@contoso.com").leave().click(`button[value="try"]`).at("console-directory").shot("d2-tried")
			if b.attribute("main [data-test]", "role") != "status" {
				t.Error("nothing was tried")
			}
		})
	}
}
