package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
)

// Who keeps their people in a directory finds them in the console as they would
// there: by how a user ID or a name begins, and among those by what they registered.
func TestPeopleOfADirectoryAreFoundByName(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	people(t, s)
	for _, name := range []string{"dina", "dian"} {
		s.AddPerson(t, name+"@contoso.com", kuncitest.OldPassword, map[string][]string{"cn": {strings.ToUpper(name[:1]) + name[1:] + " Dupont"}, "sn": {"Dupont"}})
	}
	p := kuncitest.Start(t, slapdDesk(s, ""))
	desk := atDesk(t, p, "alain@contoso.com", true)
	if page := desk.Get("/console/people").Want(http.StatusOK, "console-people"); !strings.Contains(page.Text(), "Type how a user ID or a name begins") || strings.Contains(page.Text(), "Alain Dupont") {
		t.Errorf("before anything is typed:\n%s", page.Text())
	}
	shown := func(form ...string) string {
		t.Helper()
		page := desk.Post("/console/people", form...).Want(http.StatusOK, "console-people")
		var all []string
		for _, name := range []string{"alain", "dian", "dina", "eko", "hana"} {
			row := name + "@contoso.com"
			if name == "alain" {
				row = "Alain Dupont" // their user ID stands on every page: they are at the desk
			}
			if strings.Contains(page.Text(), row) {
				all = append(all, name)
			}
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ want, q, show, kind string }{
		{"dian dina", "Di", "", ""},
		{"alain", "alain d", "", ""},
		{"dian dina", "dupont", "", ""}, // the family name
		{"eko", "eko@contoso.com", "", ""},
		{"dian dina", "di", "not-registered", ""},
		{"", "di", "capable", ""},
		{"hana", "h", "", "email"},
		{"", "h", "", "mobile_phone"},
		{"", "zz", "", ""},
		{"", "*", "", ""},
	} {
		if got := shown("q", c.q, "show", c.show, "kind", c.kind); got != c.want {
			t.Errorf("%+v: shown are %q", c, got)
		}
	}
	// A search makes nobody an account of Kunci's.
	if text := desk.Get("/console").Text(); strings.Contains(text, "dina") {
		t.Error("the overview names somebody")
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u"} {
		s.AddPerson(t, "siti."+name+"@contoso.com", kuncitest.OldPassword, nil)
	}
	if page := desk.Post("/console/people", "q", "siti"); !strings.Contains(page.Text(), "There may be others") {
		t.Errorf("21 begin so:\n%s", page.Text())
	}
	if page := desk.Post("/console/people", "q", "siti.u"); !strings.Contains(page.Text(), "siti.u@contoso.com") || strings.Contains(page.Text(), "There may be others") {
		t.Errorf("one begins so:\n%s", page.Text())
	}
}
