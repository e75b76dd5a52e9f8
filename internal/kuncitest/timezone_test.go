package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/kuncitest"
)

// Everybody reads when something was by the organization's clock, in messages and
// on pages, and the days of the log begin when theirs do.
func TestTimesAreThoseOfTheOrganizationsClock(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		// A zone where it is another day than in UTC.
		zone := "Pacific/Kiritimati" // UTC+14
		if p.Clock.Now().UTC().Hour() < 10 {
			zone = "Pacific/Pago_Pago" // UTC−11
		}
		there, ok := i18n.Zone(zone)
		if !ok {
			t.Fatal("there is no " + zone)
		}
		desk := atDesk(t, p, "owner@contoso.com", true)
		send := func(zone string) *kuncitest.Page {
			version := settingsVersion(t, desk.Get(brandingPath))
			return desk.Upload(brandingPath, "", "", "", "version", version, "name", "Contoso", "email", "helpdesk@contoso.com", "language", "en",
				"time_zone", zone, "action", "save_branding")
		}
		wrong := send("Kiritimati").Want(http.StatusUnprocessableEntity, "console-branding")
		if kept, _ := wrong.Field("time_zone"); kept != "Kiritimati" || !strings.Contains(wrong.Text(), "region and city") {
			t.Errorf("a zone that is none: kept %q\n%s", kept, wrong.Text())
		}
		send(zone).Want(http.StatusOK, "console-branding")
		if e, ok := settingsEvent(p, audit.OrganizationChanged, "time_zone"); !ok || !strings.HasSuffix(e.Detail["time_zone"], zone) {
			t.Errorf("the event: %+v", e)
		}

		person := p.Browser()
		toCode(t, person, "alain@contoso.com")
		when, his := i18n.For("en").In(zone).DateTime(p.Clock.Now()), i18n.For("id").In(zone).DateTime(p.Clock.Now())
		if text := p.Mail.Wait(t, 1)[0].Parse(t).Text; !strings.Contains(text, his) {
			t.Errorf("the code's message does not say %s:\n%s", his, text)
		}
		person.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")

		day := func(after int) string { return p.Clock.Now().In(there).AddDate(0, 0, after).Format(time.DateOnly) }
		log := func(from, to string) *kuncitest.Page {
			query := url.Values{"kind": {"reset.gate_passed"}, "from": {from}, "to": {to}}
			return desk.Get("/console/audit?"+query.Encode()).Want(http.StatusOK, "console-audit")
		}
		if text := log(day(0), day(0)).Text(); !strings.Contains(text, "alain@contoso.com") || !strings.Contains(text, when) {
			t.Errorf("today there does not hold it, or not by its clock:\n%s", text)
		}
		for _, other := range []int{-1, 1} {
			if text := log(day(other), day(other)).Text(); strings.Contains(text, "alain@contoso.com") {
				t.Errorf("it happened on %s there, too", day(other))
			}
		}
		// The file says it, and says it again.
		file, before := settingsFile(t, p), p.Organization().Version
		if p.Apply(file); !strings.Contains(file, "time_zone: "+zone) || p.Organization().Version != before {
			t.Errorf("the file:\n%s", file)
		}
	})
}
