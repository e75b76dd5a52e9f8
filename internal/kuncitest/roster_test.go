package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
)

// With a list, the figures of an organization on slapd are those of everybody who
// is there, whether Kunci has met them or not; a directory that cannot be listed is
// told where administrators look.
func TestAnOrganizationOnSlapdCountsEverybody(t *testing.T) {
	atSlapd(t, ldaptest.SlapdOptions{}, "  sync: {every: 1h}\n", func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
		s.AddPerson(t, "nobody-met@contoso.com", kuncitest.OldPassword, nil)
		if err := p.App.Roster.Pass(t.Context(), p.Organization()); err != nil {
			t.Fatal(err)
		}
		figures, err := p.App.Report.Registration(t.Context(), p.Organization())
		if err != nil {
			t.Fatal(err)
		}
		// Alain, Hana and the one nobody met may reset; Eko is in an excluded group
		// through another one.
		if figures.Partial || figures.People != 4 || figures.Enabled != 3 || figures.Capable != 2 {
			t.Errorf("%+v", figures)
		}
		s.AddPerson(t, "adele@contoso.com", kuncitest.OldPassword, nil)
		owner := atDesk(t, p, "adele@contoso.com", true)
		s.Kill()
		if err := p.App.Roster.Pass(t.Context(), p.Organization()); err == nil {
			t.Error("a stopped slapd was listed")
		}
		again, err := p.App.Report.Registration(t.Context(), p.Organization())
		if err != nil || again.People != 4 {
			t.Errorf("%+v, %v", again, err)
		}
		s.Run(t)
		// The server is left alone for a while after it was away.
		page := eventually(t, func() (*kuncitest.Page, bool) {
			page := owner.Get("/console")
			return page, page.Status == http.StatusOK
		})
		if !strings.Contains(page.Text(), "could not be listed") {
			t.Errorf("a failed pass is not told: %s", page.Text())
		}
		if err := p.App.Roster.Pass(t.Context(), p.Organization()); err != nil {
			t.Fatal(err)
		}
		if page := owner.Get("/console/directory").Want(http.StatusOK, "console-directory"); !strings.Contains(page.Text(), "5 people, read on") {
			t.Errorf("the list is not told: %s", page.Text())
		}
		if page := owner.Get("/console"); strings.Contains(page.Text(), "could not be listed") || strings.Contains(page.Text(), "only people whom Kunci has met") {
			t.Errorf("a pass that went well: %s", page.Text())
		}
	})
}

// An owner has the list read from the page; somebody who may only look has no such
// button, and a post of theirs is refused. Who left and is erased leaves the list.
func TestTheListIsReadWhenAnOwnerAsks(t *testing.T) {
	atSlapd(t, ldaptest.SlapdOptions{}, "  sync: {every: 168h}\n", func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
		s.AddPerson(t, "adele@contoso.com", kuncitest.OldPassword, nil)
		owner := atDesk(t, p, "adele@contoso.com", true)
		people := func(n string) func() (*kuncitest.Page, bool) {
			return func() (*kuncitest.Page, bool) {
				if err := p.App.Roster.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				page := owner.Get("/console/directory").Want(http.StatusOK, "console-directory")
				return page, strings.Contains(page.Text(), n+" people, read on")
			}
		}
		eventually(t, people("4"))
		gone, err := p.App.Accounts.Find(t.Context(), p.Organization(), "hana@contoso.com")
		if err != nil {
			t.Fatal(err)
		}
		s.AddPerson(t, "later@contoso.com", kuncitest.OldPassword, nil)
		owner.Post("/console/directory", "action", "sync")
		eventually(t, people("5"))
		s.Remove(t, s.Named(t, gone.Entry.Key))
		if err := p.App.EraseLeft(t.Context(), "contoso", gone.ID, gone.ID); err != nil {
			t.Fatal(err)
		}
		eventually(t, people("4"))
		if got := newProgram(t, p, "contoso", org.Owner).do(http.MethodPost, api+"/directory/sync", ""); got.status != http.StatusOK || !strings.Contains(got.body, `"listed":true`) {
			t.Errorf("a program: %d %s", got.status, got.body)
		}
	})
}
