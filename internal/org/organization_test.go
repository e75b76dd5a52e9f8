package org

import "testing"

// Of several roles, one's own and those of groups, the highest holds.
func TestTheHighestRoleHolds(t *testing.T) {
	o := &Organization{Administrators: []Administrator{
		{UserID: "adele@contoso.com", Role: Owner}, {UserID: "budi@contoso.com", Role: Auditor},
		{Group: "desk", Role: Helpdesk}, {Group: "chiefs", Role: AuthenticationAdmin}, {Group: "adele@contoso.com", Role: PolicyAdmin}, {Group: "odd", Role: "root"},
	}}
	for _, c := range []struct {
		userID string
		groups []string
		want   Role
	}{
		{"Adele@contoso.com", nil, Owner},
		{"adele@contoso.com", []string{"desk"}, Owner},
		{"budi@contoso.com", []string{"desk"}, Helpdesk},
		{"budi@contoso.com", []string{"desk", "chiefs"}, AuthenticationAdmin},
		{"citra@contoso.com", []string{"staff", "chiefs", "desk"}, AuthenticationAdmin},
		{"citra@contoso.com", []string{"Desk", "desk2", ""}, ""},
		{"citra@contoso.com", []string{"odd"}, ""},
		{"desk", nil, ""}, // a group's name is no user ID
		{"citra@contoso.com", []string{"budi@contoso.com"}, ""}, // nor the other way round
		{"", []string{""}, ""},
	} {
		got, ok := o.RoleOf(c.userID, c.groups)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s in %q: %q, %v", c.userID, c.groups, got, ok)
		}
	}
}
