package kuncitest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/problem"
)

const groupAdministrators = `administrators:
  - {user_id: adele@contoso.com, role: owner}
  - {user_id: budi@contoso.com, role: auditor}
  - {group: desk, role: helpdesk}
  - {group: chiefs, role: authentication_admin}
  - {group: bosses, role: owner}
`

func groupOrganization() string {
	return strings.Replace(kuncitest.Contoso, "administrators: [{user_id: adele@contoso.com, role: owner}]\n", groupAdministrators, 1)
}

const groupPeople = `user_id,display_name,password,groups,email
adele@contoso.com,Adele,teapot harbour violin,,adele@example.net
budi@contoso.com,Budi,teapot harbour violin,chiefs,budi@example.net
citra@contoso.com,Citra,teapot harbour violin,desk;chiefs,citra@example.net
dedi@contoso.com,Dedi,teapot harbour violin,desk,dedi@example.net
gita@contoso.com,Gita,teapot harbour violin,bosses,gita@example.net
alain@contoso.com,Alain,teapot harbour violin,staff,alain@example.net
`

// A role can belong to a group of the directory: whoever is in it now has it, and
// is protected as one who has it.
func TestGroupsThatAdminister(t *testing.T) {
	o := kuncitest.Options{Organization: groupOrganization(), Accounts: groupPeople}
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		for userID, may := range map[string]bool{"gita": true, "adele": true, "citra": false, "budi": false, "dedi": false} {
			b := atDesk(t, p, userID+"@contoso.com", true)
			b.Get("/console").Want(http.StatusOK, "console-overview")
			if page := b.Get("/console/settings"); (page.Status == http.StatusOK) != may {
				t.Errorf("%s at the settings: %d", userID, page.Status)
			} else if may && !strings.Contains(page.Text(), "Everybody in the group chiefs") {
				t.Errorf("the settings name no groups:\n%s", page.Text())
			}
		}
		if page := atDesk(t, p, "alain@contoso.com", true).Get("/console"); page.Alert() != string(problem.Forbidden) {
			t.Errorf("somebody without a role: %d %q", page.Status, page.Alert())
		}
		person := func(userID string) string { return "/console/people/" + keyOf(t, p, userID+"@contoso.com") }
		chief := atDesk(t, p, "budi@contoso.com", true)
		// Down, but neither up, nor on an equal, nor on oneself.
		for userID, may := range map[string]bool{"alain": true, "dedi": true, "citra": false, "gita": false, "adele": false, "budi": false} {
			page := chief.Get(person(userID)).Want(http.StatusOK, "console-person")
			if got := slices.Contains(page.Choices("act"), "issue_pass"); got != may {
				t.Errorf("an authentication administrator by group may issue a pass to %s: %v", userID, got)
			}
			if page := chief.Post(person(userID), "act", "issue_pass", "minutes", "60"); (page.Status == http.StatusOK) != may {
				t.Errorf("and the form: %d %q", page.Status, page.Alert())
			}
		}
		// The administrators' rules hold for a reset of theirs.
		for userID, want := range map[string]int{"dedi": 2, "alain": 1} {
			found, err := p.App.Accounts.Find(t.Context(), p.Organization(), userID+"@contoso.com")
			if err != nil {
				t.Fatal(err)
			}
			if got := account.RequirementOf(p.Organization(), found).Gates(); got != want {
				t.Errorf("a reset of %s takes %d gates", userID, got)
			}
		}
		// Out of the group, out of the console, in the same session.
		p.Import("contoso", "user_id,groups\nbudi@contoso.com,staff\n")
		if page := chief.Post(person("alain"), "act", "freeze"); page.Alert() != string(problem.Forbidden) {
			t.Errorf("after leaving the group: %d %q", page.Status, page.Alert())
		}
		chief.Get("/console/audit").Want(http.StatusOK, "console-audit") // budi's own role is left
		desk := atDesk(t, p, "dedi@contoso.com", true)
		p.Apply(strings.Replace(groupOrganization(), "  - {group: desk, role: helpdesk}\n", "", 1))
		if page := desk.Get("/console"); page.Alert() != string(problem.Forbidden) {
			t.Errorf("after the group lost its role: %d %q", page.Status, page.Alert())
		}
	})
}

// Groups within groups count, as the directory gives them.
func TestGroupsWithinGroupsThatAdminister(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	people(t, s)
	o := contosoAt(s, "")
	o.Organization = strings.Replace(o.Organization, "[{user_id: adele@contoso.com, role: owner}]",
		fmt.Sprintf("[{user_id: adele@contoso.com, role: owner}, {group: %s, role: auditor}]", "contractors"), 1)
	p := kuncitest.Start(t, o)
	b := atDesk(t, p, "eko@contoso.com", true)
	b.Get("/console/audit").Want(http.StatusOK, "console-audit")
	if page := atDesk(t, p, "alain@contoso.com", true).Get("/console"); page.Alert() != string(problem.Forbidden) {
		t.Errorf("somebody outside: %d %q", page.Status, page.Alert())
	}
	s.Modify(t, "cn=contractors,"+ldaptest.Groups, map[string][]string{"member": {"uid=nobody," + ldaptest.People}})
	if page := b.Get("/console"); page.Alert() != string(problem.Forbidden) {
		t.Errorf("after the inner group left: %d %q", page.Status, page.Alert())
	}
}
