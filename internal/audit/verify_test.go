package audit_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// faults are what Verify finds, as "kind leaf".
func faults(t testing.TB, s *audit.Service, known ...string) []string {
	t.Helper()
	var all []string
	for _, f := range verify(t, s, known...).Faults {
		if f.String() == "" {
			t.Errorf("%+v has no words", f)
		}
		all = append(all, fmt.Sprint(f.Kind, " ", f.Leaf))
	}
	return all
}

// editHashes changes the first block of stored hashes.
func editHashes(t testing.TB, db *store.DB, edit func(hashes []byte) []byte) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		var hashes []byte
		if err := tx.QueryRow(t.Context(), `SELECT hashes FROM audit_hash WHERE block = 0`).Scan(&hashes); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `UPDATE audit_hash SET hashes = $1 WHERE block = 0`, edit(bytes.Clone(hashes)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// flip changes a bit of the stored hash with tlog's number n.
func flip(n int) func(hashes []byte) []byte {
	return func(hashes []byte) []byte { hashes[n*tlog.HashSize] ^= 1; return hashes }
}

type tampering struct {
	name       string
	statements []string
	hashes     func([]byte) []byte
	want       []string // what Verify finds first
}

// Every column of every table of the log, and every way to change its order or length.
func tamperings() []tampering {
	drop := `DROP INDEX audit_event_leaf`
	all := []tampering{
		{name: "removed", statements: []string{`DELETE FROM audit_event WHERE leaf = 7`}, want: []string{"removed 7"}},
		{name: "removed first", statements: []string{`DELETE FROM audit_event WHERE leaf = 0`}, want: []string{"removed 0"}},
		{name: "removed two", statements: []string{`DELETE FROM audit_event WHERE leaf IN (7, 19)`}, want: []string{"removed 7", "removed 19"}},
		{name: "truncated", statements: []string{`DELETE FROM audit_event WHERE leaf >= 12`}, want: []string{"truncated 12"}},
		{name: "emptied", statements: []string{`DELETE FROM audit_event`}, want: []string{"truncated 0"}},
		{name: "sent back to wait", statements: []string{`UPDATE audit_event SET leaf = -1 WHERE leaf = 4`}, want: []string{"removed 4"}},
		{name: "swapped", statements: []string{drop, `UPDATE audit_event SET leaf = 11 - leaf WHERE leaf IN (3, 8)`}, want: []string{"reordered 3", "reordered 8"}},
		{name: "closed up", statements: []string{drop, `DELETE FROM audit_event WHERE leaf = 17`, `UPDATE audit_event SET leaf = leaf - 1 WHERE leaf > 17`},
			want: []string{"reordered 17", "reordered 18"}},
		{name: "doubled", statements: []string{drop, `UPDATE audit_event SET leaf = 3 WHERE leaf = 4`}, want: []string{"added 3", "removed 4"}},
		{name: "moved beyond the end", statements: []string{`UPDATE audit_event SET leaf = 25 WHERE leaf = 4`}, want: []string{"removed 4", "unsigned 25"}},
		{name: "newest checkpoint removed", statements: []string{`DELETE FROM audit_checkpoint WHERE size = 25`}, want: []string{"unsigned 0"}},
		{name: "stored leaf hash", hashes: flip(0), want: []string{"hash-changed 0"}},
		{name: "stored right leaf hash", hashes: flip(1), want: []string{"hash-changed 1"}},
		{name: "stored last leaf hash", hashes: flip(46), want: []string{"hash-changed 24"}},
		{name: "stored inner hash", hashes: flip(2), want: []string{"hash-changed 1"}},
		{name: "stored hash cut off", hashes: func(h []byte) []byte { return h[:len(h)-tlog.HashSize] }, want: []string{"hash-changed 24"}},
		{name: "stored hash added", hashes: func(h []byte) []byte { return append(h, h[:tlog.HashSize]...) }, want: []string{"hash-added 25"}},
		{name: "block moved", statements: []string{`UPDATE audit_hash SET block = 1`}, want: []string{"hash-changed 0"}},
		{name: "block added", statements: []string{`INSERT INTO audit_hash SELECT 9, hashes FROM audit_hash`}, want: []string{"hash-added 25"}},
		{name: "checkpoint text", statements: []string{`UPDATE audit_checkpoint SET text = REPLACE(text, '25', '24')`}, want: []string{"bad-checkpoint 25", "unsigned 0"}},
		{name: "checkpoint size", statements: []string{`UPDATE audit_checkpoint SET size = 24`}, want: []string{"bad-checkpoint 24", "unsigned 0"}},
		{name: "person erased without record", statements: []string{`UPDATE audit_person SET erased_at = 1`}, want: []string{"key-lost 0"}},
		{name: "person removed", statements: []string{`DELETE FROM audit_person`}, want: []string{"key-lost 0"}},
		{name: "person key changed", statements: []string{`UPDATE audit_person SET sealed = subject`}, want: []string{"key-lost 0"}},
		{name: "person subject changed", statements: []string{`UPDATE audit_person SET subject = sealed`}, want: []string{"key-lost 0"}},
		{name: "person renamed", statements: []string{`UPDATE audit_person SET id = 'other'`}, want: []string{"key-lost 0"}},
	}
	for column, value := range map[string]string{
		"org_id": "'other'", "at": "at + 1", "kind": "'reset.completed'", "outcome": "'failure'", "reason": "'other'",
		"actor_kind": "'system'", "actor": "'account-9'", "target": "'account-9'", "method_id": "'n'",
		"method_kind": "'passkey'", "correlation": "'c-2'", "detail": "'{}'", "actor_key": "'x'", "target_key": "'x'",
		"actor_data": "target_data", "target_data": "actor_data", "id": "'00000000-0000-7000-8000-000000000000'",
	} {
		all = append(all, tampering{
			name: "changed " + column, statements: []string{`UPDATE audit_event SET ` + column + ` = ` + value + ` WHERE leaf = 5`},
			want: []string{"changed 5"},
		})
	}
	return all
}

func TestVerifyNamesWhatWasTamperedWith(t *testing.T) {
	for _, kind := range storetest.Kinds {
		for _, test := range tamperings() {
			t.Run(string(kind)+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				db := storetest.Open(t, kind, store.Options{})
				s := audittest.New(t, db)
				fill(t, db, s, 25)
				sequence(t, s)
				if report := audittest.CheckLog(t, s); report.Records != 25 || report.Waiting != 0 || report.Checkpoints != 1 {
					t.Fatalf("before tampering: %+v", report)
				}
				for _, statement := range test.statements {
					exec(t, db, statement)
				}
				if test.hashes != nil {
					editHashes(t, db, test.hashes)
				}
				got := faults(t, s)
				if len(got) < len(test.want) || !slices.Equal(got[:len(test.want)], test.want) {
					t.Errorf("got %v, want first %v", got, test.want)
				}
			})
		}
	}
}

func TestTheFaultNamesTheRecord(t *testing.T) {
	db := storetest.Open(t, store.SQLite, store.Options{})
	s := audittest.New(t, db)
	fill(t, db, s, 5)
	sequence(t, s)
	id := audittest.Events(t, db, s)[2].ID
	exec(t, db, `UPDATE audit_event SET outcome = 'denied' WHERE leaf = 2`)
	report := verify(t, s)
	if len(report.Faults) != 1 || report.Faults[0] != (audit.Fault{Kind: audit.Changed, Leaf: 2, ID: id}) || !strings.Contains(report.Faults[0].String(), id) {
		t.Errorf("got %v, want record %s alone", report.Faults, id)
	}
}

// A log of more than one span, with faults on both sides of the border, and
// more faults than a report holds.
func TestVerifyAcrossSpans(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		const events = 4096 + 100
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			for range events {
				if err := s.Record(t.Context(), tx, alain, audit.Event{Kind: audit.SignInSucceeded, Outcome: audit.Success}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		sequence(t, s)
		if report := audittest.CheckLog(t, s); report.Records != events || report.Checkpoints > 5 {
			t.Errorf("%+v", report)
		}
		var done []int64
		_, err = s.VerifyWith(t.Context(), audit.VerifyOptions{Progress: func(n, total int64) { done = append(done, n, total) }})
		if err != nil || !slices.Equal(done, []int64{4096, events, events, events}) {
			t.Errorf("progress %v, error %v", done, err)
		}
		exec(t, db, `UPDATE audit_event SET reason = 'x' WHERE leaf IN (4095, 4096)`)
		if got := faults(t, s); !slices.Equal(got, []string{"changed 4095", "changed 4096"}) {
			t.Errorf("got %v", got)
		}
		exec(t, db, `UPDATE audit_event SET reason = 'x'`)
		if got := faults(t, s); len(got) != 100 || got[0] != "changed 0" || got[99] != "changed 99" {
			t.Errorf("%d faults: %v", len(got), got)
		}
	})
}

// forge does what somebody with the database and without the keyset can do:
// change a record and compute all hashes again.
func forge(t testing.TB, db *store.DB, s *audit.Service) {
	t.Helper()
	exec(t, db, `UPDATE audit_event SET outcome = 'failure' WHERE leaf = 2`)
	copied := storetest.Open(t, db.Kind(), store.Options{})
	other := audittest.New(t, copied)
	for range audittest.Events(t, db, s) {
		fill(t, copied, other, 1)
	}
	// The events themselves are copied; another installation's sequencer makes their hashes.
	rows := dump(t, db)
	exec(t, copied, `DELETE FROM audit_event`)
	for _, row := range rows {
		err := copied.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO audit_event VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, -1)`, row...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	sequence(t, other)
	var forged []byte
	err := copied.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT hashes FROM audit_hash WHERE block = 0`).Scan(&forged)
	})
	if err != nil {
		t.Fatal(err)
	}
	editHashes(t, db, func([]byte) []byte { return forged })
}

func dump(t testing.TB, db *store.DB) [][]any {
	t.Helper()
	var all [][]any
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT id, org_id, at, kind, outcome, reason, actor_kind, actor, target, method_id,
			method_kind, correlation, detail, actor_key, actor_data, target_key, target_data FROM audit_event ORDER BY leaf`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			row, into := make([]any, 17), make([]any, 17)
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			all = append(all, row)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Rewritten hashes without the key are caught by the signed checkpoint, and
// the log does not go on to sign them.
func TestASignedCheckpointFindsARewrittenHistory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		fill(t, db, s, 10)
		sequence(t, s)
		forge(t, db, s)
		if got := faults(t, s); !slices.Equal(got, []string{"bad-checkpoint 10"}) {
			t.Errorf("got %v", got)
		}
		fill(t, db, s, 1)
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "kunci audit verify") {
			t.Errorf("a forged history was signed: %v", err)
		}
		exec(t, db, `UPDATE audit_checkpoint SET text = 'kunci.test/audit'`)
		if err := s.Run(t.Context()); err == nil {
			t.Error("a log was signed on top of a checkpoint that nobody signed")
		}
		if report := verify(t, s); report.OK() || report.Waiting != 1 {
			t.Errorf("%+v", report)
		}
	})
}

// Somebody with the database and without the keyset starts the log anew, and
// drops what they cannot sign. Only a checkpoint kept elsewhere tells.
func TestAKeptCheckpointFindsALogMadeAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		fill(t, db, s, 10)
		sequence(t, s)
		kept, err := s.Checkpoint(t.Context())
		if err != nil || !strings.HasPrefix(kept, "kunci.test/audit\n10\n") {
			t.Fatalf("checkpoint %q, error %v", kept, err)
		}
		fill(t, db, s, 5)
		sequence(t, s)
		audittest.CheckLog(t, s, kept) // an older checkpoint of the same history
		for _, statement := range []string{`DELETE FROM audit_hash`, `DELETE FROM audit_checkpoint`, `DELETE FROM audit_event WHERE leaf = 2`,
			`UPDATE audit_event SET leaf = -1`} {
			exec(t, db, statement)
		}
		sequence(t, s)
		audittest.CheckLog(t, s) // the forger made no mistake
		if got := faults(t, s, kept); len(got) == 0 || got[0] != "bad-checkpoint 10" {
			t.Errorf("got %v", got)
		}
		if got := faults(t, s, "not a checkpoint"); !slices.Equal(got, []string{"bad-checkpoint 0"}) {
			t.Errorf("a text that is no checkpoint was taken for one: %v", got)
		}
		exec(t, db, `DELETE FROM audit_event WHERE leaf > 3`)
		if got := faults(t, s, kept); got[0] != "truncated 4" {
			t.Errorf("got %v", got)
		}
	})
}

// After every step of a random history the whole log is right, and every
// checkpoint ever made still lies on it.
func TestTheLogIsRightAfterEveryStep(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			db := storetest.Open(t, kind, store.Options{})
			s := audittest.New(t, db)
			total, sequenced := 0, 0
			var kept []string
			rapid.Check(t, func(r *rapid.T) {
				for range rapid.IntRange(1, 4).Draw(r, "steps") {
					switch rapid.SampledFrom([]string{"record", "sequence", "keep", "erase"}).Draw(r, "step") {
					case "record":
						n := rapid.IntRange(1, 3).Draw(r, "n")
						fill(t, db, s, n)
						total += n
					case "sequence":
						sequence(t, s)
						sequenced = total
					case "keep":
						text, err := s.Checkpoint(t.Context())
						if err != nil {
							r.Fatal(err)
						}
						if text != "" && len(kept) < 20 {
							kept = append(kept, text)
						}
					case "erase":
						err := db.Write(t.Context(), func(tx *store.Tx) error {
							return s.Erase(t.Context(), tx, audit.Actor{Kind: audit.System}, "contoso", alain.Account)
						})
						if err != nil {
							r.Fatal(err)
						}
						total++
					}
					report := audittest.CheckLog(t, s, kept...)
					if report.Records != int64(sequenced) || report.Waiting != int64(total-sequenced) {
						r.Fatalf("%+v with %d of %d sequenced", report, sequenced, total)
					}
				}
			})
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, kind := range storetest.Kinds {
		b.Run(string(kind), func(b *testing.B) {
			db := storetest.Open(b, kind, store.Options{})
			s := audittest.New(b, db)
			const events, people, portion = 100_000, 500, 5_000
			for first := 0; first < events; first += portion {
				err := db.Write(b.Context(), func(tx *store.Tx) error {
					for n := range portion {
						by := alain
						by.Account = fmt.Sprint("account-", (first+n)%people)
						if err := s.Record(b.Context(), tx, by, audit.Event{Kind: audit.SignInSucceeded, Org: "contoso", Target: by.Account, Outcome: audit.Success}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			sequence(b, s)
			before := cpu()
			b.ResetTimer()
			for b.Loop() {
				audittest.CheckLog(b, s)
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(events)/float64(b.N), "cpu-ns/event")
		})
	}
}

// cpu is what this process has used so far: on a machine with other work it says
// more than the time that went by. What a PostgreSQL server uses is not in it.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkSequence(b *testing.B) {
	for _, kind := range storetest.Kinds {
		b.Run(string(kind), func(b *testing.B) {
			db := storetest.Open(b, kind, store.Options{})
			s := audittest.New(b, db)
			const events = 1000
			for b.Loop() {
				b.StopTimer()
				err := db.Write(b.Context(), func(tx *store.Tx) error {
					for range events {
						if err := s.Record(b.Context(), tx, alain, audit.Event{Kind: audit.SignInSucceeded, Outcome: audit.Success}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				sequence(b, s)
			}
			b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
