package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
)

// Somebody who registered nothing resets with the mailbox that stands in their entry;
// what leaves the entry in the middle of a reset no longer counts.
func TestAnEntryOfOpenLDAPGivesAWayToReset(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	people(t, s)
	mine := contosoAt(s, "  attributes: {email: description}")
	mine.Accounts = "user_id\nalain@contoso.com\n"
	each(t, mine, func(t *testing.T, p *kuncitest.Product) {
		name := "budi" + string(p.App.DB.Kind()) + "@contoso.com" // both databases share the server
		budi := s.AddPerson(t, name, kuncitest.OldPassword, map[string][]string{"description": {"budi@example.net", "budi@contoso.com"}})
		b := p.Browser()
		toNewPassword(t, p, b, name)
		if mails := p.Mail.Mails(); len(mails) != 1 {
			t.Errorf("%d mails: the first look is no change", len(mails))
		}
		s.Modify(t, budi, map[string][]string{"description": nil})
		if page := newOne(b, newPassword); page.Name() == "reset-done" {
			t.Error("a mailbox that left the directory proved the reset")
		}
		var why []string
		for _, e := range p.Events() {
			if e.Kind == audit.MethodAdded || e.Kind == audit.MethodDeleted {
				why = append(why, string(e.Kind)+" "+e.Reason)
			}
		}
		if got := strings.Join(why, ", "); !strings.Contains(got, "method.added directory") || !strings.Contains(got, "method.deleted directory") {
			t.Errorf("events: %s", got)
		}
		s.Modify(t, budi, map[string][]string{"description": {"other@example.org"}})
		b = p.Browser()
		toCode(t, b, name)
		b.Post("/reset/verify", "code", codeTo(t, p, "other@example.org"), "action", "verify").Want(http.StatusOK, "reset-password")
		newOne(b, newPassword).Want(http.StatusOK, "reset-done")
	})
}

func TestWithoutAttributesAnEntryGivesNothing(t *testing.T) {
	atSlapd(t, ldaptest.SlapdOptions{}, "", func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
		s.AddPerson(t, "budi@contoso.com", kuncitest.OldPassword, map[string][]string{"description": {"budi@example.net"}})
		b := p.Browser()
		b.Get("/reset")
		deadEnd(t, b.Post("/reset", "user_id", "budi@contoso.com", "reason", "forgot"), "not-verified")
	})
}
