package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var alain = audit.Actor{
	Kind: audit.Person, Account: "account-1", UserID: "alain@contoso.com",
	IP: "192.0.2.7", UserAgent: "Chrome on Android", Correlation: "c-1",
}

func record(t testing.TB, db *store.DB, s *audit.Service, by audit.Actor, e audit.Event) {
	t.Helper()
	if err := db.Write(t.Context(), func(tx *store.Tx) error { return s.Record(t.Context(), tx, by, e) }); err != nil {
		t.Fatal(err)
	}
}

func fill(t testing.TB, db *store.DB, s *audit.Service, n int) {
	t.Helper()
	for i := range n {
		record(t, db, s, alain, audit.Event{
			Kind: audit.ResetStarted, Org: "contoso", Target: "account-1", TargetUserID: "alain@contoso.com",
			Outcome: audit.Success, Reason: fmt.Sprint("reason-", i), MethodID: "m", MethodKind: "email",
			Detail: map[string]string{"n": fmt.Sprint(i)},
		})
	}
}

func sequence(t testing.TB, s *audit.Service) {
	t.Helper()
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func verify(t testing.TB, s *audit.Service, known ...string) audit.Report {
	t.Helper()
	report, err := s.Verify(t.Context(), known...)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func exec(t testing.TB, db *store.DB, statement string) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), statement); return err })
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnEventIsRecordedWithItsDeedOrNotAtAll(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := audittest.New(t, db)
		refusal := errors.New("refused")
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			err := s.Record(t.Context(), tx, alain, audit.Event{Kind: audit.ResetStarted, Outcome: audit.Success})
			return errors.Join(err, refusal)
		})
		if !errors.Is(err, refusal) || len(audittest.Events(t, db, s)) != 0 {
			t.Fatalf("a deed that was rolled back left events: %v", err)
		}
		record(t, db, s, alain, audit.Event{
			Kind: audit.MethodAdded, Org: "contoso", Target: "account-2", TargetUserID: "bianca@contoso.com",
			Outcome: audit.Denied, Reason: "limit", MethodKind: "email", Detail: map[string]string{"a": "b"},
		})
		events := audittest.Events(t, db, s)
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		e := events[0]
		if e.Kind != audit.MethodAdded || e.Org != "contoso" || !e.Time.Equal(clock.Now()) || e.Leaf != -1 ||
			e.Actor.Account != "account-1" || e.Actor.UserID != "alain@contoso.com" || e.Actor.IP != "192.0.2.7" ||
			e.Actor.UserAgent != "Chrome on Android" || e.Correlation != "c-1" || e.Target != "account-2" ||
			e.TargetUserID != "bianca@contoso.com" || e.Outcome != audit.Denied || e.Reason != "limit" || e.Detail["a"] != "b" {
			t.Errorf("read back %+v", e)
		}
	})
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	db := storetest.Open(t, store.SQLite, store.Options{})
	s := audittest.New(t, db)
	for name, test := range map[string]struct {
		by audit.Actor
		e  audit.Event
	}{
		"kind":    {alain, audit.Event{Kind: "reset.invented", Outcome: audit.Success}},
		"outcome": {alain, audit.Event{Kind: audit.ResetStarted}},
		"actor":   {audit.Actor{}, audit.Event{Kind: audit.ResetStarted, Outcome: audit.Success}},
	} {
		err := db.Write(t.Context(), func(tx *store.Tx) error { return s.Record(t.Context(), tx, test.by, test.e) })
		if err == nil {
			t.Errorf("an event with a wrong %s was recorded", name)
		}
	}
}

func TestTextsAreBoundedAndHoldNoControlCharacters(t *testing.T) {
	db := storetest.Open(t, store.SQLite, store.Options{})
	s := audittest.New(t, db)
	by := alain
	by.UserAgent = "x\x1b[2J\r\nreset.completed\u202e\xff" + strings.Repeat("é", 1000)
	record(t, db, s, by, audit.Event{Kind: audit.ResetStarted, Outcome: audit.Success, Reason: "a\nb"})
	e := audittest.Events(t, db, s)[0]
	if got := e.Actor.UserAgent; len(got) > 512 || strings.ContainsAny(got, "\x1b\r\n\u202e") || !strings.HasSuffix(got, "é") {
		t.Errorf("user agent %q (%d bytes)", got, len(got))
	}
	if strings.Contains(e.Reason, "\n") {
		t.Errorf("reason %q", e.Reason)
	}
}

func TestNothingThatIdentifiesAPersonIsKeptInClear(t *testing.T) {
	db := storetest.Open(t, store.SQLite, store.Options{})
	s := audittest.New(t, db)
	fill(t, db, s, 1)
	stranger := alain
	stranger.Kind, stranger.Account, stranger.UserID = audit.Anonymous, "", "stranger@contoso.com"
	record(t, db, s, stranger, audit.Event{Kind: audit.ResetRefused, Org: "contoso", Outcome: audit.Denied})
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT id || org_id || reason || actor || target || detail || correlation || hex(actor_data) || actor_data || COALESCE(target_data, '') FROM audit_event`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			for _, secret := range []string{"alain@", "stranger@", "192.0.2.7", "Chrome"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q stands in the table", secret)
				}
			}
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestErasingAPersonLeavesTheLogVerifiable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		fill(t, db, s, 3)
		admin := audit.Actor{Kind: audit.CLI, UserID: "operator"}
		record(t, db, s, admin, audit.Event{Kind: audit.TapIssued, Org: "contoso", Target: "account-1", TargetUserID: "alain@contoso.com", Outcome: audit.Success})
		sequence(t, s)
		err := db.Write(t.Context(), func(tx *store.Tx) error { return s.Erase(t.Context(), tx, admin, "contoso", "account-1") })
		if err != nil {
			t.Fatal(err)
		}
		sequence(t, s)
		for _, e := range audittest.Events(t, db, s) {
			if e.Actor.UserID == "alain@contoso.com" || e.TargetUserID == "alain@contoso.com" || e.Actor.IP == "192.0.2.7" {
				t.Errorf("the erased person is in %+v", e)
			}
			if e.Kind == audit.TapIssued && e.Actor.UserID != "operator" {
				t.Errorf("another person was erased too: %+v", e)
			}
		}
		if report := verify(t, s); !report.OK() || report.Records != 5 {
			t.Errorf("%+v", report)
		}
		fill(t, db, s, 1) // the account goes on under a new key
		if e := audittest.Events(t, db, s); e[len(e)-1].Actor.UserID != "alain@contoso.com" {
			t.Errorf("a later event reads %+v", e[len(e)-1])
		}
	})
}

// Each tampering is done to a log of 20 records, after which Verify must name it.
func TestVerifyNamesWhatWasTamperedWith(t *testing.T) {
	type tampering struct {
		name, statement string
		kind            audit.FaultKind
		leaf            int64
	}
	tests := []tampering{
		{"removed", `DELETE FROM audit_event WHERE leaf = 7`, audit.Removed, 7},
		{"removed first", `DELETE FROM audit_event WHERE leaf = 0`, audit.Removed, 0},
		{"truncated", `DELETE FROM audit_event WHERE leaf >= 12`, audit.Truncated, 12},
		{"stored leaf hash", `UPDATE audit_hash SET hash = (SELECT hash FROM audit_hash WHERE idx = 3) WHERE idx = 0`, audit.Changed, 0},
		{"stored inner hash", `UPDATE audit_hash SET hash = (SELECT hash FROM audit_hash WHERE idx = 3) WHERE idx = 2`, audit.HashChanged, 1},
		{"lost hash", `DELETE FROM audit_hash WHERE idx = 6`, audit.HashChanged, 3},
		{"checkpoint text", `UPDATE audit_checkpoint SET text = REPLACE(text, '20', '19')`, audit.BadCheckpoint, 20},
	}
	for column, value := range map[string]string{
		"org_id": "'other'", "at": "at + 1", "kind": "'reset.completed'", "outcome": "'failure'", "reason": "'other'",
		"actor_kind": "'system'", "actor": "'account-9'", "target": "'account-9'", "method_id": "'n'",
		"method_kind": "'passkey'", "correlation": "'c-2'", "detail": "'{}'", "actor_key": "'x'", "target_key": "'x'",
		"actor_data": "target_data", "target_data": "actor_data", "id": "'00000000-0000-7000-8000-000000000000'",
	} {
		tests = append(tests, tampering{"changed " + column, `UPDATE audit_event SET ` + column + ` = ` + value + ` WHERE leaf = 5`, audit.Changed, 5})
	}
	for _, kind := range storetest.Kinds {
		for _, test := range tests {
			t.Run(string(kind)+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				db := storetest.Open(t, kind, store.Options{})
				s := audittest.New(t, db)
				fill(t, db, s, 20)
				sequence(t, s)
				if report := verify(t, s); !report.OK() || report.Records != 20 || report.Waiting != 0 {
					t.Fatalf("before tampering: %+v", report)
				}
				exec(t, db, test.statement)
				report := verify(t, s)
				if report.OK() || report.Faults[0].Kind != test.kind || report.Faults[0].Leaf != test.leaf {
					t.Errorf("got %+v, want %s at %d first", report.Faults, test.kind, test.leaf)
				}
				for _, f := range report.Faults {
					if f.String() == "" {
						t.Errorf("%+v has no words", f)
					}
				}
			})
		}
	}
}

func TestVerifyNamesReorderedRecords(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		fill(t, db, s, 10)
		sequence(t, s)
		for _, statement := range []string{
			`UPDATE audit_event SET leaf = 1000 WHERE leaf = 3`, `UPDATE audit_event SET leaf = 3 WHERE leaf = 8`,
			`UPDATE audit_event SET leaf = 8 WHERE leaf = 1000`,
		} {
			exec(t, db, statement)
		}
		var got []string
		for _, f := range verify(t, s).Faults {
			got = append(got, fmt.Sprint(f.Kind, f.Leaf))
		}
		if !slices.Equal(got, []string{"reordered3", "reordered8"}) {
			t.Errorf("got %v", got)
		}
	})
}

// Somebody with the database and without the keyset rewrites history and all
// its hashes, and drops what they cannot sign.
func TestAKeptCheckpointFindsARewrittenHistory(t *testing.T) {
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
		if report := verify(t, s, kept); !report.OK() {
			t.Fatalf("an older checkpoint of the same history: %+v", report)
		}
		for _, statement := range []string{`DELETE FROM audit_hash`, `DELETE FROM audit_checkpoint`, `DELETE FROM audit_event WHERE leaf = 2`,
			`UPDATE audit_event SET leaf = -1`} {
			exec(t, db, statement)
		}
		sequence(t, s)
		if report := verify(t, s); !report.OK() {
			t.Fatalf("the forger made a mistake: %+v", report)
		}
		report := verify(t, s, kept)
		if report.OK() || report.Faults[0].Kind != audit.BadCheckpoint {
			t.Errorf("got %+v", report)
		}
		if report := verify(t, s, "not a checkpoint"); report.OK() {
			t.Error("a text that is no checkpoint was taken for one")
		}
	})
}

func TestAProofLeadsToTheSignedRoot(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		fill(t, db, s, 13)
		events := audittest.Events(t, db, s)
		if _, err := s.Prove(t.Context(), events[4].ID); !errors.Is(err, store.ErrNoRows) {
			t.Errorf("a proof of a waiting event: %v", err)
		}
		sequence(t, s)
		proof, err := s.Prove(t.Context(), events[4].ID)
		if err != nil {
			t.Fatal(err)
		}
		public, err := s.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := note.NewVerifier(public)
		if err != nil {
			t.Fatal(err)
		}
		head, err := note.Open([]byte(proof.Checkpoint), note.VerifierList(verifier))
		if err != nil {
			t.Fatal(err)
		}
		// RFC 6962, 2.1: an independent computation of the root from leaf and path.
		hash := sha256.Sum256(append([]byte{0}, proof.Data...))
		if !bytes.Equal(hash[:], proof.LeafHash) {
			t.Error("the leaf hash is not that of the data")
		}
		var path tlog.RecordProof
		for _, h := range proof.Hashes {
			path = append(path, tlog.Hash(h))
		}
		var root tlog.Hash
		lines := strings.Split(head.Text, "\n")
		if err := json.Unmarshal([]byte(`"`+lines[2]+`"`), &root); err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(path, 13, root, proof.Leaf, tlog.Hash(proof.LeafHash)); err != nil {
			t.Error(err)
		}
	})
}

func TestTwoNodesSequenceOneLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 25 {
					err := db.Write(t.Context(), func(tx *store.Tx) error {
						return s.Record(t.Context(), tx, alain, audit.Event{Kind: audit.SignInFailed, Outcome: audit.Failure})
					})
					if err != nil {
						t.Error(err)
					}
					if _, err := s.Sequence(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		sequence(t, s)
		if report := verify(t, s); !report.OK() || report.Records != 100 || report.Waiting != 0 {
			t.Errorf("%+v", report)
		}
	})
}

// After every step of a random history the whole log is right.
func TestTheLogIsRightAfterEveryStep(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			db := storetest.Open(t, kind, store.Options{})
			s := audittest.New(t, db)
			total, sequenced := 0, 0
			rapid.Check(t, func(r *rapid.T) {
				for range rapid.IntRange(1, 4).Draw(r, "steps") {
					if rapid.Bool().Draw(r, "record") {
						n := rapid.IntRange(1, 3).Draw(r, "n")
						fill(t, db, s, n)
						total += n
					} else {
						sequence(t, s)
						sequenced = total
					}
					report := verify(t, s)
					if !report.OK() || report.Records != int64(sequenced) || report.Waiting != int64(total-sequenced) {
						r.Fatalf("%+v with %d of %d sequenced", report, sequenced, total)
					}
				}
			})
		})
	}
}

func TestListAndExport(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := audittest.New(t, db)
		fill(t, db, s, 3)
		clock.Advance(time.Hour)
		record(t, db, s, alain, audit.Event{Kind: audit.SignInFailed, Org: "fabrikam", Target: "account-3", Outcome: audit.Failure})
		list := func(q audit.Query) int {
			var records []audit.Record
			err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
				records, err = s.List(t.Context(), tx, q)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return len(records)
		}
		newest := audittest.Events(t, db, s)[3]
		for want, queries := range map[int][]audit.Query{
			4: {{}}, 3: {{Org: "contoso"}, {Kind: audit.ResetStarted}, {Before: newest.ID}, {To: clock.Now()}},
			1: {{Target: "account-3"}, {From: clock.Now()}, {Limit: 1}}, 0: {{Org: "nobody"}, {Org: "contoso", Target: "account-3"}},
		} {
			for _, q := range queries {
				if got := list(q); got != want {
					t.Errorf("%+v gave %d events, want %d", q, got, want)
				}
			}
		}
		var out bytes.Buffer
		n, err := s.Export(t.Context(), &out, audit.Actor{Kind: audit.CLI}, audit.Query{Org: "contoso"})
		if err != nil || n != 4 || strings.Count(out.String(), "\n") != 4 || !strings.Contains(out.String(), "export.created") {
			t.Errorf("exported %d, error %v:\n%s", n, err, out.String())
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	db := storetest.Open(b, store.SQLite, store.Options{})
	s := audittest.New(b, db)
	const events = 20_000
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
	sequence(b, s)
	b.ResetTimer()
	for b.Loop() {
		if report := verify(b, s); !report.OK() {
			b.Fatal(report)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
