package report

import (
	"strings"
	"testing"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// Who has a method of a kind is read along an index, however many have others.
func TestHoldersAreReadAlongAnIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
 INSERT INTO method (id, org_id, account_id, kind, sealed, same, proved, created_at)
 SELECT 'm' || i, 'o' || (i % 2), 'a' || i, CASE i % 500 WHEN 0 THEN 'passkey' WHEN 4 THEN 'recovery_code' ELSE 'email' END, $1, $1, i > 0, i FROM n`, []byte{1})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []method.Kind{method.Passkey, method.RecoveryCode} {
			plan := storetest.Plan(t, db, "method", holders(kind), "o0", string(kind), 5001)
			if !strings.Contains(plan, "method_kind") || strings.Contains(plan, "SCAN method") || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s is read like this:\n%s", kind, plan)
			}
		}
	})
}

// What a page of people has is found by who they are, and not among all who have some.
func TestAPageOfPeopleIsReadAlongIndexes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) `
			_, err := tx.Exec(t.Context(), numbers+`INSERT INTO account (id, org_id, directory_key, created_at) SELECT 'a' || i, 'o', 'k' || i, 0 FROM n`)
			if err != nil {
				return err
			}
			_, err = tx.Exec(t.Context(), numbers+`INSERT INTO method (id, org_id, account_id, kind, sealed, same, proved, is_default, created_at)
 SELECT 'm' || i, 'o', 'a' || i, 'email', $1, $1, i > 0, i % 2 = 0, i FROM n`, []byte{1})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		statement, args := heldBy("o", []string{"k1", "k2", "k3"})
		if plan := storetest.Plan(t, db, "method", statement, args...); strings.Contains(plan, "SCAN ") || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "is_default") {
			t.Errorf("a page of people is read like this:\n%s", plan)
		}
	})
}
