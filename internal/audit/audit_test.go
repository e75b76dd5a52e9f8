package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
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
			Outcome: audit.Denied, Reason: "gate", MethodKind: "email", Detail: map[string]string{"a": "b"},
		})
		events := audittest.Events(t, db, s)
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		e := events[0]
		if e.Kind != audit.MethodAdded || e.Org != "contoso" || !e.Time.Equal(clock.Now()) || e.Leaf != -1 ||
			e.Actor.Account != "account-1" || e.Actor.UserID != "alain@contoso.com" || e.Actor.IP != "192.0.2.7" ||
			e.Actor.UserAgent != "Chrome on Android" || e.Correlation != "c-1" || e.Target != "account-2" ||
			e.TargetUserID != "bianca@contoso.com" || e.Outcome != audit.Denied || e.Reason != "gate" || e.Detail["a"] != "b" {
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
		if e := audittest.Events(t, db, s); !e[0].Erased || e[0].Damaged || e[3].Actor.UserID != "operator" {
			t.Errorf("the erased person's events read %+v and %+v", e[0], e[3])
		}
		fill(t, db, s, 1) // the account goes on under a new key
		if e := audittest.Events(t, db, s); e[len(e)-1].Actor.UserID != "alain@contoso.com" {
			t.Errorf("a later event reads %+v", e[len(e)-1])
		}
	})
}

func TestErasingADayForgetsItsStrangersOnly(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := audittest.New(t, db)
		stranger := audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.9", UserAgent: "curl"}
		refused := audit.Event{Kind: audit.ResetRefused, Org: "contoso", Outcome: audit.Denied}
		first := clock.Now()
		record(t, db, s, stranger, refused)
		fill(t, db, s, 1)
		other := refused
		other.Org = "fabrikam"
		record(t, db, s, stranger, other)
		clock.Advance(24 * time.Hour)
		record(t, db, s, stranger, refused)
		sequence(t, s)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			return s.EraseDay(t.Context(), tx, audit.Actor{Kind: audit.System}, "contoso", first)
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range audittest.Events(t, db, s)[:4] {
			got = append(got, e.Actor.IP)
		}
		if !slices.Equal(got, []string{"", "192.0.2.7", "192.0.2.9", "192.0.2.9"}) {
			t.Errorf("addresses after erasing a day: %q", got)
		}
		audittest.CheckLog(t, s) // while the erasure waits for its place
		sequence(t, s)
		audittest.CheckLog(t, s)
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
		if err := proof.Check(public); err != nil {
			t.Error(err)
		}
		other := proof
		other.Data = append([]byte("x"), proof.Data...)
		if other.Check(public) == nil {
			t.Error("a proof holds for another event")
		}
		other = proof
		other.LeafHash = make([]byte, len(proof.LeafHash))
		if other.Check(public) == nil {
			t.Error("a proof holds with another leaf hash")
		}
		exec(t, db, `UPDATE audit_event SET reason = 'other' WHERE leaf = 4`)
		if _, err := s.Prove(t.Context(), events[4].ID); err == nil {
			t.Error("a changed event was proved")
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
		// Of the many checkpoints only the newest of each stretch is kept.
		if report := verify(t, s); !report.OK() || report.Records != 100 || report.Waiting != 0 || report.Checkpoints != 1 {
			t.Errorf("%+v", report)
		}
	})
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
		adele := audit.Actor{Kind: audit.Admin, Account: "account-9", UserID: "adele@contoso.com"}
		record(t, db, s, adele, audit.Event{Kind: audit.TapIssued, Org: "northwind", Target: "account-4", Outcome: audit.Success})
		for q, want := range map[audit.Query]int{{By: "account-9"}: 1, {By: "account-9", Org: "contoso"}: 0, {By: "account-1"}: 0, {Target: "account-9"}: 0} {
			if got := list(q); got != want {
				t.Errorf("%+v gave %d events, want %d", q, got, want)
			}
		}
		exec(t, db, `DELETE FROM audit_event WHERE org_id = 'northwind'`)
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
		exec(t, db, `UPDATE audit_event SET actor_data = target_data, detail = '{' WHERE target = 'account-3'`)
		if got := list(audit.Query{}); got != 4 {
			t.Errorf("a damaged event hides the others: %d listed", got)
		}
		if e := audittest.Events(t, db, s)[3]; !e.Damaged || e.Kind != audit.SignInFailed || e.Actor.UserID != "" {
			t.Errorf("the damaged event reads %+v", e)
		}
		var out bytes.Buffer
		n, err := s.Export(t.Context(), &out, audit.Actor{Kind: audit.CLI}, audit.Query{Org: "contoso"})
		if err != nil || n != 4 || strings.Count(out.String(), "\n") != 4 || !strings.Contains(out.String(), "export.created") {
			t.Errorf("exported %d, error %v:\n%s", n, err, out.String())
		}
		for line := range strings.Lines(out.String()) {
			var r audit.Record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Errorf("%v in %s", err, line)
			}
		}
		if !strings.Contains(out.String(), "alain@contoso.com") || !strings.Contains(out.String(), "192.0.2.7") {
			t.Error("people were left out")
		}
		out.Reset()
		if _, err := s.Export(t.Context(), &out, audit.Actor{Kind: audit.CLI}, audit.Query{Org: "contoso", WithoutPeople: true}); err != nil {
			t.Fatal(err)
		}
		for _, personal := range []string{"alain@", "192.0.2.7", "Chrome"} {
			if strings.Contains(out.String(), personal) {
				t.Errorf("%q is in an export without people", personal)
			}
		}
		if strings.Count(out.String(), `"people":"left out"`) != 1 || strings.Count(out.String(), `"people":"opened"`) != 1 {
			t.Errorf("it is not on record which export showed people:\n%s", out.String())
		}
	})
}

// What identifies people in old events goes; what is newer, and the log, stays.
func TestErasingWhatIsOld(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := audittest.New(t, db)
		stranger := audit.Actor{Kind: audit.Anonymous, IP: "192.0.2.9"}
		refused := audit.Event{Kind: audit.ResetRefused, Org: "contoso", Outcome: audit.Denied}
		start := clock.Now()
		fill(t, db, s, 2)
		record(t, db, s, stranger, refused)
		clock.Advance(40 * 24 * time.Hour)
		fill(t, db, s, 1)
		record(t, db, s, stranger, refused)
		sequence(t, s)
		erase := func(day time.Time) (all int) {
			t.Helper()
			for {
				n := 0
				err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
					n, err = s.EraseBefore(t.Context(), tx, audit.Actor{Kind: audit.System}, day, 1)
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if all += n; n == 0 {
					return all
				}
			}
		}
		if n := erase(start); n != 0 {
			t.Fatalf("%d keys of that day and later went", n)
		}
		if n := erase(start.AddDate(0, 0, 1)); n != 1 { // the strangers; the month is not over
			t.Fatalf("%d keys went", n)
		}
		if n := erase(start.AddDate(0, 0, 35)); n != 1 {
			t.Fatalf("%d keys went", n)
		}
		var got []string
		for _, e := range audittest.Events(t, db, s)[:5] {
			got = append(got, e.Actor.UserID+e.Actor.IP)
		}
		if !slices.Equal(got, []string{"", "", "", "alain@contoso.com192.0.2.7", "192.0.2.9"}) {
			t.Errorf("who is left: %q", got)
		}
		audittest.CheckLog(t, s) // while the erasures wait for their place
		sequence(t, s)
		audittest.CheckLog(t, s)
		// A key that goes although its events are newer than what was recorded is lost.
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE audit_person SET sealed = subject, erased_at = 1, last_day = 1 WHERE erased_at = 0`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if report := verify(t, s); len(report.Faults) != 2 || report.Faults[0].Kind != audit.KeyLost {
			t.Errorf("%+v", report)
		}
	})
}

// A person has many keys after many months; all of them go, and all are told.
func TestErasingAPersonOfManyMonths(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := audittest.New(t, db)
		for range 30 {
			fill(t, db, s, 1)
			// Whoever tries to be somebody leaves an address that goes with that person.
			record(t, db, s, audit.Actor{Kind: audit.Anonymous, IP: "198.51.100.4"}, audit.Event{
				Kind: audit.ResetStarted, Org: "contoso", Target: "account-1", TargetUserID: "alain@contoso.com", Outcome: audit.Success,
			})
			clock.Advance(31 * 24 * time.Hour)
		}
		sequence(t, s)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			return s.Erase(t.Context(), tx, audit.Actor{Kind: audit.CLI}, "contoso", "account-1")
		})
		if err != nil {
			t.Fatal(err)
		}
		sequence(t, s)
		told := 0
		for _, e := range audittest.Events(t, db, s) {
			if e.Actor.UserID != "" || e.TargetUserID != "" || e.Actor.IP != "" {
				t.Fatalf("somebody is in %+v", e)
			}
			if e.Reason == "erased" {
				told++
			}
		}
		if told != 3 {
			t.Errorf("%d events tell of it", told)
		}
		audittest.CheckLog(t, s)
	})
}

// A spreadsheet executes nothing of what strangers typed.
func TestAnExportedTableHoldsNoFormula(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		bad := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", "a,\"b\"", "'x"}
		for _, agent := range bad {
			record(t, db, s, audit.Actor{Kind: audit.Anonymous, UserAgent: agent, Correlation: "c-1"}, audit.Event{
				Kind: audit.ResetRefused, Org: "contoso", Outcome: audit.Denied, Reason: agent, Detail: map[string]string{"x": agent},
			})
		}
		var out strings.Builder
		n, err := s.Export(t.Context(), &out, audit.Actor{Kind: audit.CLI}, audit.Query{Org: "contoso", Format: audit.CSV})
		if err != nil || n != len(bad)+1 {
			t.Fatalf("%d, %v", n, err)
		}
		rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil || len(rows) != n+1 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		for i, row := range rows {
			for _, text := range row {
				if strings.IndexAny(text, "=+-@\t\r\uff1d") == 0 {
					t.Errorf("a formula: %q", text)
				}
			}
			if i > 0 && i <= len(bad) && strings.TrimPrefix(row[11], "'") != strings.TrimPrefix(bad[i-1], "'") {
				t.Errorf("%q became %q", bad[i-1], row[11])
			}
		}
		for q, want := range map[audit.Query]int{{Correlation: "c-1"}: len(bad), {Outcome: audit.Denied}: len(bad), {Outcome: audit.Failure}: 0, {Correlation: "c"}: 0} {
			err := db.Read(t.Context(), func(tx *store.Tx) error {
				found, err := s.List(t.Context(), tx, q)
				if len(found) != want {
					t.Errorf("%+v finds %d", q, len(found))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
