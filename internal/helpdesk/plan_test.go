package helpdesk

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// However many requests were answered, each filter reads along an index of its own;
// only PostgreSQL sorts, where it finds few.
func TestEveryListOfRequestsReadsAlongAnIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
 INSERT INTO helpdesk_request (id, org_id, account_id, problem, state, sealed, opened_at, assigned_to)
 SELECT 'r' || i, 'o' || (i % 2), 'a' || i, CASE i % 500 WHEN 0 THEN 'cookies' ELSE 'not-verified' END, CASE i % 400 WHEN 0 THEN 'open' ELSE 'resolved' END, $1, i,
  CASE i % 300 WHEN 0 THEN 'me' ELSE '' END FROM n`, []byte{1})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for want, q := range map[string]Query{
			"helpdesk_request_state":    {State: StateOpen, Before: "r5"},
			"helpdesk_request_problem":  {State: StateResolved, Problem: problem.Cookies},
			"helpdesk_request_assigned": {State: StateResolved, AssignedTo: "me"},
			"helpdesk_request_org":      {Before: "r5"},
		} {
			q.OrgID, q.Limit = "o0", 50
			statement, args := manyStatement(q)
			plan := storetest.Plan(t, db, "helpdesk_request", statement, args...)
			if !strings.Contains(plan, want) || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN") || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%+v is read like this:\n%s", q, plan)
			}
		}
	})
}
