package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
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
