package notify

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// What became of an organization's messages is counted in an index, from a time on.
func TestMessagesAreCountedInAnIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
 INSERT INTO notify_message (id, org_id, kind, message_key, state, queued_at)
 SELECT 'm' || i, 'o' || (i % 2), 'code.reset', 'k' || i, CASE i % 100 WHEN 0 THEN 'failed' ELSE 'sent' END, i FROM n`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		plan := storetest.Plan(t, db, "notify_message", countOf, int64(19900), "o0")
		if !strings.Contains(plan, "notify_message_state") || strings.Contains(plan, "SCAN") || strings.Contains(plan, "Seq Scan") {
			t.Errorf("messages are counted like this:\n%s", plan)
		}
	})
}
