package ldap_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/jimlambrt/gldap"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// talkative answers every search with the same person, so often, and with so much.
func talkative(t *testing.T, times int, extra string) org.DirectoryConfig {
	return answersBy(t, func(to *gldap.ResponseWriter, r *gldap.Request) {
		_ = to.Write(r.NewBindResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}, func(to *gldap.ResponseWriter, r *gldap.Request) {
		for range times {
			if to.Write(r.NewSearchResponseEntry(windowsPerson, gldap.WithAttributes(map[string][]string{
				"objectGUID": {windowsGUID}, "userPrincipalName": {"alain@contoso.com"}, "userAccountControl": {"512"}, "description": {extra},
			}))) != nil {
				return
			}
		}
		_ = to.Write(r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	}, func(*gldap.ResponseWriter, *gldap.Request) {})
}

// A server that says without end what nobody asked for takes no more memory than
// an answer may have.
func TestAnAnswerWithoutEndIsCut(t *testing.T) {
	c := talkative(t, 1, strings.Repeat("x", 64<<10))
	for limit, want := range map[int64]error{32 << 10: directory.ErrUnavailable, 16 << 20: nil} {
		service := ldap.New(ldap.Deps{}) // in no hurry: what ends the answer is its length
		ldap.Answers(service, limit)
		t.Cleanup(service.Close)
		d, err := service.Open(&org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: c})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, want) {
			t.Errorf("at most %d bytes: %v", limit, err)
		}
	}
}

// A server that gives more than it was asked for is not one that does not answer.
func TestMoreThanOneIsNobodyWhateverTheServerGives(t *testing.T) {
	d := hurried(t, talkative(t, 3, ""))
	for range 3 {
		if _, err := d.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("of three: %v", err)
		}
	}
	// And one that gives a single entry of several.
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Database: "limits dn.exact=\"" + ldaptest.Service + "\" size.soft=1 size.hard=1"})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	s.AddPerson(t, "alain2@contoso.com", first, map[string][]string{"mail": {"alain2@contoso.com", "alain@contoso.com"}})
	d = hurried(t, s.Config())
	if e, err := d.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("of two, of which one was given: %q, %v", e.UserID, err)
	}
	if _, err := d.LookUp(t.Context(), "alain2@contoso.com"); err != nil {
		t.Errorf("the only one: %v", err)
	}
}

// What is logged about entries that are not taken names nobody.
func TestEntriesThatAreNotTakenAreLoggedWithoutAddresses(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	var keys []string
	for _, name := range []string{"alain", "alain2"} {
		dn := s.Move(t, s.AddPerson(t, name+"@contoso.com", first, map[string][]string{"mail": {"both@contoso.com"}}), "mail=both@contoso.com+uid="+name, ldaptest.People)
		keys = append(keys, keyOf(t, s, dn))
	}
	c := s.Config()
	c.UserFilter = "(mail={user_id})"
	var logged strings.Builder
	service := ldap.New(ldap.Deps{Log: slog.New(slog.NewTextHandler(&logged, nil))})
	t.Cleanup(service.Close)
	look := func(version int64, userID string) {
		d, err := service.Open(&org.Organization{ID: "contoso", Slug: "contoso", Version: version, Directory: c})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.LookUp(t.Context(), userID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%v", err)
		}
	}
	look(1, "both@contoso.com")
	c.UserFilter, c.Attributes.UserID = "(&(mail={user_id})(uid=alain))", "employeeNumber" // which nobody has
	look(2, "both@contoso.com")
	if got := logged.String(); strings.Contains(got, "@") || !strings.Contains(got, keys[0]) || !strings.Contains(got, keys[1]) || !strings.Contains(got, "ou=people") {
		t.Errorf("logged:\n%s", got)
	}
}
