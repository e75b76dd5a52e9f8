package bench

import (
	"context"
	"fmt"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
)

const (
	reportPeople = 1_000_000
	reportYears  = 10
	// reportRows is how many counts a busy day has: kinds, outcomes, reasons, methods, times.
	reportRows = 60
)

// BenchmarkReports reads what the page of reports shows, in an organization of a
// million people with ten years of counts: of the last 30 days, and of everything.
//
//	go test -run '^$' -bench Reports -benchtime 20x ./bench/
func BenchmarkReports(b *testing.B) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		p := kuncitest.Start(b, kuncitest.Options{Kind: kind})
		orgs, err := p.App.Organizations(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		fillReports(b, p, orgs[0])
		today := report.DayOf(p.App.DB.Now())
		for _, days := range []int{30, 365 * reportYears} {
			b.Run(fmt.Sprintf("%s/%d-days", kind, days), func(b *testing.B) {
				for range b.N {
					if err := readReports(b.Context(), p, orgs[0], today-report.Day(days)+1, today); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func readReports(ctx context.Context, p *kuncitest.Product, o *org.Organization, from, to report.Day) error {
	now, err := p.App.Report.Registration(ctx, o)
	if err != nil {
		return err
	}
	return p.App.DB.Read(ctx, func(tx *store.Tx) error {
		period, err := p.App.Report.Activity(ctx, tx, o.ID, from, to)
		if err != nil {
			return err
		}
		history, err := p.App.Report.History(ctx, tx, o.ID, from, to)
		report.Tables(period, history, now)
		report.Group(period.Days, report.StepOf(len(period.Days)))
		return err
	})
}

// fillReports puts in the rows that a million people and ten years leave.
func fillReports(b *testing.B, p *kuncitest.Product, o *org.Organization) {
	b.Helper()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2) `
	today := int64(report.DayOf(p.App.DB.Now()))
	days := int64(365 * reportYears)
	wrong := "x''"
	if p.App.DB.Kind() == store.PostgreSQL {
		wrong = "''"
	}
	err := p.App.DB.Write(b.Context(), func(tx *store.Tx) error {
		for _, s := range []struct {
			statement string
			args      []any
		}{
			{numbers + `INSERT INTO embedded_account (account_key, org_id, user_id, wrong, created_at)
 SELECT 'k' || CAST(i AS TEXT), $1, 'p' || CAST(i AS TEXT) || '@contoso.com', ` + wrong + `, 0 FROM n`, []any{o.ID, int64(reportPeople)}},
			{numbers + `INSERT INTO report_daily (org_id, day, kind, outcome, reason, method_kind, n)
 SELECT $1, CAST($3 AS BIGINT) - i / 60, CASE WHEN i % 60 < 8 THEN 'recovery.ended' WHEN i % 60 < 30 THEN 'recovery.ended_by' ELSE 'reset.refused' END,
 'denied', 'reason' || CAST(i % 60 AS TEXT), '', 5 FROM n`, []any{o.ID, days*reportRows - 1, today}},
			{`INSERT INTO report_monthly (org_id, month, kind, outcome, reason, method_kind, n)
 SELECT org_id, 24320 + (day - $2) / 31, kind, outcome, reason, method_kind, SUM(n) FROM report_daily WHERE org_id = $1
 GROUP BY 1, 2, 3, 4, 5, 6`, []any{o.ID, today}},
			{`DELETE FROM report_registration WHERE org_id = $1`, []any{o.ID}},
			{numbers + `INSERT INTO report_registration (org_id, day, counted_at, figures)
 SELECT $1, CAST($3 AS BIGINT) - i, (CAST($3 AS BIGINT) - i) * 86400000000, '{"people":1000000,"enabled":900000,"registered":800000,"capable":700000,"by_kind":{"email":800000}}' FROM n`,
				[]any{o.ID, days - 1, today}},
		} {
			if _, err := tx.Exec(b.Context(), s.statement, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
