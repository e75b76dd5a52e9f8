package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

const administratorsPage = "/console/settings/administrators"

func administratorsVersion(t *testing.T, p *kuncitest.Product) string {
	t.Helper()
	return strconv.FormatInt(p.Organization().Version, 10)
}

// mailsAbout are whom the notices of a changed role went to.
func mailsAbout(t *testing.T, p *kuncitest.Product, n int) (to []string) {
	t.Helper()
	for _, m := range p.Mail.Wait(t, n) {
		if strings.Contains(m.Parse(t).Subject, "administrator role") {
			to = append(to, m.To)
		}
	}
	slices.Sort(to)
	return to
}

func TestAnOwnerGivesAndTakesRoles(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "owner@contoso.com", true)
		grant := func(to, name, role string) *kuncitest.Page {
			return b.Post(administratorsPage, "act", "grant_role", "version", administratorsVersion(t, p), "to", to, "name", name, "role", role)
		}
		revoke := func(a org.Administrator) *kuncitest.Page {
			return b.Post(administratorsPage, "act", "revoke_role", "version", administratorsVersion(t, p), "id", a.ID())
		}
		role := func(userID string, groups ...string) org.Role {
			r, _ := p.Organization().RoleOf(userID, groups)
			return r
		}
		grant("person", " Alain@contoso.com ", "owner").Want(http.StatusOK, "console-administrators")
		if role("alain@contoso.com") != org.Owner {
			t.Fatalf("the role was not given: %+v", p.Organization().Administrators)
		}
		grant("group", "contractors", "auditor").Want(http.StatusOK, "console-administrators")
		if role("eko@contoso.com", "contractors") != org.Auditor {
			t.Error("the group has no role")
		}
		for name, refused := range map[string]*kuncitest.Page{
			"one's own role":          grant("person", "OWNER@contoso.com", "auditor"),
			"taking one's own":        revoke(org.Administrator{UserID: "owner@contoso.com"}),
			"nobody of that name":     grant("person", "nobody@contoso.com", "auditor"),
			"of another organization": grant("person", "owner@fabrikam.com", "auditor"),
			"no such role":            grant("person", "citra@contoso.com", "reset"),
			"no name":                 grant("group", " ", "auditor"),
			"an old version":          b.Post(administratorsPage, "act", "grant_role", "version", "1", "to", "person", "name", "citra@contoso.com", "role", "auditor"),
			"nobody to take it from":  revoke(org.Administrator{UserID: "citra@contoso.com"}),
		} {
			if refused.Status < 400 {
				t.Errorf("%s: %d", name, refused.Status)
			}
		}
		// Which user ID nobody has is said at the field, and what was typed is kept.
		unknown := grant("person", "alian@contoso.com", "helpdesk")
		if typed, _ := unknown.Field("name"); unknown.Alert() != string(problem.UserUnknown) || unknown.Status != http.StatusNotFound || typed != "alian@contoso.com" ||
			!strings.Contains(unknown.Text(), "Nobody has the user ID “alian@contoso.com”") {
			t.Errorf("an unknown user ID: %d %q %s", unknown.Status, unknown.Alert(), unknown.Text())
		}
		if role("owner@contoso.com") != org.Owner || role("citra@contoso.com") != "" {
			t.Errorf("a refusal changed something: %+v", p.Organization().Administrators)
		}
		revoke(org.Administrator{UserID: "auditor@contoso.com"}).Want(http.StatusOK, "console-administrators")
		if role("auditor@contoso.com") != "" {
			t.Error("the role was not taken away")
		}
		if page := atDesk(t, p, "auditor@contoso.com", true).Get("/console"); page.Status != http.StatusForbidden {
			t.Errorf("who lost the role: %d", page.Status)
		}
		// A proof of before opens nothing here any more.
		p.Clock.Advance(11 * time.Minute)
		if page := grant("person", "citra@contoso.com", "helpdesk"); !strings.HasPrefix(page.Path, "/signin/verify") || role("citra@contoso.com") != "" {
			t.Errorf("without a fresh proof: %s", page.Path)
		}
		granted, revoked := 0, 0
		for _, e := range p.Events() {
			if e.Kind != audit.AdministratorChanged {
				continue
			}
			switch e.Reason {
			case "role-granted":
				granted++
				if e.Actor.UserID != "owner@contoso.com" || e.Detail["role"] == "" || e.TargetUserID == "" && e.Detail["group"] != "contractors" {
					t.Errorf("recorded: %+v", e)
				}
			case "role-revoked":
				revoked++
				if e.TargetUserID != "auditor@contoso.com" || e.Detail["role_before"] != "auditor" {
					t.Errorf("recorded: %+v", e)
				}
			}
		}
		if granted != 2 || revoked != 1 {
			t.Errorf("%d granted and %d revoked are recorded", granted, revoked)
		}
		// The new owner is told of each, whoever did it of none.
		if got := strings.Join(mailsAbout(t, p, 3), " "); got != "alain@contoso.com alain@contoso.com alain@contoso.com" {
			t.Errorf("told: %s", got)
		}
	})
}

func TestGroupsAndOnesOwnRole(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		p.Apply(strings.Replace(consoleOrganization, "  - {user_id: auditor@contoso.com, role: auditor}\n", "  - {group: staff, role: owner}\n", 1))
		b := atDesk(t, p, "helpdesk@contoso.com", true) // an owner, through the group
		for _, role := range []string{"auditor", "policy_admin"} {
			if page := b.Post(administratorsPage, "act", "grant_role", "version", administratorsVersion(t, p), "to", "group", "name", "staff", "role", role); page.Status != http.StatusForbidden {
				t.Errorf("an owner through a group lowers it to %s: %d", role, page.Status)
			}
		}
		if page := b.Post(administratorsPage, "act", "revoke_role", "version", administratorsVersion(t, p), "id", org.Administrator{Group: "staff"}.ID()); page.Status != http.StatusForbidden {
			t.Errorf("an owner through a group removes it: %d", page.Status)
		}
		// The last owner who is named stays, whoever asks.
		page := b.Post(administratorsPage, "act", "revoke_role", "version", administratorsVersion(t, p), "id", org.Administrator{UserID: "owner@contoso.com"}.ID())
		if page.Alert() != string(problem.LastOwner) {
			t.Errorf("the last owner: %d %q", page.Status, page.Alert())
		}
		page = b.Post(administratorsPage, "act", "grant_role", "version", administratorsVersion(t, p), "to", "person", "name", "owner@contoso.com", "role", "auditor")
		if page.Alert() != string(problem.LastOwner) {
			t.Errorf("the last owner, lowered: %d %q", page.Status, page.Alert())
		}
	})
}

func TestAdministratorsOverTheAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		list := c.do(http.MethodGet, api+"/administrators", "")
		var got struct {
			Administrators []struct{ ID, Role string }
		}
		if err := json.Unmarshal([]byte(list.body), &got); err != nil || list.status != http.StatusOK || len(got.Administrators) != 5 {
			t.Fatalf("%d %s: %v", list.status, list.body, err)
		}
		tag := list.header.Get("ETag")
		for body, status := range map[string]int{
			`{"user_id":"citra@contoso.com","role":"owner"}`:                 http.StatusForbidden,
			`{"user_id":"owner@contoso.com","role":"auditor"}`:               http.StatusForbidden,
			`{"group":"staff","role":"owner"}`:                               http.StatusForbidden,
			`{"user_id":"owner@fabrikam.com","role":"auditor"}`:              http.StatusNotFound,
			`{"user_id":"citra@contoso.com","group":"x","role":"auditor"}`:   http.StatusBadRequest,
			`{"user_id":"citra@contoso.com","role":"everything"}`:            http.StatusBadRequest,
			`{"user_id":"citra@contoso.com","role":"auditor","more":"than"}`: http.StatusUnprocessableEntity,
		} {
			if got := c.do(http.MethodPut, api+"/administrators", body, "If-Match", tag); got.status != status {
				t.Errorf("%s: %d %s", body, got.status, got.body)
			}
		}
		if got := c.do(http.MethodPut, api+"/administrators", `{"user_id":"alian@contoso.com","role":"auditor"}`, "If-Match", tag); got.code() != string(problem.UserUnknown) || !strings.Contains(got.body, `"user_id"`) || strings.Contains(got.body, "alian") {
			t.Errorf("an unknown user ID: %d %s", got.status, got.body)
		}
		made := c.do(http.MethodPut, api+"/administrators", `{"user_id":"citra@contoso.com","role":"helpdesk"}`, "If-Match", tag)
		if made.status != http.StatusOK || made.header.Get("ETag") == tag {
			t.Fatalf("%d %s", made.status, made.body)
		}
		if got := c.do(http.MethodPut, api+"/administrators", `{"user_id":"eko@contoso.com","role":"helpdesk"}`, "If-Match", tag); got.status != http.StatusPreconditionFailed {
			t.Errorf("at an old version: %d %s", got.status, got.body)
		}
		tag = made.header.Get("ETag")
		if got := c.do(http.MethodDelete, api+"/administrators/"+org.Administrator{UserID: "owner@contoso.com"}.ID(), "", "If-Match", tag); got.status != http.StatusForbidden {
			t.Errorf("a key removes an owner: %d", got.status)
		}
		// An identifier of another organization is nobody's here.
		if got := c.do(http.MethodDelete, api+"/administrators/"+org.Administrator{UserID: "owner@fabrikam.com"}.ID(), "", "If-Match", tag); got.status != http.StatusNotFound {
			t.Errorf("another organization's: %d", got.status)
		}
		if got := c.do(http.MethodDelete, api+"/administrators/"+org.Administrator{UserID: "citra@contoso.com"}.ID(), "", "If-Match", tag); got.status != http.StatusOK || strings.Contains(got.body, "citra") {
			t.Errorf("taking it away: %d %s", got.status, got.body)
		}
		if _, ok := p.Organization().RoleOf("citra@contoso.com", nil); ok {
			t.Error("the role is still there")
		}
		if got := strings.Join(mailsAbout(t, p, 2), " "); got != "owner@contoso.com owner@contoso.com" {
			t.Errorf("told: %s", got)
		}
	})
}
