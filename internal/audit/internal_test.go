package audit

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func FuzzParseHead(f *testing.F) {
	const origin = "kunci.test/audit"
	f.Add(headText(origin, 10, tlog.Hash{1}))
	f.Add(headText(origin, 0, tlog.Hash{}) + "more\n")
	f.Add(origin + "\n+1\n" + strings.Repeat("A", 43) + "=\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHead(origin, text)
		if err == nil && headText(origin, h.size, h.root) != text {
			t.Errorf("%q was read as size %d, root %v: two texts of one head", text, h.size, h.root)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("x\x1b[2J\r\n\u202e\xff\x00")
	f.Add(strings.Repeat("é", 300))
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if len(got) > longest || !utf8.ValidString(got) || clean(got) != got {
			t.Errorf("%q became %q", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%q is in %q", r, got)
			}
		}
	})
}

// The bytes that the log hashes are kept for ever: they must never come out otherwise.
func TestTheLeafFormatStaysTheSame(t *testing.T) {
	r := sample(7)
	const want = "kunci event v1\n" + "\x0201" + "\x07contoso" + "\x10signin.succeeded" + "\x07success" + "\x00" +
		"\x06person" + "\x02a7" + "\x02t7" + "\x00" + "\x05email" + "\x02c1" + "\x02{}" + "\x02k1" + "\x00" +
		"\x03abc" + "\x00" + "\x00\x00\x00\x00\x00\x00\x00\x07"
	if got := string(r.leafData()); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func sample(n int64) row {
	account := strconv.FormatInt(n, 10)
	return row{
		id: "01", org: "contoso", at: n, kind: string(SignInSucceeded), outcome: string(Success), actorKind: string(Person),
		actor: "a" + account, target: "t" + account, methodKind: "email", correlation: "c1", detail: "{}",
		actorKey: "k1", actorData: []byte("abc"), leaf: n,
	}
}

// Moving bytes from one column to the next changes what is hashed.
func TestColumnsDoNotRunTogether(t *testing.T) {
	a, b := sample(1), sample(1)
	a.actor, a.target = "ab", "c"
	b.actor, b.target = "a", "bc"
	if string(a.leafData()) == string(b.leafData()) {
		t.Error("two events have the same bytes")
	}
}

// memory is the stored hashes of a log in memory.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		all[i] = m[index]
	}
	return all, nil
}

// BenchmarkHashing is what a verification costs without the database: encoding
// and hashing the records, and the tree over them.
func BenchmarkHashing(b *testing.B) {
	rows := make([]row, spanSize)
	s := span{to: spanSize, records: make([]leafRecord, spanSize)}
	var hashes memory
	for i := range rows {
		rows[i] = sample(int64(i))
		rows[i].id, rows[i].actor, rows[i].actorKey = strings.Repeat("i", 36), strings.Repeat("a", 36), strings.Repeat("k", 36)
		rows[i].actorData = make([]byte, 100)
		added, err := tlog.StoredHashes(int64(i), rows[i].leafData(), hashes)
		if err != nil {
			b.Fatal(err)
		}
		hashes = append(hashes, added...)
	}
	for _, hash := range hashes {
		s.hashes = append(s.hashes, hash[:]...)
	}
	var buffer []byte
	for b.Loop() {
		for i := range rows {
			buffer = rows[i].appendLeaf(append(buffer[:0], 0))
			s.records[i] = leafRecord{rows[i].leaf, rows[i].id, sha256.Sum256(buffer)}
		}
		v := &verification{keys: make(map[string]use), erasures: make(map[string]bool)}
		if err := v.judge(s); err != nil || len(v.report.Faults) > 0 {
			b.Fatal(err, v.report.Faults)
		}
	}
	b.ReportMetric(float64(spanSize)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// What is read joined is hashed as what is read column by column, and a text that
// moved to another column by way of what joins them is not.
func TestAPackedRecordIsHashedAsItsRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		all := []row{sample(0), sample(1), sample(2)}
		all[1].id, all[1].reason, all[1].actorData, all[1].detail = "02", strings.Repeat("é", 200), nil, `{"a":"b"}`
		all[2].id, all[2].org, all[2].kind = "03", "contoso"+joint+"signin.succeeded", "" // as another one with one text less
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			for _, r := range all {
				if err := insertEvent(t.Context(), tx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = db.Read(t.Context(), func(tx *store.Tx) error {
			return eachPacked(t.Context(), tx, 0, 3, func(p *packed) error {
				if same := string(p.appendLeaf(nil)) == string(all[n].leafData()); same != (n < 2) || p.text(packedID) != all[n].id {
					t.Errorf("record %d: the same: %v", n, same)
				}
				n++
				return nil
			})
		})
		if err != nil || n != 3 {
			t.Errorf("%d records, %v", n, err)
		}
	})
}

// A table that grew since its statistics were taken is read along the index of
// places all the same: sorting took six times as long.
func TestPlacesAreReadInOrder(t *testing.T) {
	db := storetest.Open(t, store.PostgreSQL, store.Options{})
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO audit_event (`+eventColumns+`)
 SELECT 'e' || i, 'o', 1, 'k', 'o', '', 'p', '', '', '', '', '', '{}', '', NULL, '', NULL, i FROM generate_series(0, 20000) AS i`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	plan := func() (text string) {
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			if err := walkTheIndex(t.Context(), tx); err != nil {
				return err
			}
			rows, err := tx.Query(t.Context(), `EXPLAIN `+packedQuery, 8192, 12288, joint)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var line string
				if err := rows.Scan(&line); err != nil {
					return err
				}
				text += line + "\n"
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if text := plan(); strings.Contains(text, "Sort") || !strings.Contains(text, "audit_event_leaf") {
		t.Errorf("PostgreSQL reads the places like this:\n%s", text)
	}
}
