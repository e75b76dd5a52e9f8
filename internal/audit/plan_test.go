package audit

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// long makes a query one of events that were recorded long ago.
func long(q Query) Query {
	q.From, q.To = time.UnixMicro(100), time.UnixMicro(300)
	return q
}

// entered is a plan of PostgreSQL that begins in an index at a time.
var entered = regexp.MustCompile(`Index Cond: .*\bat\b`)

// However long the log is, each filter of its pages reads along an index, the newest
// first: a kind or an outcome that is rare, one person, one support code.
func TestEveryFilterOfTheLogReadsAlongAnIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
 INSERT INTO audit_event (`+eventColumns+`)
 SELECT 'e' || i, 'o' || (i % 2), i, CASE i % 500 WHEN 0 THEN 'policy.changed' ELSE 'reset.started' END, CASE i % 400 WHEN 0 THEN 'denied' ELSE 'success' END,
  '', CASE i % 50 WHEN 0 THEN 'admin' ELSE 'person' END, 'k' || (i % 2000), 'a' || (i % 2000), '', '', CASE i % 10 WHEN 0 THEN 'c' || i ELSE '' END, '{}', '', NULL, '', NULL, i FROM n`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			index string
			q     Query
		}{
			{"audit_event_org", Query{Before: "e5"}},
			{"audit_event_kind", Query{Kind: PolicyChanged, Before: "e5"}},
			{"audit_event_outcome", Query{Outcome: Denied}},
			{"audit_event_target", Query{Target: "a7"}},
			{"audit_event_target", Query{Target: "a7", Kind: ResetStarted, Outcome: Success}},
			{"audit_event_admin", Query{By: "k7"}},
			{"audit_event_correlation", Query{Correlation: "c10"}},
			// Long ago: from the end of the span on, and from a page on.
			{"audit_event_org", long(Query{})},
			{"audit_event_org", long(Query{Before: "e200"})},
			{"audit_event_kind", long(Query{Kind: PolicyChanged})},
			{"audit_event_kind", long(Query{Kind: PolicyChanged, Before: "e200"})},
			{"audit_event_outcome", long(Query{Outcome: Denied})},
			{"audit_event_target", long(Query{Target: "a8"})},
			{"audit_event_admin", long(Query{By: "k7", Kind: ResetStarted})},
			{"audit_event_correlation", Query{Correlation: "c10", Kind: ResetStarted}},
		} {
			c.q.Org = "o0"
			where, args := c.q.where()
			plan := storetest.Plan(t, db, "audit_event", `SELECT `+eventColumns+` FROM audit_event `+where+newestFirst+` LIMIT 50`, args...)
			if !strings.Contains(plan, c.index) || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") && c.index != "audit_event_correlation" {
				t.Errorf("%+v is read like this:\n%s", c.q, plan)
			}
			// The index is entered by time, not only by the filter before it.
			if (!c.q.To.IsZero() || c.q.Before != "") && !strings.Contains(plan, "at<?") && !strings.Contains(plan, "at>? AND at<?") && !strings.Contains(plan, "(at,id)<(?,?)") && !entered.MatchString(plan) {
				t.Errorf("%+v walks what is newer:\n%s", c.q, plan)
			}
		}
	})
}
