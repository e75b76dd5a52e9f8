package admin

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// grid says for each action who may do it: owner, policy_admin,
// authentication_admin, helpdesk, auditor.
const grid = `
see_overview          + + + + +
see_people            + + + + +
import_people         + - + - -
export_people         + - + - +
unlock                + - + + -
clear_limits          + - + + -
require_registration  + - + - -
revoke_sessions       + - + + -
freeze                + - + + -
unfreeze              + - + - -
see_requests          + - + + -
resolve_request       + - + + -
see_policy            + + + - +
change_policy         + + - - -
see_reports           + + + - +
see_audit             + + + - +
export_audit          + - - - +
see_messages          + + + - +
verify_caller         + - + + -
issue_pass            + - + + -
revoke_pass           + - + + -
unlink                + - + - -
see_values            + - + - -
manage_methods        + - + - -
export_person         + - + - -
erase_person          + - - - -
see_settings          + + - - +
manage_keys           + - - - -
manage_administrators + - - - -
change_messages       + + - - -
change_branding       + - - - -
manage_domains        + - - - -
manage_webhooks       + - - - -
see_directory         + + - - +
test_directory        + - - - -
connect_directory     + - - - -
`

func TestTheTableOfRoles(t *testing.T) {
	said := make(map[Action]bool)
	for _, line := range strings.Split(strings.TrimSpace(grid), "\n") {
		cells := strings.Fields(line)
		action := Action(cells[0])
		said[action] = true
		for i, role := range org.Roles {
			if got, want := May(role, action), cells[i+1] == "+"; got != want {
				t.Errorf("%s may %s: %v", role, action, got)
			}
		}
		if May("", action) || May("root", action) {
			t.Errorf("somebody without a role may %s", action)
		}
		if !Operator().May(action) {
			t.Errorf("the operator may not %s", action)
		}
	}
	for _, a := range Actions {
		if !said[a] {
			t.Errorf("the action %s stands in no row", a)
		}
	}
	if len(said) != len(Actions) {
		t.Errorf("%d rows, %d actions", len(said), len(Actions))
	}
	if May(org.Owner, "anything") {
		t.Error("an owner may do what is no action")
	}
}

// Nobody acts upward, on an equal, or on themselves; an owner acts on everyone else.
func TestNobodyActsUpward(t *testing.T) {
	for _, c := range []struct {
		role   org.Role
		target org.Role
		same   bool
		ok     bool
	}{
		{org.Helpdesk, "", false, true},
		{org.Helpdesk, org.Auditor, false, true},
		{org.Helpdesk, org.Helpdesk, false, false},
		{org.Helpdesk, org.AuthenticationAdmin, false, false},
		{org.Helpdesk, org.Owner, false, false},
		{org.AuthenticationAdmin, org.Helpdesk, false, true},
		{org.AuthenticationAdmin, org.PolicyAdmin, false, false},
		{org.Owner, org.Owner, false, true},
		{org.Owner, org.Owner, true, false},
		{org.Helpdesk, "", true, false},
		{org.Auditor, "", false, false},
		{"", "", false, false},
	} {
		a := Authority{By: audit.Actor{Kind: audit.Admin, Account: "me"}, Role: c.role}
		target := "them"
		if c.same {
			target = "me"
		}
		err := a.refuse(Unlock, target, c.target)
		if (err == nil) != c.ok || err != nil && !problem.Has(err, problem.Forbidden) {
			t.Errorf("%q on %q (same: %v): %v", c.role, c.target, c.same, err)
		}
	}
	// Whoever is known by nothing acts on nobody.
	if err := (Authority{By: audit.Actor{Kind: audit.Admin}, Role: org.Owner}).refuse(Unlock, "them", ""); err == nil {
		t.Error("an administrator without an account acted")
	}
}

// A person makes keys no higher than themselves, and a key makes none.
func TestWhoManagesKeys(t *testing.T) {
	for _, c := range []struct {
		as   Authority
		want bool
	}{
		{Operator(), true},
		{Authority{By: audit.Actor{Kind: audit.Admin, Account: "me"}, Role: org.Owner}, true},
		{Authority{By: audit.Actor{Kind: audit.Admin, Account: "me"}, Role: org.PolicyAdmin}, false},
		{Authority{By: audit.Actor{Kind: audit.Admin, Account: audit.ByKey + "1"}, Role: org.Owner}, false},
		{Authority{}, false},
	} {
		if got := c.as.mayManageKeys(); got != c.want {
			t.Errorf("%+v: %v", c.as, got)
		}
	}
}

// A front end's key leads resets and nothing else; nobody else leads any.
func TestAFrontEndAdministersNothing(t *testing.T) {
	for _, what := range Actions {
		if May(FrontEnd, what) {
			t.Errorf("a front end may %s", what)
		}
	}
	for _, role := range append(org.Roles[:len(org.Roles):len(org.Roles)], "") {
		if May(role, LeadResets) {
			t.Errorf("%q leads resets", role)
		}
	}
	if !May(FrontEnd, LeadResets) {
		t.Error("a front end leads no resets")
	}
}
