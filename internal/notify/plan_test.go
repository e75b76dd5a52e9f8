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
		for what, plan := range map[string]string{
			"counted": storetest.Plan(t, db, "notify_message", countOf, int64(19900), "o0"),
			"listed":  storetest.Plan(t, db, "notify_message", undelivered, "o0", int64(0), 20),
		} {
			if !strings.Contains(plan, "notify_message_state") || strings.Contains(plan, "SCAN notify_message") || strings.Contains(plan, "Seq Scan") {
				t.Errorf("messages are %s like this:\n%s", what, plan)
			}
		}
	})
}

// The newest messages that were given up are listed, of this organization alone; one
// that ran out of time says why its last try failed.
func TestWhatDidNotArriveIsListed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		err := db.Write(ctx, func(tx *store.Tx) error {
			for i, orgID := range []string{"o", "o", "o", "o", "other"} {
				id := string(rune('a' + i))
				if _, err := insert(ctx, tx, row{id: id, orgID: orgID, kind: "code.reset", key: id, channel: ByMail, recipient: []byte{1}, payload: []byte{1}, queuedAt: store.Time(int64(i + 1))}); err != nil {
					return err
				}
			}
			if err := note(ctx, tx, "b", "no answer"); err != nil {
				return err
			}
			for id, end := range map[string]State{"a": Failed, "b": Expired, "c": Expired, "d": Sent, "e": Failed} {
				if _, err := finish(ctx, tx, id, end, "reason "+id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		list := func(since int64, limit int) (found string) {
			err := db.Read(ctx, func(tx *store.Tx) error {
				all, err := selectUndelivered(ctx, tx, "o", store.Time(since), limit)
				for _, u := range all {
					found += u.ID + " " + string(u.State) + " " + u.Reason + ", "
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if got := list(1, 10); got != "c expired reason c, b expired no answer, a failed reason a, " {
			t.Errorf("listed: %s", got)
		}
		if got := list(2, 1); got != "c expired reason c, " {
			t.Errorf("the newest: %s", got)
		}
	})
}
