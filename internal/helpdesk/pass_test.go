package helpdesk_test

import (
	"fmt"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var operator = audit.Actor{Kind: audit.CLI}

func withRoles() *org.Organization {
	o := *contoso
	o.Policy = org.Defaults()
	for userID, role := range map[string]org.Role{
		"owner@contoso.com": org.Owner, "auth@contoso.com": org.AuthenticationAdmin, "indah@contoso.com": org.Helpdesk,
		"budi@contoso.com": org.Helpdesk, "eka@contoso.com": org.Owner, "policy@contoso.com": org.PolicyAdmin, "auditor@contoso.com": org.Auditor,
	} {
		o.Administrators = append(o.Administrators, org.Administrator{UserID: userID, Role: role})
	}
	return &o
}

func person(userID string) account.Account {
	return account.Account{ID: "acc-" + userID, OrgID: contoso.ID, Entry: directory.Entry{UserID: userID, Language: "en"}}
}

func TestWhoMayIssueAPassForWhom(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		o := withRoles()
		as := func(userID string) audit.Actor {
			return audit.Actor{Kind: audit.Admin, Account: "acc-" + userID, UserID: userID}
		}
		disabled := person("dewi@contoso.com")
		disabled.Entry.Disabled = true
		for _, c := range []struct {
			by   audit.Actor
			to   account.Account
			want problem.Code
		}{
			{operator, person("alain@contoso.com"), ""},
			{operator, person("owner@contoso.com"), ""},
			{operator, disabled, problem.Disabled},
			{as("indah@contoso.com"), person("alain@contoso.com"), ""},
			{as("indah@contoso.com"), person("indah@contoso.com"), problem.Forbidden},
			{as("indah@contoso.com"), person("auth@contoso.com"), problem.Forbidden},
			{as("indah@contoso.com"), person("budi@contoso.com"), problem.Forbidden},
			{as("owner@contoso.com"), person("eka@contoso.com"), ""},
			{as("indah@contoso.com"), person("owner@contoso.com"), problem.Forbidden},
			{as("auth@contoso.com"), person("indah@contoso.com"), ""},
			{as("auth@contoso.com"), person("policy@contoso.com"), problem.Forbidden},
			{as("owner@contoso.com"), person("auth@contoso.com"), ""},
			{as("owner@contoso.com"), person("owner@contoso.com"), problem.Forbidden},
			{as("policy@contoso.com"), person("alain@contoso.com"), problem.Forbidden},
			{as("auditor@contoso.com"), person("alain@contoso.com"), problem.Forbidden},
			{as("alain@contoso.com"), person("citra@contoso.com"), problem.Forbidden},
			{audit.Actor{Kind: audit.Person, Account: "acc-alain@contoso.com", UserID: "owner@contoso.com"}, person("citra@contoso.com"), problem.Forbidden},
			{audit.Actor{Kind: audit.Admin, Account: audit.ByKey + "1", UserID: "owner@contoso.com"}, person("citra@contoso.com"), problem.Forbidden},
			{audit.Actor{Kind: audit.CLI, Account: "acc-alain@contoso.com"}, person("alain@contoso.com"), problem.Forbidden},
		} {
			p, err := r.IssuePass(r.t.Context(), c.by, helpdesk.PassOrder{Org: o, Account: c.to})
			if (c.want == "") != (err == nil) || c.want != "" && !problem.Has(err, c.want) {
				r.t.Errorf("%s for %s: %v, want %q", c.by.UserID, c.to.Entry.UserID, err, c.want)
			}
			if err == nil && (p.Code == "" || fmt.Sprint(p) != "[hidden]" || fmt.Sprintf("%#v", p) != "[hidden]") {
				r.t.Errorf("the pass shows itself: %v", p)
			}
			err = r.db.Write(r.t.Context(), func(tx *store.Tx) error { return r.RevokePass(r.t.Context(), tx, c.by, "", o, c.to) })
			if (c.want == "") != (err == nil) || c.want != "" && !problem.Has(err, c.want) {
				r.t.Errorf("%s revokes for %s: %v, want %q", c.by.UserID, c.to.Entry.UserID, err, c.want)
			}
		}
		err := r.db.Write(r.t.Context(), func(tx *store.Tx) error {
			return r.RevokePass(r.t.Context(), tx, operator, "", o, person("alain@contoso.com"))
		})
		if !problem.Has(err, problem.NotFound) {
			r.t.Errorf("revoking what is not there: %v", err)
		}
	})
}

func TestThePolicyBoundsAPass(t *testing.T) {
	each(t, func(r *room, clock *storetest.Clock) {
		now := clock.Now()
		for _, c := range []struct {
			name   string
			order  helpdesk.PassOrder
			policy func(*org.PassPolicy)
			want   problem.Code
			starts time.Duration
			lasts  time.Duration
			once   bool
		}{
			{"as it is", helpdesk.PassOrder{}, nil, "", 0, time.Hour, true},
			{"shortest", helpdesk.PassOrder{Minutes: 10}, nil, "", 0, 10 * time.Minute, true},
			{"too short", helpdesk.PassOrder{Minutes: 9}, nil, problem.PassMinutes, 0, 0, true},
			{"longest", helpdesk.PassOrder{Minutes: 480}, nil, "", 0, 8 * time.Hour, true},
			{"too long", helpdesk.PassOrder{Minutes: 481}, nil, problem.PassMinutes, 0, 0, true},
			{"negative", helpdesk.PassOrder{Minutes: -1}, nil, problem.PassMinutes, 0, 0, true},
			{"more than once", helpdesk.PassOrder{Reusable: true}, nil, problem.PassOneTime, 0, 0, true},
			{"more than once, allowed", helpdesk.PassOrder{Reusable: true}, func(p *org.PassPolicy) { p.OneTime = false }, "", 0, time.Hour, false},
			{"later", helpdesk.PassOrder{Starts: now.Add(24 * time.Hour)}, nil, "", 24 * time.Hour, time.Hour, true},
			{"in the past", helpdesk.PassOrder{Starts: now.Add(-time.Hour)}, nil, "", 0, time.Hour, true},
			{"too far ahead", helpdesk.PassOrder{Starts: now.Add(31 * 24 * time.Hour)}, nil, problem.PassStart, 0, 0, true},
			{"of another length", helpdesk.PassOrder{}, func(p *org.PassPolicy) { p.Length = 20 }, "", 0, time.Hour, true},
		} {
			c.order.Org, c.order.Account = withRoles(), person("alain@contoso.com")
			if c.policy != nil {
				c.policy(&c.order.Org.Policy.TemporaryAccessPass)
			}
			p, err := r.IssuePass(r.t.Context(), operator, c.order)
			if c.want != "" {
				if !problem.Has(err, c.want) {
					r.t.Errorf("%s: %v, want %s", c.name, err, c.want)
				}
				continue
			}
			if err != nil || !p.Starts.Equal(now.Add(c.starts)) || p.Ends.Sub(p.Starts) != c.lasts || p.OneTime != c.once {
				r.t.Errorf("%s: from %v to %v, once %v, %v", c.name, p.Starts, p.Ends, p.OneTime, err)
			}
			if length, _ := method.NormalizePass(p.Code); len(length) != c.order.Org.Policy.TemporaryAccessPass.Length {
				r.t.Errorf("%s: %d characters", c.name, len(length))
			}
		}
	})
}

func TestThePersonIsToldOfAPass(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		o, to := withRoles(), person("alain@contoso.com")
		for _, address := range []string{"alain@example.org", "alain@example.net"} {
			err := r.db.Write(r.t.Context(), func(tx *store.Tx) error {
				_, err := r.methods.Add(r.t.Context(), tx, method.Method{OrgID: o.ID, AccountID: to.ID, Kind: method.Email, Value: address, Proved: true, ProvedBy: method.ByPerson})
				return err
			})
			if err != nil {
				r.t.Fatal(err)
			}
		}
		if _, err := r.IssuePass(r.t.Context(), operator, helpdesk.PassOrder{Org: o, Account: to}); err != nil {
			r.t.Fatal(err)
		}
		if n := r.queued(); n != 2 {
			r.t.Errorf("%d messages are queued, want one for each address", n)
		}
	})
}
