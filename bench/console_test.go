package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

// consoleDays is how long ago the first of the filled events is.
const consoleDays = 1000

// BenchmarkConsole reads the pages of the console and the lists of the API in an
// organization with a million accounts (or KUNCI_BENCH_ACCOUNTS), a method and a
// session for each, three events, a message and a tenth of a request, and tells the
// median and the 99th of a hundred. The goal is 300 ms.
//
//	go test -run '^$' -bench Console/sqlite -benchtime 30x -timeout 60m ./bench/
func BenchmarkConsole(b *testing.B) {
	people := manyAccounts
	if text := os.Getenv("KUNCI_BENCH_ACCOUNTS"); text != "" {
		var err error
		if people, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		b.Run(string(kind), func(b *testing.B) {
			p := kuncitest.Start(b, kuncitest.Options{Kind: kind, Terse: true})
			began := time.Now()
			fillConsole(b, p, people)
			b.Logf("%s: %d accounts filled in %s", kind, people, time.Since(began).Round(time.Second))
			desk := newConsoleDesk(b, p)
			for _, v := range desk.views(people) {
				b.Run(v.name, func(b *testing.B) { desk.time(b, v) })
			}
		})
	}
}

// view is one page or list, and what is asked of it.
type view struct {
	name, method, path, body string
}

type consoleDesk struct {
	p      *kuncitest.Product
	client *http.Client
	cookie string
	key    string
	person string // the directory's key of one
}

// views are in the order of the console.
func (d *consoleDesk) views(people int) []view {
	now := d.p.App.DB.Now()
	old := fmt.Sprintf("from=%s&to=%s", now.AddDate(0, 0, 100-consoleDays).Format(time.DateOnly), now.AddDate(0, 0, 107-consoleDays).Format(time.DateOnly))
	const list = "/api/v1/orgs/contoso"
	last := fmt.Sprintf("p%d", people-1)
	v := []view{
		{"overview", "GET", "/console", ""},
		{"people", "GET", "/console/people", ""},
		{"people-beginning", "POST", "/console/people", "q=p9999&show=&kind="},
		{"people-last-page", "POST", "/console/people", "q=&show=&kind=&after=" + lastPeople + "@contoso.com"},
		{"person", "GET", "/console/people/" + d.person, ""},
		{"reports", "GET", "/console/reports", ""},
		{"reports-3-years", "GET", "/console/reports?from=" + now.AddDate(-3, 0, 0).Format(time.DateOnly), ""},
		{"audit", "GET", "/console/audit", ""},
		{"audit-old", "GET", "/console/audit?" + old, ""},
		{"audit-old-rare", "GET", "/console/audit?kind=policy.changed&" + old, ""},
		{"audit-kind", "GET", "/console/audit?kind=policy.changed", ""},
		{"audit-denied", "GET", "/console/audit?outcome=denied", ""},
		{"audit-denied-old", "GET", "/console/audit?outcome=denied&" + old, ""},
		{"audit-person", "POST", "/console/audit", "user_id=" + last + "@contoso.com&as=target"},
		{"requests", "GET", "/console/requests", ""},
		{"requests-nobody", "GET", "/console/requests?who=nobody&problem=not-enabled", ""},
		{"messages", "GET", "/console/messages", ""},
		{"webhooks", "GET", "/console/settings/webhooks", ""},
		{"api-people", "GET", list + "/people", ""},
		{"api-events", "GET", list + "/audit/events", ""},
		{"api-events-old", "GET", list + "/audit/events?from=" + now.AddDate(0, 0, 100-consoleDays).Format("2006-01-02T15:04:05Z") + "&to=" + now.AddDate(0, 0, 107-consoleDays).Format("2006-01-02T15:04:05Z"), ""},
		{"api-requests", "GET", list + "/requests", ""},
		{"api-undelivered", "GET", list + "/messages/undelivered", ""},
		{"api-webhooks", "GET", list + "/webhooks", ""},
		{"api-registration", "GET", list + "/reports/registration", ""},
		{"api-activity", "GET", list + "/reports/activity", ""},
	}
	for _, show := range []string{"capable", "not-registered", "not-enabled"} {
		v = append(v, view{"people-" + show, "GET", "/console/people?show=" + show, ""}, view{"api-people-" + show, "GET", list + "/people?show=" + show, ""})
	}
	for _, kind := range []string{"email", "passkey", "hardware_token"} {
		v = append(v, view{"people-" + kind, "GET", "/console/people?kind=" + kind, ""})
	}
	return v
}

// lastPeople is behind nearly everybody in the order of user IDs.
const lastPeople = "p9999"

func (d *consoleDesk) time(b *testing.B, v view) {
	took := make([]time.Duration, 0, b.N)
	for range b.N {
		r, err := http.NewRequestWithContext(b.Context(), v.method, d.p.URL+v.path, strings.NewReader(v.body))
		if err != nil {
			b.Fatal(err)
		}
		if strings.HasPrefix(v.path, "/api/") {
			r.Header.Set("Authorization", "Bearer "+d.key)
		} else {
			r.AddCookie(&http.Cookie{Name: "kunci-session", Value: d.cookie})
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		if v.method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		began := time.Now()
		answer, err := d.client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		took = append(took, time.Since(began))
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatalf("%s %s: %d, %v\n%.300s", v.method, v.path, answer.StatusCode, err, body)
		}
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[(len(took)-1)*99/100].Microseconds())/1000, "p99-ms")
}

// newConsoleDesk signs the owner in with a second factor, and makes a program's key.
func newConsoleDesk(b *testing.B, p *kuncitest.Product) *consoleDesk {
	b.Helper()
	ctx, o := b.Context(), p.Organization()
	d := &consoleDesk{p: p, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	owner, err := p.App.Accounts.Find(ctx, o, "adele@contoso.com")
	if err != nil {
		b.Fatal(err)
	}
	one, err := p.App.Accounts.Find(ctx, o, "alain@contoso.com")
	if err != nil {
		b.Fatal(err)
	}
	d.person = one.Entry.Key
	err = p.App.DB.Write(ctx, func(tx *store.Tx) error {
		seed, err := method.NewSeed()
		if err != nil {
			return err
		}
		m, err := p.App.Methods.Add(ctx, tx, method.Method{
			OrgID: o.ID, AccountID: owner.ID, Kind: method.AuthenticatorCode, Secret: seed, Proved: true, ProvedBy: method.ByPerson,
		})
		if err != nil {
			return err
		}
		browser, _, err := p.App.Sessions.Open(ctx, tx, "")
		if err != nil {
			return err
		}
		s, err := p.App.Sessions.Begin(ctx, tx, browser.ID, session.Begin{OrgID: o.ID, AccountID: owner.ID, UserID: "adele@contoso.com", Level: session.Full})
		if err != nil {
			return err
		}
		d.cookie, err = p.App.Sessions.Prove(ctx, tx, s.ID, m.ID)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, d.key, err = p.App.NewAPIKey(ctx, "contoso", "bench", org.Owner, 24*time.Hour); err != nil {
		b.Fatal(err)
	}
	return d
}

// fillConsole leaves what a million people leave in some years. Filled events have no
// place in the log, and nobody's name is sealed in them.
func fillConsole(b *testing.B, p *kuncitest.Product, people int) {
	b.Helper()
	ctx, o := b.Context(), p.Organization()
	now := store.Micros(p.App.DB.Now())
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2) `
	blob, yes := "x'00'", "1"
	if p.App.DB.Kind() == store.PostgreSQL {
		blob, yes = `'\x00'`, "TRUE"
	}
	span := int64(consoleDays) * 86_400_000_000
	step := func(n int) int64 { return span / int64(n) }
	for _, s := range []struct {
		what, statement string
		n               int
		args            []any
	}{
		{"embedded_account", `INSERT INTO embedded_account (account_key, org_id, user_id, display_name, group_names, wrong, created_at)
 SELECT 'k' || CAST(i AS TEXT), $1, 'p' || CAST(i AS TEXT) || '@contoso.com', 'Orang ' || CAST(i AS TEXT), CASE i % 20 WHEN 0 THEN 'contractors' ELSE 'staff' END, ` + blob + `, 0 FROM n`, people, nil},
		{"account", `INSERT INTO account (id, org_id, directory_key, created_at)
 SELECT 'a' || CAST(i AS TEXT), $1, 'k' || CAST(i AS TEXT), 0 FROM n`, people, nil},
		{"method", `INSERT INTO method (id, org_id, account_id, kind, sealed, same, proved, created_at, proved_at)
 SELECT 'm' || CAST(i AS TEXT), $1, 'a' || CAST(i AS TEXT), CASE WHEN i % 1000 = 0 THEN 'passkey' WHEN i % 10 < 8 THEN 'email' ELSE 'mobile_phone' END, ` + blob + `, ` + blob + `, ` + yes + `, 1, 1 FROM n WHERE i % 10 < 9`, people, nil},
		{"session", `INSERT INTO session (id, browser_id, org_id, account_id, level, must_change, password_at, factor_at, factor_id, created_at, seen_at, ended_at)
 SELECT '0s' || CAST(i AS TEXT), '0b' || CAST(i AS TEXT), $1, 'a' || CAST(i AS TEXT), 'full', FALSE, 1, 0, '', CAST($3 AS BIGINT), CAST($3 AS BIGINT), 0 FROM n`, people, []any{now}},
		{"audit_event", `INSERT INTO audit_event (id, org_id, at, kind, outcome, reason, actor_kind, actor, target, method_id, method_kind, correlation, detail, actor_key, target_key, leaf)
 SELECT '0' || SUBSTR(CAST(1000000000 + i AS TEXT), 2), $1, CAST($3 AS BIGINT) + i * CAST($4 AS BIGINT),
 CASE WHEN i % 100000 = 7 THEN 'policy.changed' WHEN i % 3 = 0 THEN 'reset.started' ELSE 'signin.succeeded' END,
 CASE WHEN i % 50 = 9 THEN 'denied' ELSE 'success' END, '', 'person', 'a' || CAST(i % $5 AS TEXT), 'a' || CAST(i % $5 AS TEXT), '', '', 'c' || CAST(i AS TEXT), '{}', '', '', -2 FROM n`,
			3 * people, []any{now - span, step(3 * people), int64(people)}},
		{"notify_message", `INSERT INTO notify_message (id, org_id, account_id, kind, message_key, state, queued_at, done_at)
 SELECT '0n' || CAST(i AS TEXT), $1, 'a' || CAST(i AS TEXT), 'code', 'x' || CAST(i AS TEXT), CASE WHEN i % 500 = 3 THEN 'failed' ELSE 'sent' END, CAST($3 AS BIGINT) + i * CAST($4 AS BIGINT), CAST($3 AS BIGINT) + i * CAST($4 AS BIGINT) FROM n`,
			people, []any{now - span, step(people)}},
		{"helpdesk_request", `INSERT INTO helpdesk_request (id, org_id, account_id, problem, state, sealed, opened_at, resolved_at)
 SELECT '0r' || CAST(i AS TEXT), $1, 'a' || CAST(i AS TEXT), CASE i % 3 WHEN 0 THEN 'not-enabled' ELSE 'not-verified' END, 'resolved', ` + blob + `, CAST($3 AS BIGINT), CAST($3 AS BIGINT) FROM n`, people / 10, []any{now - span}},
		{"report_daily", `INSERT INTO report_daily (org_id, day, kind, outcome, reason, method_kind, n)
 SELECT $1, CAST($3 AS BIGINT) - i / 60, CASE WHEN i % 60 < 8 THEN 'recovery.ended' WHEN i % 60 < 30 THEN 'method.added' ELSE 'reset.refused' END,
 'denied', 'reason' || CAST(i % 60 AS TEXT), '', 5 FROM n`, 60 * consoleDays, []any{now / 86_400_000_000}},
	} {
		began := time.Now()
		err := p.App.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, numbers+s.statement, append([]any{o.ID, int64(s.n - 1)}, s.args...)...)
			if err == nil && p.App.DB.Kind() == store.PostgreSQL {
				_, err = tx.Exec(ctx, "ANALYZE "+s.what)
			}
			return err
		})
		if err != nil {
			b.Fatalf("%s: %v", s.what, err)
		}
		b.Logf("%d of %s in %s", s.n, s.what, time.Since(began).Round(time.Millisecond))
	}
	// The figures of registration are counted in the background.
	if err := p.App.Report.Snapshot(ctx); err != nil {
		b.Fatal(err)
	}
	for i := range 60 { // what a page opens is sealed as it is in earnest
		a, err := p.App.Accounts.Find(ctx, o, fmt.Sprintf("p%d@contoso.com", i*20))
		if err != nil {
			b.Fatal(err)
		}
		err = p.App.DB.Write(ctx, func(tx *store.Tx) error {
			return p.App.Helpdesk.Open(ctx, tx, audit.Actor{Kind: audit.Anonymous}, helpdesk.In{Org: o, AccountID: a.ID, UserID: a.Entry.UserID, Problem: problem.NotEnabled})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	_, _, err := p.App.AddWebhook(ctx, "contoso", webhook.Order{URL: "http://127.0.0.1:9/x", Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		b.Fatal(err)
	}
}
