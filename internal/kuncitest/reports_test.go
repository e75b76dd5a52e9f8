package kuncitest_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
)

const reportPeople = `user_id,display_name,password,groups,email
auditor@contoso.com,Ani,teapot harbour violin,staff,ani@example.net
alain@contoso.com,Alain Dupont,teapot harbour violin,staff,alain@example.net
budi@contoso.com,Budi Santoso,teapot harbour violin,staff,budi@example.net
citra@contoso.com,Citra Lestari,teapot harbour violin,staff,
dewi@contoso.com,Dewi Anggraini,teapot harbour violin,staff,dewi@example.net
eko@contoso.com,Eko Prasetyo,teapot harbour violin,contractors,eko@example.net
gilang@contoso.com,Gilang Ramadhan,teapot harbour violin,staff,gilang@example.net
`

// codeFor is the newest code that was mailed to an address.
func codeFor(t *testing.T, p *kuncitest.Product, to string) string {
	t.Helper()
	for n := 1; ; n++ {
		mails := p.Mail.Wait(t, n)
		for i := len(mails) - 1; i >= 0; i-- {
			if mails[i].To == to {
				if code := digits8.FindString(mails[i].Parse(t).Text); code != "" {
					return code
				}
			}
		}
		n = max(n, len(mails))
	}
}

// walkEveryEnding has people end their ways back in in every way there is.
func walkEveryEnding(t *testing.T, p *kuncitest.Product) {
	t.Helper()
	// Budi begins, begins again, and leaves it.
	budi := p.Browser()
	toCode(t, budi, "budi@contoso.com")
	toCode(t, budi, "budi@contoso.com")
	// Citra registered nothing and asks for help; for Eko it is switched off.
	citra := p.Browser()
	citra.Get("/reset")
	citra.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
	citra.Post("/reset/contact", "message", "Tolong.").Want(http.StatusOK, "reset-contact-sent")
	eko := p.Browser()
	eko.Get("/reset")
	eko.Post("/reset", "user_id", "eko@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
	// Dewi guesses.
	dewi := p.Browser()
	toCode(t, dewi, "dewi@contoso.com")
	right := codeFor(t, p, "dewi@example.net")
	for range 6 { // five are judged
		wrong := "00000000"
		if right == wrong {
			wrong = "00000001"
		}
		dewi.Post("/reset/verify", "code", wrong, "action", "verify")
	}
	// Gilang locked himself out, and keeps the password.
	for i := range 10 {
		signIn(t, p.Browser(), "gilang@contoso.com", "salah sekali "+strconv.Itoa(i))
	}
	gilang := p.Browser()
	gilang.Get("/reset")
	choose := gilang.Post("/reset", "user_id", "gilang@contoso.com", "reason", "locked").Want(http.StatusOK, "reset-choose")
	gilang.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send")
	gilang.Post("/reset/verify", "code", codeFor(t, p, "gilang@example.net"), "action", "verify").Want(http.StatusOK, "unlock-done")
	// Alain takes his time, and two tries for a password.
	alain := p.Browser()
	toCode(t, alain, "alain@contoso.com")
	alain.Post("/reset/verify", "code", codeFor(t, p, "alain@example.net"), "action", "verify").Want(http.StatusOK, "reset-password")
	p.Clock.Advance(70 * time.Second)
	alain.Post("/reset/password", "new_password", "pendek", "confirm_password", "pendek").Want(http.StatusUnprocessableEntity, "reset-password")
	alain.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")

	p.Clock.Advance(16 * time.Minute)
	if err := p.App.Reset.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	reckon(t, p)
}

// reckon has what happened counted.
func reckon(t *testing.T, p *kuncitest.Product) {
	t.Helper()
	if err := p.App.Audit.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.App.Report.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.App.Report.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// reportRow is a row of a report in CSV, by its first cells.
func reportRow(t *testing.T, b *kuncitest.Browser, table, span string, first ...string) string {
	t.Helper()
	page := b.Get("/console/reports.csv?table=" + table + span)
	if page.Status != http.StatusOK {
		t.Fatalf("%s: %d", table, page.Status)
	}
	rows, err := csv.NewReader(strings.NewReader(page.Body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if strings.Join(row[:len(first)], " ") == strings.Join(first, " ") {
			return strings.Join(row[len(first):], " ")
		}
	}
	return "no row"
}

// Every ending that people walk stands in every report under its name: on the page,
// in CSV, in JSON and in the API, by day, by method and by reason; and it stays there
// when those whose it was are forgotten.
func TestEveryWayBackInStandsInTheReports(t *testing.T) {
	organization, _, _ := strings.Cut(consoleOrganization, "---")
	each(t, kuncitest.Options{Organization: organization, Accounts: reportPeople}, func(t *testing.T, p *kuncitest.Product) {
		walkEveryEnding(t, p)
		today := p.Clock.Now().UTC().Format(time.DateOnly)
		span := "&from=" + today + "&to=" + today
		right := func(b *kuncitest.Browser) {
			t.Helper()
			for _, c := range []struct {
				table string
				first []string
				want  string
			}{
				// reset unlocked changed abandoned blocked cancelled contacted failed requests signed_in signin_failed calls_saved
				// signin_locked methods_added methods_deleted registered skipped reconfirmed
				{"days", []string{today}, "1 1 0 1 1 1 1 2 1 0 10 2 1 0 0 0 0 0"},
				// reset unlocked abandoned blocked cancelled contacted failed
				{"endings", []string{"email"}, "1 1 1 1 1 0 0"},
				{"endings", []string{"none"}, "0 0 0 0 0 1 2"},
				// people proved wrong_answers
				{"methods", []string{"email"}, "6 2 5"},
				{"methods", []string{"passkey"}, "0 0 0"},
				{"reasons", []string{"dead_end", "not-verified"}, "1"},
				{"reasons", []string{"dead_end", "not-enabled"}, "1"},
				{"reasons", []string{"dead_end", "blocked"}, "1"},
				{"reasons", []string{"password_refused", "too_short"}, "1"},
				{"reasons", []string{"left_at", "verifying"}, "1"},
				{"times", []string{"1m"}, "1"},
				{"times", []string{"2m"}, "1"},
				{"times", []string{"5m"}, "0"},
				{"times", []string{"p50_seconds"}, "5"},
				{"times", []string{"p90_seconds"}, "70"},
			} {
				if got := reportRow(t, b, c.table, span, c.first...); got != c.want {
					t.Errorf("%s of %s: %s, want %s", strings.Join(c.first, " "), c.table, got, c.want)
				}
			}
		}
		b := atDesk(t, p, "auditor@contoso.com", true)
		right(b)
		// Counted in the background, too: from here on the one at the desk has two proofs.
		if err := p.App.Report.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		// people enabled registered capable: not Citra, and Eko not enabled.
		if got := reportRow(t, b, "registration", span, today); !strings.HasPrefix(got, "7 6 6 5 ") {
			t.Errorf("registration: %s", got)
		}
		onReportsPage(t, b, span)
		sameInJSON(t, p, b, today)

		// Whoever is forgotten leaves the figures as they were.
		p.Clock.Advance(800 * 24 * time.Hour)
		if err := p.App.Privacy.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Events() {
			if e.TargetUserID == "alain@contoso.com" {
				t.Fatal("nobody was forgotten")
			}
		}
		reckon(t, p)
		audittest.CheckLog(t, p.App.Audit)
		b = atDesk(t, p, "auditor@contoso.com", true)
		right(b)
		if got := reportRow(t, b, "days", "", today); got != "no row" {
			t.Errorf("the last thirty days hold a day of two years ago: %s", got)
		}
	})
}

var (
	charts   = regexp.MustCompile(`(?s)<svg class="chart".*?</svg>(.*?)(?:<h2>|$)`)
	shareRow = regexp.MustCompile(`(?s)<tr><th scope="row">([^<]*)</th><td class="number">(\d+)</td><td class="meter"(.*?)</tr>`)
)

// onReportsPage looks at what people see: each ending in words with its bar, and a table
// under each chart.
func onReportsPage(t *testing.T, b *kuncitest.Browser, span string) {
	t.Helper()
	page := b.Get("/console/reports?"+span[1:]).Want(http.StatusOK, "console-reports")
	shown := make(map[string]string)
	for _, m := range shareRow.FindAllStringSubmatch(page.Body, -1) {
		if shown[m[1]] = m[2]; (m[2] == "0") != strings.Contains(m[3], `width="0"`) {
			t.Errorf("the bar of %s, %s: %s", m[1], m[2], m[3])
		}
	}
	for name, want := range map[string]string{
		"Succeeded: password reset": "1", "Succeeded: account unlocked": "1", "Abandoned": "1", "Blocked by a limit": "1",
		"Cancelled by beginning again": "1", "Failed at a dead end": "2", "Wrote to an administrator": "1",
		"up to a minute": "1", "up to two minutes": "1", "up to fifteen minutes": "0",
	} {
		if shown[name] != want {
			t.Errorf("%q shows %q, want %s (%v)", name, shown[name], want, shown)
		}
	}
	if !strings.Contains(page.Text(), "2 calls to the helpdesk were not needed") {
		t.Error(page.Text())
	}
	drawn := charts.FindAllStringSubmatch(page.Body, -1)
	for _, c := range drawn {
		if !strings.Contains(c[1], "<table>") {
			t.Errorf("a chart without a table under it: %s", c[0])
		}
	}
	if len(drawn) != 3 { // resets, registration, sign-ins: nobody registered a method
		t.Errorf("%d charts", len(drawn))
	}
	// Days that are none are said at their field, with what was typed.
	for query, field := range map[string]string{"from=2026-13-40": "from", "to=soon": "to", "from=2026-11-02&to=2026-11-01": "from", "from=1990-01-01": "from"} {
		page := b.Get("/console/reports?"+query).Want(http.StatusUnprocessableEntity, "console-reports")
		asked, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if typed, _ := page.Field(field); page.Alert() != "days-wrong" || typed != asked.Get(field) {
			t.Errorf("%s: %q, typed %q", query, page.Alert(), typed)
		}
		if page := b.Get("/console/reports.csv?" + query); page.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s in CSV: %d", query, page.Status)
		}
	}
	if page := b.Get("/console/reports.csv?table=people"); page.Status != http.StatusBadRequest {
		t.Errorf("a table that there is not: %d", page.Status)
	}
}

// sameInJSON holds the document of the console and the API against the same figures.
func sameInJSON(t *testing.T, p *kuncitest.Product, b *kuncitest.Browser, today string) {
	t.Helper()
	var all struct {
		Days      []map[string]any
		Endings   []map[string]any
		Reasons   []map[string]any
		From, To  string
		Times     []map[string]any
		Methods   []map[string]any
		Registers []map[string]any `json:"registration"`
	}
	page := b.Get("/console/reports.json?from=" + today + "&to=" + today)
	if err := json.Unmarshal([]byte(page.Body), &all); err != nil {
		t.Fatalf("%v in %s", err, page.Body)
	}
	if len(all.Days) != 1 || all.Days[0]["day"] != today || all.Days[0]["failed"] != 2.0 || all.Days[0]["calls_saved"] != 2.0 || all.From != today ||
		len(all.Endings) != 2 || len(all.Reasons) != 5 || len(all.Times) != 8 || len(all.Methods) == 0 || len(all.Registers) != 1 {
		t.Errorf("JSON: %s", page.Body)
	}
	c := newProgram(t, p, "contoso", org.Auditor)
	got := c.do(http.MethodGet, api+"/reports/activity?from="+today+"&to="+today, "")
	var activity struct {
		Days             []map[string]any
		Begun            int
		Refusals         map[string]int
		PasswordsRefused map[string]int `json:"passwords_refused"`
		LeftAt           map[string]int `json:"left_at"`
		Finished         map[string]int `json:"finished_in"`
		Within           map[string]int `json:"finished_within_seconds"`
	}
	if err := json.Unmarshal([]byte(got.body), &activity); err != nil {
		t.Fatalf("%v in %s", err, got.body)
	}
	d := activity.Days[0]
	for name, want := range map[string]float64{
		"reset": 1, "unlocked": 1, "abandoned": 1, "blocked": 1, "cancelled": 1, "contacted": 1, "failed": 2, "calls_saved": 2, "signin_failed": 10,
	} {
		if d[name] != want {
			t.Errorf("the API says %v %s, want %v", d[name], name, want)
		}
	}
	if activity.PasswordsRefused["too_short"] != 1 || activity.LeftAt["verifying"] != 1 || activity.Refusals["not-enabled"] != 1 ||
		activity.Finished["2m"] != 1 || activity.Within["p90"] != 70 {
		t.Errorf("the API: %s", got.body)
	}
	if got := c.do(http.MethodGet, api+"/reports/activity?from=2026-11-02&to=2026-11-01", ""); got.status != http.StatusUnprocessableEntity || got.code() != "days-wrong" {
		t.Errorf("days that are none: %d %s", got.status, got.body)
	}
}
