package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
	Truncated     FaultKind = "truncated"      // the log is shorter than a checkpoint says
	HashChanged   FaultKind = "hash-changed"   // a stored hash is not the right one
	BadCheckpoint FaultKind = "bad-checkpoint" // a checkpoint is not signed by the key, or says another root
)

// Fault is one thing that is wrong: at which place, and which record if one is there.
type Fault struct {
	Kind FaultKind `json:"kind"`
	Leaf int64     `json:"leaf"`
	ID   string    `json:"id,omitempty"`
}

// String is the fault in plain words for an operator.
func (f Fault) String() string {
	at := fmt.Sprintf("record %d", f.Leaf)
	if f.ID != "" {
		at += " (" + f.ID + ")"
	}
	switch f.Kind {
	case Changed:
		return at + " was changed after it was logged"
	case Removed:
		return at + " was removed"
	case Reordered:
		return at + " stands at another record's place"
	case Truncated:
		return fmt.Sprintf("the log ends at record %d although a signed checkpoint covers more", f.Leaf)
	case HashChanged:
		return "a stored hash of " + at + " was changed"
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

// Verify computes the whole log again from the records and compares it with
// the stored hashes and every checkpoint. Known are checkpoints that were kept
// elsewhere; they must lie on the same history.
func (s *Service) Verify(ctx context.Context, known ...string) (Report, error) {
	v := &verifier{known: make(map[int64][]tlog.Hash)}
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) error {
		if err := s.expected(ctx, tx, v, known); err != nil {
			return err
		}
		if err := v.records(ctx, tx); err != nil {
			return err
		}
		var err error
		v.report.Waiting, err = countWaiting(ctx, tx)
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return Report{}, fmt.Errorf("audit: verify: %w", err)
	}
	return v.report, nil
}

var errEnough = errors.New("enough faults")

type verifier struct {
	report Report
	known  map[int64][]tlog.Hash // roots by size, from signed checkpoints
	most   int64                 // the largest size a checkpoint covers
	tree   []node                // complete subtrees of what was read, large to small
}

type node struct {
	level int
	hash  tlog.Hash
}

func (v *verifier) fault(kind FaultKind, leaf int64, id string) error {
	v.report.Faults = append(v.report.Faults, Fault{kind, leaf, id})
	if len(v.report.Faults) >= maxFaults {
		return errEnough
	}
	return nil
}

// expected opens the checkpoints.
func (s *Service) expected(ctx context.Context, tx *store.Tx, v *verifier, known []string) error {
	stored, err := allCheckpoints(ctx, tx)
	if err != nil {
		return err
	}
	for _, text := range known {
		stored = append(stored, checkpoint{size: -1, text: text})
	}
	v.report.Checkpoints = len(stored)
	for _, c := range stored {
		opened, err := s.openCheckpoint(c.text)
		if err != nil || (c.size >= 0 && opened.size != c.size) {
			if err := v.fault(BadCheckpoint, max(c.size, 0), ""); err != nil {
				return err
			}
			continue
		}
		v.known[opened.size] = append(v.known[opened.size], opened.root)
		v.most = max(v.most, opened.size)
	}
	return nil
}

// records reads records and stored hashes side by side, in the order of the log.
func (v *verifier) records(ctx context.Context, tx *store.Tx) error {
	hashes, err := readAllHashes(ctx, tx)
	if err != nil {
		return err
	}
	places := make(map[tlog.Hash]int64) // of stored leaf hashes, made when the first one does not fit
	next := int64(0)
	err = eachEvent(ctx, tx, func(r row) error {
		for ; next < r.leaf; next++ {
			if err := v.skip(hashes, next); err != nil {
				return err
			}
		}
		next++
		return v.record(hashes, places, r)
	}, `WHERE leaf >= 0 ORDER BY leaf`)
	if err != nil {
		return err
	}
	v.report.Records = next
	if next < v.most {
		return v.fault(Truncated, next, "")
	}
	return nil
}

// skip names a missing record and goes on with its stored hash, so that the
// records after it are still judged one by one.
func (v *verifier) skip(hashes [][]byte, leaf int64) error {
	if err := v.fault(Removed, leaf, ""); err != nil {
		return err
	}
	stored, _ := storedLeaf(hashes, leaf)
	return v.grow(hashes, leaf, stored, "")
}

func storedLeaf(hashes [][]byte, leaf int64) (tlog.Hash, bool) {
	index := tlog.StoredHashIndex(0, leaf)
	if index >= int64(len(hashes)) || len(hashes[index]) != tlog.HashSize {
		return tlog.Hash{}, false
	}
	return tlog.Hash(hashes[index]), true
}

func (v *verifier) record(hashes [][]byte, places map[tlog.Hash]int64, r row) error {
	hash := tlog.RecordHash(r.leafData())
	stored, ok := storedLeaf(hashes, r.leaf)
	if ok && hash != stored {
		if err := v.fault(misfit(hashes, places, hash), r.leaf, r.id); err != nil {
			return err
		}
		// Go on with what was logged: the tree above is judged by itself.
		hash = stored
	}
	return v.grow(hashes, r.leaf, hash, r.id)
}

// misfit tells a record that stands elsewhere from one that was changed.
func misfit(hashes [][]byte, places map[tlog.Hash]int64, hash tlog.Hash) FaultKind {
	if len(places) == 0 {
		for leaf := int64(0); ; leaf++ {
			stored, ok := storedLeaf(hashes, leaf)
			if !ok {
				break
			}
			places[stored] = leaf
		}
	}
	if _, ok := places[hash]; ok {
		return Reordered
	}
	return Changed
}

// grow adds a leaf to the tree, compares every hash that becomes complete with
// the stored one, and the root with the checkpoints of this size.
func (v *verifier) grow(hashes [][]byte, leaf int64, hash tlog.Hash, id string) error {
	index := tlog.StoredHashIndex(0, leaf)
	current := node{0, hash}
	for {
		if index >= int64(len(hashes)) || !bytes.Equal(hashes[index], current.hash[:]) {
			if err := v.fault(HashChanged, leaf, id); err != nil {
				return err
			}
		}
		index++
		if n := len(v.tree); n == 0 || v.tree[n-1].level != current.level {
			break
		}
		left := v.tree[len(v.tree)-1]
		v.tree = v.tree[:len(v.tree)-1]
		current = node{current.level + 1, tlog.NodeHash(left.hash, current.hash)}
	}
	v.tree = append(v.tree, current)
	size := leaf + 1
	for _, want := range v.known[size] {
		if v.root() != want {
			if err := v.fault(BadCheckpoint, size, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// root folds the complete subtrees from the right.
func (v *verifier) root() tlog.Hash {
	root := v.tree[len(v.tree)-1].hash
	for i := len(v.tree) - 2; i >= 0; i-- {
		root = tlog.NodeHash(v.tree[i].hash, root)
	}
	return root
}

// readAllHashes gives the stored hashes by index: 64 bytes a record, so a
// million records take 64 MB while a verification runs.
func readAllHashes(ctx context.Context, tx *store.Tx) ([][]byte, error) {
	rows, err := tx.Query(ctx, `SELECT idx, hash FROM audit_hash ORDER BY idx`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][]byte
	for rows.Next() {
		var index int64
		var hash []byte
		if err := rows.Scan(&index, &hash); err != nil {
			return nil, err
		}
		for int64(len(all)) < index {
			all = append(all, nil)
		}
		all = append(all, hash)
	}
	return all, rows.Err()
}
