package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
)

// What people do with their methods stands in the reports: on the page, in CSV and
// in the API, by kind and by day.
func TestWhatPeopleRegisterStandsInTheReports(t *testing.T) {
	organization, _, _ := strings.Cut(consoleOrganization, "---")
	each(t, kuncitest.Options{Organization: organization, Accounts: reportPeople}, func(t *testing.T, p *kuncitest.Product) {
		citra := p.Browser()
		wantAt(t, signIn(t, citra, "citra@contoso.com", kuncitest.OldPassword), "/interrupt")
		wantAt(t, citra.Post("/interrupt", "action", "skip"), "/security-info")
		citra.Post("/security-info/add", "kind", "recovery_code").Want(http.StatusOK, "security-info-add")
		id := find(t, p, "citra@contoso.com").Methods[0].ID
		wantAt(t, citra.Post("/security-info/"+id+"/delete"), "/security-info")
		wantAt(t, citra.Post("/security-info/"+id+"/undo"), "/security-info")
		reckon(t, p)

		today := p.Clock.Now().UTC().Format(time.DateOnly)
		span := "&from=" + today + "&to=" + today
		b := atDesk(t, p, "auditor@contoso.com", true)
		// added entered confirmed replaced deleted restored
		if got := reportRow(t, b, "registering", span, "recovery_code"); got != "1 0 0 0 1 1" {
			t.Errorf("recovery codes: %s", got)
		}
		if got := reportRow(t, b, "registering", span, "email"); got == "0 0 0 0 0 0" || !strings.HasPrefix(got, "0 ") {
			t.Errorf("what the file entered is added by people, or by nobody: %s", got)
		}
		if got := reportRow(t, b, "days", span, today); !strings.HasSuffix(got, " 0 1 1 1 1 0") {
			t.Errorf("the day: %s", got)
		}
		page := b.Get("/console/reports?"+span[1:]).Want(http.StatusOK, "console-reports")
		for _, want := range []string{"Methods that people registered, by day", "Became able to reset: 1. Put registering off: 1.", "Sign-ins by day", "last 3 years", "last year"} {
			if !strings.Contains(page.Text(), want) {
				t.Errorf("the page does not say %q", want)
			}
		}
		if !strings.Contains(page.Body, "data-registering") {
			t.Error("there is no table by method")
		}
		got := newProgram(t, p, "contoso", "auditor").do(http.MethodGet, api+"/reports/activity?from="+today+"&to="+today, "")
		for _, want := range []string{`"method":"recovery_code","added":1,"entered":0,"confirmed":0,"replaced":0,"deleted":1,"restored":1`, `"methods_added":1`, `"skipped":1`} {
			if !strings.Contains(strings.ReplaceAll(got.body, " ", ""), want) {
				t.Errorf("the API does not say %s:\n%s", want, got.body)
			}
		}
	})
}
