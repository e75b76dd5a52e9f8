package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory"
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

// An owner without a shell connects a directory, is told what is wrong with the first
// try, and somebody from the directory resets a password.
func TestConnectingADirectoryInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range []device{devices[0], devices[1], devices[3]} {
		t.Run(on.name, func(t *testing.T) {
			s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
			var members []string
			for _, who := range []string{"adele", "alain"} {
				members = append(members, s.AddPerson(t, who+"@contoso.com", kuncitest.OldPassword, nil))
			}
			s.Add(t, "cn=staff,"+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"staff"}, "member": members})
			files := make(map[string]string)
			for _, name := range []string{s.PasswordFile, s.Authority.File} {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				files[name] = strings.TrimSpace(string(text))
			}
			p := kuncitest.Start(t, kuncitest.Options{
				Kind: store.SQLite, WallClock: true, Accounts: kuncitest.People,
				Organization: strings.Replace(kuncitest.Contoso, "\npolicy:", "\ndirectory: {kind: embedded, allowed_networks: [127.0.0.0/8]}\npolicy:", 1),
			})
			b := settingsDesk(t, p, on)
			b.open("/console/directory", "console-directory").shot("d3-connect")
			b.fill("urls", s.URL).fill("bind_dn", ldaptest.Service).fill("bind_password", "wrong").fill("base_dn", ldaptest.People)
			settingsWrite(b, "authorities", files[s.Authority.File])
			b.leave().click(`input[name="leave_accounts"]`).click(`button[value="save"]`).at("console-directory").shot("d4-not-well")
			if got := b.attribute(`[role="alert"]`, "data-error"); got != "directory-not-well" || p.Organization().Version != 1 {
				t.Errorf("a wrong password: %q", got)
			}
			b.fill("bind_password", files[s.PasswordFile]).leave().click(`button[value="try"]`).at("console-directory").shot("d5-well")
			b.fill("bind_password", files[s.PasswordFile]).leave()
			b.click(`button[value="save"]`).at("signin").fill("user_id", "adele@contoso.com").press()
			b.at("signin-password").fill("password", kuncitest.OldPassword).press().to("interrupt").shot("d6-begins-anew")
			p.Import("contoso", "user_id,email\nalain@contoso.com,alain@example.net\n")
			person := openTab(t, p.URL, on)
			person.open("/reset", "reset-identify").fill("user_id", "alain@contoso.com").press().at("reset-choose").press()
			person.at("reset-verify").fill("code", p.Code(1)).press().at("reset-password")
			person.fill("new_password", newPassword).fill("confirm_password", newPassword).press().at("reset-done")
			contoso := p.Organization()
			a, err := p.App.Accounts.Find(t.Context(), contoso, "alain@contoso.com")
			if err != nil {
				t.Fatal(err)
			}
			there, err := p.App.Accounts.Directory(contoso)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := there.CheckPassword(t.Context(), a.Entry.Key, newPassword); err != nil || got != directory.OK {
				t.Errorf("the new password in slapd: %v, %v", got, err)
			}
		})
	}
}
