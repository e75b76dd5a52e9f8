package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"kunci.dev/kunci/internal/store"
)

// FaultKind names what is wrong with a log.
type FaultKind string

// What Verify finds.
const (
	Changed       FaultKind = "changed"        // a record is not what was logged
	Removed       FaultKind = "removed"        // a place in the log has no record
	Reordered     FaultKind = "reordered"      // a record stands at another's place
	Added         FaultKind = "added"          // a second record claims a place
	Unsigned      FaultKind = "unsigned"       // a record is beyond the newest checkpoint
	Truncated     FaultKind = "truncated"      // the log is shorter than a checkpoint says
	HashChanged   FaultKind = "hash-changed"   // a stored hash is not the right one
	HashAdded     FaultKind = "hash-added"     // there are stored hashes beyond the last record
	BadCheckpoint FaultKind = "bad-checkpoint" // a checkpoint is not signed by the key, or says another root
	KeyLost       FaultKind = "key-lost"       // a person's key is gone or damaged, and nobody recorded erasing it
)

// Fault is one thing that is wrong: at which place, and which record if one is
// there. The fault of a person's key has the key as its identifier.
type Fault struct {
	Kind FaultKind `json:"kind"`
	Leaf int64     `json:"leaf"`
	ID   string    `json:"id,omitempty"`
}

// String is the fault in plain words for an operator.
func (f Fault) String() string {
	at := fmt.Sprintf("record %d", f.Leaf)
	if f.ID != "" {
		at += " (" + clean(f.ID) + ")"
	}
	switch f.Kind {
	case Changed:
		return at + " was changed after it was logged"
	case Removed:
		return at + " was removed"
	case Reordered:
		return at + " stands at another record's place"
	case Added:
		return at + " was added at a place that is taken"
	case Unsigned:
		return at + " is covered by no signed checkpoint: it was added past the log, or checkpoints were removed"
	case Truncated:
		return fmt.Sprintf("the log ends before record %d although a signed checkpoint covers more", f.Leaf)
	case HashChanged:
		return "a stored hash of " + at + " was changed"
	case HashAdded:
		return fmt.Sprintf("there are stored hashes beyond the end of the log at record %d", f.Leaf)
	case KeyLost:
		return "the key " + clean(f.ID) + " of a person is gone or damaged, and no event says that it was erased"
	}
	return fmt.Sprintf("the checkpoint over %d records is not signed by this log's key or covers other records", f.Leaf)
}

// Report is the result of Verify.
type Report struct {
	Records     int64   `json:"records"`
	Waiting     int64   `json:"waiting"` // not yet in the log
	Checkpoints int     `json:"checkpoints"`
	Faults      []Fault `json:"faults"`
}

// OK tells that nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// maxFaults bounds a report: after that many the log is beyond naming single records.
const maxFaults = 100

// VerifyOptions are what a caller may choose.
type VerifyOptions struct {
	// Known are checkpoints that were kept elsewhere; they must lie on the same history.
	Known []string
	// Progress, when set, is told now and then how many of how many records are done.
	Progress func(done, total int64)
}

// Verify computes the whole log again from the records and compares it with
// the stored hashes and every checkpoint. Known are checkpoints that were kept
// elsewhere; they must lie on the same history.
func (s *Service) Verify(ctx context.Context, known ...string) (Report, error) {
	return s.VerifyWith(ctx, VerifyOptions{Known: known})
}

// VerifyWith is Verify with options. It streams: what it holds in memory are a
// few thousand records and the identifier of every person's key.
//
// What it cannot see without a checkpoint kept elsewhere: a log that was cut
// off, or made anew, together with all its checkpoints.
func (s *Service) VerifyWith(ctx context.Context, o VerifyOptions) (Report, error) {
	v := &verification{
		service: s, known: make(map[int64][]tlog.Hash), progress: o.Progress,
		keys: make(map[string]use), erasures: make(map[string]bool),
	}
	err := v.run(ctx, o.Known)
	if err != nil && !errors.Is(err, errEnough) {
		return Report{}, fmt.Errorf("audit: verify: %w", err)
	}
	return v.report, nil
}

var errEnough = errors.New("enough faults")

// verification is one run of Verify. One goroutine owns it; others read spans.
type verification struct {
	service  *Service
	progress func(done, total int64)
	report   Report

	known  map[int64][]tlog.Hash // roots by size, from signed checkpoints
	signed int64                 // the largest size a stored checkpoint covers
	most   int64                 // the same, with the known ones
	end    int64                 // the place after the last record's
	tree   []node                // complete subtrees of what was read, large to small

	misfits  []misfit
	keys     map[string]use  // person keys, and the records that use each
	erasures map[string]bool // person keys whose erasure was recorded
	before   int64           // the day before which everybody's was
}

// use is which records a key seals: the first one's place, and the last one's time.
type use struct{ leaf, last int64 }

// note takes down what a record says was erased.
func (v *verification) note(e erasure) {
	for _, key := range e.keys {
		v.erasures[key] = true
	}
	v.before = max(v.before, e.before)
}

type node struct {
	level int
	hash  tlog.Hash
}

// misfit is a record whose hash is not the stored one: changed, unless its
// hash turns up at another place.
type misfit struct {
	fault int // in the report
	hash  tlog.Hash
}

func (v *verification) run(ctx context.Context, known []string) error {
	db := v.service.deps.DB
	if err := db.Read(ctx, func(tx *store.Tx) error { return v.prepare(ctx, tx, known) }); err != nil {
		return err
	}
	walked := v.walk(ctx)
	if walked != nil && !errors.Is(walked, errEnough) {
		return walked
	}
	return db.Read(ctx, func(tx *store.Tx) error {
		if err := v.tellMoved(ctx, tx); err != nil {
			return err
		}
		if walked != nil { // enough faults: the rest would only add to them
			return walked
		}
		return v.finish(ctx, tx)
	})
}

func (v *verification) fault(kind FaultKind, leaf int64, id string) error {
	v.report.Faults = append(v.report.Faults, Fault{kind, leaf, id})
	if len(v.report.Faults) >= maxFaults {
		return errEnough
	}
	return nil
}

// prepare opens the checkpoints and finds the end of the records, in one state
// of the database. What is appended afterwards is not looked at.
func (v *verification) prepare(ctx context.Context, tx *store.Tx, known []string) error {
	v.report.Faults = nil
	stored, err := allCheckpoints(ctx, tx)
	if err != nil {
		return err
	}
	v.report.Checkpoints = len(stored) + len(known)
	verifier, err := v.service.deps.Keys.Verifier(v.service.deps.Origin)
	if err != nil {
		return err
	}
	for _, c := range stored {
		opened, err := openHead(verifier, c.text)
		if err != nil || opened.size != c.size {
			if err := v.fault(BadCheckpoint, max(c.size, 0), ""); err != nil {
				return err
			}
			continue
		}
		v.known[opened.size] = append(v.known[opened.size], opened.root)
		v.signed = max(v.signed, opened.size)
	}
	v.most = v.signed
	for _, text := range known {
		opened, err := openHead(verifier, text)
		if err != nil {
			if err := v.fault(BadCheckpoint, 0, ""); err != nil {
				return err
			}
			continue
		}
		v.known[opened.size] = append(v.known[opened.size], opened.root)
		v.most = max(v.most, opened.size)
	}
	if v.end, err = endOfRecords(ctx, tx); err != nil {
		return err
	}
	v.report.Records = min(v.end, v.most)
	v.report.Waiting, err = countWaiting(ctx, tx)
	return err
}

// finish looks at what stands beyond the walk: the ends, and the persons' keys.
func (v *verification) finish(ctx context.Context, tx *store.Tx) error {
	err := eachEvent(ctx, tx, func(r row) error { return v.fault(Unsigned, r.leaf, r.id) },
		inSpan+` ORDER BY leaf LIMIT $3`, v.signed, v.end, maxFaults)
	if err == nil && v.end < v.most {
		err = v.fault(Truncated, v.end, "")
	} else if err == nil {
		err = v.extraHashes(ctx, tx)
	}
	if err == nil {
		err = v.persons(ctx, tx)
	}
	return err
}

// extraHashes finds stored hashes beyond those of the newest checkpoint that
// is stored now: one may have been signed since the walk began.
func (v *verification) extraHashes(ctx context.Context, tx *store.Tx) error {
	newest, err := newestCheckpoint(ctx, tx)
	if err != nil {
		return err
	}
	block, size, err := lastBlock(ctx, tx)
	if err != nil {
		return err
	}
	end := tlog.StoredHashIndex(0, max(newest.size, v.end))
	if block*blockHashes*tlog.HashSize+size > end*tlog.HashSize {
		return v.fault(HashAdded, max(newest.size, v.end), "")
	}
	return nil
}

// persons holds the keys that events use against the keys that are there: a
// living one opens, and a missing one was erased by somebody who is on record.
func (v *verification) persons(ctx context.Context, tx *store.Tx) error {
	note := func(r row) error {
		v.note(r.erasure())
		return nil
	}
	// Erasures since the walk began count too, with or without a place.
	if err := eachEvent(ctx, tx, note, `WHERE leaf = -1`); err != nil {
		return err
	}
	if err := eachEvent(ctx, tx, note, `WHERE leaf >= $1 AND leaf >= 0`, v.end); err != nil {
		return err
	}
	err := eachPerson(ctx, tx, func(p person) error {
		by, used := v.keys[p.id]
		leaf := by.leaf
		delete(v.keys, p.id)
		if p.erasedAt != 0 {
			// That its last record is as old as that, the log itself says.
			if used && !v.erasures[p.id] && dayOf(store.Time(by.last)) >= v.before {
				return v.fault(KeyLost, leaf, p.id)
			}
			return nil
		}
		if _, err := v.service.deps.Keys.Open(p.sealed, personAD(p.id, p.subject)); err != nil {
			return v.fault(KeyLost, leaf, p.id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(v.keys)) { // in no row at all
		if err := v.fault(KeyLost, v.keys[id].leaf, id); err != nil {
			return err
		}
	}
	return nil
}

// readers is how many spans are read at once: as many as there are processors,
// and few enough to leave connections to everybody else.
func readers() int { return min(max(runtime.GOMAXPROCS(0), 1), 3) }
