package kuncitest_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/org"
)

// mapped is a directory that names attributes for contacts. add makes somebody, and
// change replaces values of an entry; the keys are email, mobile_phone, office_phone.
type mapped struct {
	c              org.DirectoryConfig
	add            func(t *testing.T, userID string, values map[string]string) (dn string)
	change         func(t *testing.T, dn string, values map[string]string)
	first, another string // passwords
}

var mappings = map[string]func(t *testing.T) mapped{
	"openldap": func(t *testing.T) mapped {
		s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
		c := s.Config()
		c.Attributes.Email, c.Attributes.MobilePhone, c.Attributes.OfficePhone = "description", "mobile", "telephoneNumber"
		by := func(values map[string]string) map[string][]string {
			all := map[string][]string{}
			for key, value := range values {
				all[c.Attributes.Named()[key]] = nil
				if value != "" {
					all[c.Attributes.Named()[key]] = []string{value}
				}
			}
			return all
		}
		return mapped{
			c: c, first: kuncitest.OldPassword, another: newPassword,
			add: func(t *testing.T, userID string, values map[string]string) string {
				return s.AddPerson(t, userID, kuncitest.OldPassword, by(values))
			},
			change: func(t *testing.T, dn string, values map[string]string) { s.Modify(t, dn, by(values)) },
		}
	},
	"active_directory": func(t *testing.T) mapped {
		s := ldaptest.StartSamba(t)
		unit := s.Unit(t)
		c := inUnit(s, unit)
		c.UserFilter, c.Attributes = "", org.DirectoryAttributes{Email: "mail", MobilePhone: "mobile", OfficePhone: "telephoneNumber"}
		change := func(t *testing.T, dn string, values map[string]string) {
			for key, value := range values {
				if value == "" {
					s.Set(t, dn, c.Attributes.Named()[key])
				} else {
					s.Set(t, dn, c.Attributes.Named()[key], value)
				}
			}
		}
		return mapped{
			c: c, first: domainPassword, another: domainAnother, change: change,
			add: func(t *testing.T, userID string, values map[string]string) string {
				dn := s.User(t, unit, ldaptest.SambaUser{Name: userID, Password: domainPassword, More: map[string]string{"userPrincipalName": userID}})
				change(t, dn, values)
				return dn
			},
		}
	},
}

// options are a Contoso with phones whose people have nothing but what the directory says.
func (m mapped) options() kuncitest.Options {
	o := contosoIn(m.c)
	o.Accounts = "user_id\n"
	o.Organization = strings.Replace(o.Organization, "\npolicy:\n", "\npolicy:\n  phone: {countries: [ID]}\n", 1)
	o.Phones = &notifytest.GatewayOptions{}
	return o
}

// toldOf waits for a mail without a code to an address.
func toldOf(t *testing.T, p *kuncitest.Product, address, words string) {
	t.Helper()
	for n := 1; ; n++ {
		if m := p.Mail.Wait(t, n)[n-1]; m.To == address && strings.Contains(m.Parse(t).Text, words) {
			return
		}
	}
}

// Somebody who registered nothing resets with the mailbox and with the phone that stand
// in their entry; what leaves the entry in the middle of a reset no longer counts, and
// who was reached before is told of what came.
func TestAnEntryGivesAWayToReset(t *testing.T) {
	for name, start := range mappings {
		t.Run(name, func(t *testing.T) {
			m := start(t)
			each(t, m.options(), func(t *testing.T, p *kuncitest.Product) {
				user := "way" + string(p.App.DB.Kind()) + "@contoso.com" // both databases share the server
				dn := m.add(t, user, map[string]string{"email": "budi@example.net", "mobile_phone": "0812 3456 7842", "office_phone": "123"})
				b := p.Browser()
				toNewPassword(t, p, b, user)
				if mails := p.Mail.Mails(); len(mails) != 1 {
					t.Errorf("%d mails: the first look is no change", len(mails))
				}
				m.change(t, dn, map[string]string{"email": "", "mobile_phone": ""})
				if page := newOne(b, m.another); page.Name() == "reset-done" {
					t.Error("a mailbox that left the directory proved the reset")
				}
				got := map[string]int{}
				for _, e := range p.Events() {
					if e.Kind == audit.MethodAdded || e.Kind == audit.MethodDeleted {
						got[string(e.Kind)+" "+e.Reason+" "+e.MethodKind+" "+e.Detail["passed_over"]]++
					}
				}
				if want := map[string]int{
					"method.added directory email 1": 1, "method.added directory mobile_phone 1": 1, "method.deleted directory email ": 1, "method.deleted directory mobile_phone ": 1,
				}; !maps.Equal(got, want) {
					t.Errorf("events: %v", got)
				}

				m.change(t, dn, map[string]string{"email": "other@example.org"})
				b = p.Browser()
				toCode(t, b, user)
				b.Post("/reset/verify", "code", codeTo(t, p, "other@example.org"), "action", "verify").Want(http.StatusOK, "reset-password")
				m.change(t, dn, map[string]string{"mobile_phone": "0812 3456 7843"})
				newOne(b, m.another).Want(http.StatusOK, "reset-done")
				toldOf(t, p, "other@example.org", "••43")

				b = p.Browser()
				toNumber(t, b, user)
				b.Post("/reset/verify", "destination", "0812-3456-7843", "action", "send").Want(http.StatusOK, "reset-verify")
				sent := p.Texts(t, 1)[0]
				if sent.To != "+6281234567843" {
					t.Errorf("the text went to %s", sent.To)
				}
				b.Post("/reset/verify", "code", sent.Code, "action", "verify").Want(http.StatusOK, "reset-password")
				newOne(b, m.another+".2").Want(http.StatusOK, "reset-done")
				if got := password(t, p, user, m.another+".2"); got != directory.OK {
					t.Errorf("the new password: %s", got)
				}
				noSecret(t, p, m.first, m.another, sent.Code)
			})
		})
	}
}

// Behind a hidden status nobody sees whether an entry gives a way, and a code goes to
// the address of the entry alone.
func TestAHiddenStatusShowsNoEntry(t *testing.T) {
	for name, start := range mappings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := start(t)
			o := m.options()
			_, policy, _ := strings.Cut(discreet, "\npolicy:")
			before, _, _ := strings.Cut(o.Organization, "\npolicy:")
			o.Organization = before + "\npolicy:" + policy
			p := kuncitest.Start(t, o)
			m.add(t, "seen@contoso.com", map[string]string{"email": "seen@example.net"})
			m.add(t, "mine@contoso.com", map[string]string{"email": "mine@example.net"})
			nobody, _ := walkHidden(t, p, "nobody@contoso.com")
			somebody, _ := walkHidden(t, p, "seen@contoso.com")
			for n := range nobody {
				if nobody[n] != somebody[n] {
					t.Fatalf("answer %d:\n%s\n-- nobody:\n%s", n, somebody[n], nobody[n])
				}
			}
			for _, mail := range p.Mail.Mails() { // the helpdesk got what was written to it
				if mail.To != "helpdesk@contoso.example" {
					t.Errorf("a mail to %s:\n%s", mail.To, mail.Parse(t).Text)
				}
			}
			b := p.Browser()
			b.Get("/reset").Want(http.StatusOK, "reset-identify")
			b.Post("/reset", "user_id", "mine@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
			b.Post("/reset/verify", "method", "kind:email", "action", "send").Want(http.StatusOK, "reset-verify")
			b.Post("/reset/verify", "method", "kind:email", "destination", "mine@example.net", "action", "send").Want(http.StatusOK, "reset-verify")
			b.Post("/reset/verify", "method", "kind:email", "code", codeTo(t, p, "mine@example.net"), "action", "verify").Want(http.StatusOK, "reset-password")
			newOne(b, m.another).Want(http.StatusOK, "reset-done")
			if got := password(t, p, "mine@contoso.com", m.another); got != directory.OK {
				t.Errorf("the new password: %s", got)
			}
		})
	}
}

func TestWithoutAttributesAnEntryGivesNothing(t *testing.T) {
	atSlapd(t, ldaptest.SlapdOptions{}, "", func(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd) {
		s.AddPerson(t, "budi@contoso.com", kuncitest.OldPassword, map[string][]string{"description": {"budi@example.net"}})
		b := p.Browser()
		b.Get("/reset")
		deadEnd(t, b.Post("/reset", "user_id", "budi@contoso.com", "reason", "forgot"), "not-verified")
	})
}
