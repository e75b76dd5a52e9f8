package audit_test

import (
	"bytes"
	"encoding/json"
	"os"
	program "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// second is the program of docs/, which has nothing of ours, with what it is given.
type second struct {
	t   *testing.T
	dir string
	db  *store.DB
	s   *audit.Service
	key string
}

func newSecond(t *testing.T, n int) *second {
	t.Helper()
	db := storetest.Open(t, store.SQLite, store.Options{})
	x := &second{t: t, dir: t.TempDir(), db: db, s: audittest.New(t, db)}
	fill(t, db, x.s, n)
	sequence(t, x.s)
	var err error
	if x.key, err = x.s.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *second) file(name, text string) string {
	x.t.Helper()
	path := filepath.Join(x.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	return path
}

func (x *second) json(name string, v any) string {
	x.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.file(name, string(text))
}

func (x *second) checkpoint() string {
	x.t.Helper()
	text, err := x.s.Checkpoint(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return text
}

// records writes them as they stand in the tables now.
func (x *second) records() string {
	x.t.Helper()
	var out bytes.Buffer
	err := x.db.Read(x.t.Context(), func(tx *store.Tx) error {
		out.Reset()
		all, err := audit.Leaves(x.t.Context(), tx)
		encoder := json.NewEncoder(&out)
		for _, l := range all {
			if err == nil {
				err = encoder.Encode(l)
			}
		}
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return x.file("sealed.ndjson", out.String())
}

func (x *second) export() string {
	x.t.Helper()
	var out strings.Builder
	if _, err := x.s.Export(x.t.Context(), &out, audit.Actor{Kind: audit.CLI}, audit.Query{}); err != nil {
		x.t.Fatal(err)
	}
	return out.String()
}

// says runs it; the last argument is what it must say, and whether everything holds.
func (x *second) says(want string, holds bool, args ...string) {
	x.t.Helper()
	node, err := program.LookPath("node")
	if err != nil {
		x.t.Fatal("node is not installed; run: make parts")
	}
	out, err := program.CommandContext(x.t.Context(), node, append([]string{filepath.Join("..", "..", "docs", "verify-audit.mjs")}, args...)...).CombinedOutput()
	said := string(out)
	if (err == nil) != holds || !strings.Contains(said, want) || strings.Contains(said, "    at ") || !holds && (!strings.HasPrefix(said, "It does not hold: ") || strings.Count(said, "\n") != 1) {
		x.t.Errorf("it says %q (%v), want %q", said, err, want)
	}
}

// Whatever is done to the log in the tables, both find it: ours in the tables, the
// other one in the records and a checkpoint that was kept.
func TestBothImplementationsFindWhatWasDoneToTheLog(t *testing.T) {
	drop := `DROP INDEX audit_event_leaf`
	for name, c := range map[string]struct {
		statements []string
		ours, said string
	}{
		"changed":     {[]string{`UPDATE audit_event SET reason = 'other' WHERE leaf = 5`}, "changed 5", "the records lead to another root: something was changed"},
		"removed":     {[]string{`DELETE FROM audit_event WHERE leaf = 7`}, "removed 7", "record 7 is missing: record 8 stands in its place"},
		"closed up":   {[]string{drop, `DELETE FROM audit_event WHERE leaf = 7`, `UPDATE audit_event SET leaf = leaf - 1 WHERE leaf > 7`}, "reordered 7", "the log ends at record 29, the checkpoint covers 30"},
		"reordered":   {[]string{drop, `UPDATE audit_event SET leaf = 11 - leaf WHERE leaf IN (3, 8)`}, "reordered 3", "the records lead to another root"},
		"added":       {[]string{drop, `UPDATE audit_event SET leaf = 3 WHERE leaf = 4`}, "added 3", "record 4 is missing: record 3 stands in its place"},
		"cut off":     {[]string{`DELETE FROM audit_event WHERE leaf >= 12`}, "truncated 12", "the log ends at record 12, the checkpoint covers 30"},
		"emptied":     {[]string{`DELETE FROM audit_event`}, "truncated 0", "the log ends at record 0, the checkpoint covers 30"},
		"sealed part": {[]string{`UPDATE audit_event SET actor_data = target_data WHERE leaf = 2`}, "changed 2", "the records lead to another root"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newSecond(t, 30)
			kept := x.checkpoint()
			checkpoint := x.file("checkpoint", kept)
			x.says("30 records: nothing was changed.", true, "log", x.records(), checkpoint, x.key)
			for _, statement := range c.statements {
				exec(t, x.db, statement)
			}
			if got := faults(t, x.s, kept); len(got) == 0 || got[0] != c.ours {
				t.Errorf("ours finds %v, want %s", got, c.ours)
			}
			x.says(c.said, false, "log", x.records(), checkpoint, x.key)
		})
	}
}

// Somebody with the keyset starts the log anew, or cuts it off, and signs it: nothing
// is wrong with it but for the checkpoint that was kept.
func TestBothImplementationsHoldAKeptCheckpointAgainstTheLog(t *testing.T) {
	for name, c := range map[string]struct {
		statement, ours, said, consistency string
	}{
		"made anew": {`DELETE FROM audit_event WHERE leaf = 2`, "bad-checkpoint 10", "the records do not continue the older checkpoint over 10", "the log does not continue the older checkpoint"},
		"cut off":   {`DELETE FROM audit_event WHERE leaf >= 6`, "truncated 6", "the log was cut off: the newer checkpoint covers 6 records, the older one 10", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newSecond(t, 10)
			kept := x.checkpoint()
			older := x.file("older", kept)
			fill(t, x.db, x.s, 10)
			sequence(t, x.s)
			x.says("they continue what was kept earlier", true, "log", x.records(), x.file("checkpoint", x.checkpoint()), x.key, "--older", older)
			x.says("10 more are newer than the checkpoint", true, "log", x.records(), older, x.key)
			for _, statement := range []string{`DELETE FROM audit_hash`, `DELETE FROM audit_checkpoint`, c.statement, `UPDATE audit_event SET leaf = -1`} {
				exec(t, x.db, statement)
			}
			sequence(t, x.s)
			audittest.CheckLog(t, x.s)
			checkpoint, records := x.file("checkpoint", x.checkpoint()), x.records()
			x.says("nothing was changed", true, "log", records, checkpoint, x.key)
			if got := faults(t, x.s, kept); len(got) == 0 || got[0] != c.ours {
				t.Errorf("ours finds %v, want %s", got, c.ours)
			}
			x.says(c.said, false, "log", records, checkpoint, x.key, "--older", older)
			proof, err := x.s.Continues(t.Context(), 10)
			if c.consistency == "" {
				if !problem.Has(err, problem.LogShorter) {
					t.Errorf("a proof of what is gone: %v", err)
				}
				return
			}
			if err != nil || proof.Check(x.key, kept) == nil {
				t.Errorf("ours takes it for the same log: %v", err)
			}
			x.says(c.consistency, false, "consistency", x.json("proof", proof), older, x.key)
		})
	}
}

func TestBothImplementationsJudgeAProof(t *testing.T) {
	x := newSecond(t, 13)
	id := audittest.Events(t, x.db, x.s)[4].ID
	right, err := x.s.Prove(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	other := newSecond(t, 13)
	x.says("reset.started "+id+" is record 4 of 13: the proof holds.", true, "proof", x.json("proof", right), x.key)
	for name, c := range map[string]struct {
		bend func(*audit.Proof)
		said string
	}{
		"the event":          {func(p *audit.Proof) { p.Data = append(slices.Clone(p.Data), 0) }, "the leaf hash is not that of the event"},
		"the leaf hash":      {func(p *audit.Proof) { p.LeafHash = make([]byte, 32) }, "the leaf hash is not that of the event"},
		"the place":          {func(p *audit.Proof) { p.Leaf++ }, "the proof leads to another root"},
		"beyond the end":     {func(p *audit.Proof) { p.Leaf = 13 }, "the place is not in the log"},
		"a hash":             {func(p *audit.Proof) { p.Hashes[1] = make([]byte, 32) }, "the proof leads to another root"},
		"half a hash":        {func(p *audit.Proof) { p.Hashes[1] = p.Hashes[1][:16] }, "a hash of the proof has the wrong length"},
		"one hash less":      {func(p *audit.Proof) { p.Hashes = p.Hashes[1:] }, "the path of the proof is too short"},
		"one hash more":      {func(p *audit.Proof) { p.Hashes = append(p.Hashes, p.Hashes[0]) }, "the path of the proof is too long"},
		"the size":           {func(p *audit.Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n13\n", "\n14\n", 1) }, "no signature of the checkpoint holds"},
		"another log":        {func(p *audit.Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "kunci.test", "other.test", 1) }, "the checkpoint is not of this log"},
		"another key's head": {func(p *audit.Proof) { p.Checkpoint = other.checkpoint() }, "no signature of the checkpoint holds"},
		"no head":            {func(p *audit.Proof) { p.Checkpoint = "" }, "the checkpoint cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			x := *x
			x.t = t
			bent := right
			bent.Hashes = slices.Clone(right.Hashes)
			if c.bend(&bent); bent.Check(x.key) == nil {
				t.Error("ours holds")
			}
			x.says(c.said, false, "proof", x.json("bent", bent), x.key)
		})
	}
	if right.Check(other.key) == nil {
		t.Error("another log's key checks it")
	}
	x.says("no signature of the checkpoint holds", false, "proof", x.json("proof", right), other.key)
	x.says("the public key cannot be read", false, "proof", x.json("proof", right), "a key")
	x.says("the proof cannot be read: it was cut off or changed", false, "proof", x.file("half", `{"leaf_index":`), x.key)
}

// Every older size against every newer one in ours; the other one judges some, and
// each way to forge them.
func TestBothImplementationsJudgeConsistency(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := audittest.New(t, db)
		key, err := s.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for size := range 20 {
			fill(t, db, s, 1)
			sequence(t, s)
			for older, checkpoint := range kept {
				c, err := s.Continues(t.Context(), int64(older+1))
				if err != nil || c.Check(key, checkpoint) != nil {
					t.Fatalf("%d after %d: %v, %v", size+1, older+1, err, c.Check(key, checkpoint))
				}
			}
			checkpoint, err := s.Checkpoint(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, checkpoint)
		}
		for _, size := range []int64{-1, 21} {
			if _, err := s.Continues(t.Context(), size); !problem.Has(err, problem.LogShorter) {
				t.Errorf("%d of 20: %v", size, err)
			}
		}
	})
	x := newSecond(t, 1)
	kept := []string{"", x.checkpoint()}
	for range 12 {
		fill(t, x.db, x.s, 1)
		sequence(t, x.s)
		kept = append(kept, x.checkpoint())
	}
	proofOf := func(size int64) audit.Consistency {
		c, err := x.s.Continues(t.Context(), size)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, size := range []int64{1, 2, 3, 6, 7, 8, 12, 13} {
		x.says("The log of 13 records continues the one of", true, "consistency", x.json("proof", proofOf(size)), x.file("older", kept[size]), x.key)
	}
	other := newSecond(t, 6)
	for name, c := range map[string]struct {
		older string
		bend  func(*audit.Consistency)
		said  string
	}{
		"a hash":                  {kept[6], func(c *audit.Consistency) { c.Hashes[0] = make([]byte, 32) }, "what it covered was changed"},
		"the last hash":           {kept[6], func(c *audit.Consistency) { c.Hashes[len(c.Hashes)-1] = make([]byte, 32) }, "the proof leads to another root"},
		"one hash less":           {kept[6], func(c *audit.Consistency) { c.Hashes = c.Hashes[:len(c.Hashes)-1] }, "too short"},
		"one hash more":           {kept[6], func(c *audit.Consistency) { c.Hashes = append(c.Hashes, c.Hashes[0]) }, "too long"},
		"no hashes":               {kept[6], func(c *audit.Consistency) { c.Hashes = nil }, "too short"},
		"hashes for the same":     {kept[13], func(*audit.Consistency) {}, "too long"},
		"of another size":         {kept[7], func(*audit.Consistency) {}, "It does not hold"},
		"an older one":            {kept[13], func(c *audit.Consistency) { c.Checkpoint = kept[6] }, "the log was cut off: the newer checkpoint covers 6 records, the older one 13"},
		"older than another log":  {other.checkpoint(), func(*audit.Consistency) {}, "no signature of the older checkpoint holds"},
		"newer of another log":    {kept[6], func(c *audit.Consistency) { c.Checkpoint = other.checkpoint() }, "no signature of the checkpoint holds"},
		"older that was changed":  {strings.Replace(kept[6], "\n6\n", "\n5\n", 1), func(*audit.Consistency) {}, "no signature of the older checkpoint holds"},
		"older that is something": {"kept", func(*audit.Consistency) {}, "the older checkpoint cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			x := *x
			x.t = t
			bent := proofOf(6)
			if c.bend(&bent); bent.Check(x.key, c.older) == nil {
				t.Error("ours holds")
			}
			x.says(c.said, false, "consistency", x.json("bent", bent), x.file("older", c.older), x.key)
		})
	}
}

// What somebody does to an export afterwards is found by holding it against the records.
func TestAnExportIsHeldAgainstTheRecords(t *testing.T) {
	x := newSecond(t, 6)
	admin := audit.Actor{Kind: audit.CLI, UserID: "operator"}
	record(t, x.db, x.s, admin, audit.Event{Kind: audit.TapIssued, Org: "contoso", Target: "account-2", TargetUserID: "citra@contoso.com", Outcome: audit.Success, Reason: "a<b>&c"})
	sequence(t, x.s)
	right := x.export() // its own event is the last one, and has no place yet
	sequence(t, x.s)
	fill(t, x.db, x.s, 2)
	sequence(t, x.s)
	records, checkpoint := x.records(), x.file("checkpoint", x.checkpoint())
	lines := strings.SplitAfter(strings.TrimSuffix(right, "\n"), "\n")
	if len(lines) != 8 {
		t.Fatalf("%d lines", len(lines))
	}
	without := func(from, to int) string { return strings.Join(slices.Delete(slices.Clone(lines), from, to), "") }
	at := func(n int, from, to string) string {
		all := slices.Clone(lines)
		if all[n] = strings.Replace(all[n], from, to, 1); all[n] == lines[n] {
			t.Fatalf("%s is not in %s", from, all[n])
		}
		return strings.Join(all, "")
	}
	x.says("8 exported events are what was logged, and up to record 6 none is missing.", true, "log", records, checkpoint, x.key, x.file("events", right))
	x.says("Names and addresses of people are sealed in the log and were not compared.", true, "log", records, checkpoint, x.key, x.file("events", right))
	x.says("4 exported events are what was logged, and up to record 3 none is missing.", true, "log", records, checkpoint, x.key, x.file("events", without(4, 8)))
	x.says("2 exported events are what was logged.", true, "log", records, checkpoint, x.key, x.file("events", lines[2]+lines[5]), "--filtered")
	for name, c := range map[string]struct{ text, said string }{
		"a kind":       {at(2, "reset.started", "reset.completed"), "is not what was logged at record 2"},
		"an outcome":   {at(2, `"outcome":"success"`, `"outcome":"denied"`), "is not what was logged at record 2"},
		"a reason":     {at(2, `reason-2`, `reason-3`), "is not what was logged at record 2"},
		"an account":   {at(2, `"target":"account-1"`, `"target":"account-2"`), "is not what was logged at record 2"},
		"a detail":     {at(2, `"n":"2"`, `"n":"3"`), "is not what was logged at record 2"},
		"a time":       {at(2, `"time":"20`, `"time":"19`), "has another time than record 2"},
		"a place":      {at(2, `"leaf":2`, `"leaf":3`), "is said to be record 3, and is record 2"},
		"taken out":    {without(3, 4), "record 3 (reset.started) is not in the export"},
		"the first":    {without(0, 1), "record 0 (reset.started) is not in the export"},
		"reordered":    {strings.Join([]string{lines[1], lines[0]}, "") + strings.Join(lines[2:], ""), "line 2 of the export stands out of order, or is there twice"},
		"doubled":      {lines[0] + strings.Join(lines, ""), "line 2 of the export stands out of order, or is there twice"},
		"a cut line":   {right[:len(right)-20], "line 8 of the export cannot be read: it was cut off or changed"},
		"no event":     {`{"a":1}` + "\n", "line 1 of the export is no event"},
		"nothing":      {"", "the export is empty"},
		"made up":      {strings.Join(lines, "") + "\n" + strings.Replace(strings.Replace(lines[5], `"id":"0`, `"id":"1`, 1), `"leaf":5`, `"leaf":6`, 1), "is not in the log"},
		"erased early": {at(2, `"outcome"`, `"erased":true,"outcome"`), "is shown as erased, and no record says that its person was"},
	} {
		t.Run(name, func(t *testing.T) {
			x := *x
			x.t = t
			x.says(c.said, false, "log", records, checkpoint, x.key, x.file("events", c.text))
		})
	}
	x.says("cannot be read", false, "log", records, checkpoint, x.key, filepath.Join(x.dir, "nowhere"))
	x.says("line 3 of the records cannot be read: it was cut off or changed", false, "log", x.file("half", func() string {
		text, err := os.ReadFile(records)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.SplitAfter(string(text), "\n")
		return all[0] + all[1] + all[2][:40]
	}()), checkpoint, x.key)
}

// A person who was erased, and one whose key is gone without a word of it.
func TestBothImplementationsSeeWhoWasErased(t *testing.T) {
	admin := audit.Actor{Kind: audit.CLI, UserID: "operator"}
	x := newSecond(t, 5)
	before := x.export()
	err := x.db.Write(t.Context(), func(tx *store.Tx) error { return x.s.Erase(t.Context(), tx, admin, "contoso", "account-1") })
	if err != nil {
		t.Fatal(err)
	}
	sequence(t, x.s)
	after := x.export()
	sequence(t, x.s)
	if strings.Contains(after, "alain@") || strings.Count(after, `"erased":true`) != 5 {
		t.Fatalf("erased: %s", after)
	}
	checkpoint := x.file("checkpoint", x.checkpoint())
	audittest.CheckLog(t, x.s)
	x.says("none is missing", true, "log", x.records(), checkpoint, x.key, x.file("events", after))
	x.says("none is missing", true, "log", x.records(), checkpoint, x.key, x.file("events", before))

	x = newSecond(t, 5)
	exec(t, x.db, `UPDATE audit_person SET sealed = x'', erased_at = 1`)
	after = x.export()
	sequence(t, x.s)
	if got := faults(t, x.s); len(got) == 0 || got[0] != "key-lost 0" {
		t.Errorf("ours finds %v", got)
	}
	x.says("is shown as erased, and no record says that its person was", false, "log", x.records(), x.file("checkpoint", x.checkpoint()), x.key, x.file("events", after))
}

// What identifies people in old events goes by its age; one record tells the day.
func TestBothImplementationsSeeThatOldPeopleWereForgotten(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		x := &second{t: t, dir: t.TempDir(), db: db, s: audittest.New(t, db)}
		var err error
		if x.key, err = x.s.PublicKey(); err != nil {
			t.Fatal(err)
		}
		fill(t, db, x.s, 3)
		clock.Advance(100 * 24 * time.Hour)
		fill(t, db, x.s, 2)
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := x.s.EraseBefore(t.Context(), tx, audit.Actor{Kind: audit.System}, clock.Now().AddDate(0, 0, -50), 10)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		sequence(t, x.s)
		events := x.export()
		sequence(t, x.s)
		if strings.Count(events, `"erased":true`) != 3 {
			t.Fatal(events)
		}
		audittest.CheckLog(t, x.s)
		records, checkpoint := x.records(), x.file("checkpoint", x.checkpoint())
		x.says("none is missing", true, "log", records, checkpoint, x.key, x.file("events", events))
		waits := strings.Replace(events, `"leaf":0,`, `"leaf":-1,`, 1)
		x.says("has no place in the log although newer ones have", false, "log", records, checkpoint, x.key, x.file("events", waits))
		early := strings.Replace(events, `"n":"1"}}`, `"n":"1"},"erased":true}`, 1)
		if early == events {
			t.Fatal("no newer event to bend")
		}
		x.says("is shown as erased, and no record says that its person was", false, "log", records, checkpoint, x.key, x.file("events", early))
	})
}
