package audit

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"kunci.dev/kunci/internal/store"
)

// spanSize is how many places are read at a time; a power of two, so that a
// leaf and its neighbour are in one span.
const spanSize = 4096

// span is a stretch of the log as it is in the database.
type span struct {
	from, to int64
	records  []leafRecord // by place
	hashes   []byte       // the stored hashes of its leaves, zero where one is missing
	keys     []usedKey    // person keys that its records use, once each
	erasures []erasure    // what its records tell was erased
	err      error
}

// leafRecord is what remains of a record once it is hashed.
type leafRecord struct {
	leaf int64
	id   string
	hash tlog.Hash
}

// walk reads the log in spans, several at a time, and judges them in order.
func (v *verification) walk(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	end := min(v.end, v.most)
	ordered := make(chan chan span, readers()-1)
	group.Go(func() {
		defer close(ordered)
		for from := int64(0); from < end; from += spanSize {
			one := make(chan span, 1)
			select {
			case ordered <- one:
			case <-ctx.Done():
				return
			}
			group.Go(func() { one <- v.service.readSpan(ctx, from, min(from+spanSize, end)) })
		}
	})
	for one := range ordered {
		s := <-one
		if s.err != nil {
			return s.err
		}
		if err := v.judge(s); err != nil {
			return err
		}
		if v.progress != nil {
			v.progress(s.to, end)
		}
	}
	return ctx.Err()
}

// readSpan reads records and stored hashes of the places from up to to, and
// hashes the records.
func (s *Service) readSpan(ctx context.Context, from, to int64) span {
	var read span
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) error {
		read = span{from: from, to: to, records: make([]leafRecord, 0, to-from)}
		first, end := tlog.StoredHashIndex(0, from), tlog.StoredHashIndex(0, to)
		read.hashes = make([]byte, (end-first)*tlog.HashSize)
		err := eachBlock(ctx, tx, first/blockHashes, (end-1)/blockHashes+1, func(block int64, hashes []byte) error {
			at := (block*blockHashes - first) * tlog.HashSize // where the block begins in the span
			if at < 0 {
				hashes = hashes[min(-at, int64(len(hashes))):]
				at = 0
			}
			copy(read.hashes[min(at, int64(len(read.hashes))):], hashes)
			return nil
		})
		if err != nil {
			return err
		}
		var keys keySet
		var buffer []byte
		err = eachPacked(ctx, tx, from, to, func(p *packed) error {
			buffer = p.appendLeaf(append(buffer[:0], 0)) // RFC 6962, 2.1: a leaf is hashed behind a zero byte
			read.records = append(read.records, leafRecord{p.leaf, p.text(packedID), sha256.Sum256(buffer)})
			keys.add(p.text(packedActorKey), p.leaf, p.at)
			keys.add(p.text(packedTargetKey), p.leaf, p.at)
			if p.text(packedReason) == erased {
				r := row{kind: p.text(packedKind), reason: erased, detail: p.text(packedDetail)}
				if e := r.erasure(); len(e.keys) > 0 || e.before > 0 {
					read.erasures = append(read.erasures, e)
				}
			}
			return nil
		})
		read.keys = keys.all
		return err
	})
	if err != nil {
		return span{err: err}
	}
	return read
}

// usedKey is a person key, the first record of a span that uses it, and the time of the last.
type usedKey struct {
	id   string
	leaf int64
	last int64
}

// keySet collects the keys of a span once each.
type keySet struct {
	at   map[string]int
	last int // the place of the one that was added last
	all  []usedKey
}

func (k *keySet) add(id string, leaf, at int64) {
	if id == "" {
		return
	}
	if len(k.all) > 0 && k.all[k.last].id == id {
		k.all[k.last].last = max(k.all[k.last].last, at)
		return
	}
	if k.at == nil {
		k.at = make(map[string]int)
	}
	place, there := k.at[id]
	if !there {
		place = len(k.all)
		k.at[strings.Clone(id)] = place
		k.all = append(k.all, usedKey{strings.Clone(id), leaf, at})
	}
	k.last = place
	k.all[place].last = max(k.all[place].last, at)
}

// judge holds the records of a span against its stored hashes, and adds them
// to the tree.
func (v *verification) judge(s span) error {
	for _, key := range s.keys {
		use, ok := v.keys[key.id]
		if !ok {
			use.leaf = key.leaf
		}
		use.last = max(use.last, key.last)
		v.keys[key.id] = use
	}
	for _, e := range s.erasures {
		v.note(e)
	}
	records := s.records
	for leaf := s.from; leaf < s.to; leaf++ {
		var hash tlog.Hash
		var id string
		stored, _ := s.stored(tlog.StoredHashIndex(0, leaf))
		if len(records) == 0 || records[0].leaf != leaf {
			// Named, and passed over with its stored hash, so that the records
			// after it are still judged one by one.
			if err := v.fault(Removed, leaf, ""); err != nil {
				return err
			}
			hash = stored
		} else {
			var err error
			if hash, id, records, err = v.atLeaf(s, records, stored); err != nil {
				return err
			}
		}
		if err := v.grow(s, leaf, hash, id); err != nil {
			return err
		}
	}
	return nil
}

// atLeaf judges the records at the place of the first one: there should be one
// alone, with the stored hash. It gives the hash to go on with.
func (v *verification) atLeaf(s span, records []leafRecord, stored tlog.Hash) (tlog.Hash, string, []leafRecord, error) {
	n := 1
	for n < len(records) && records[n].leaf == records[0].leaf {
		n++
	}
	here, rest := records[:n], records[n:]
	right := 0
	for i, r := range here {
		if r.hash == stored {
			right = i
		}
	}
	for i, r := range here {
		if i != right {
			if err := v.fault(Added, r.leaf, r.id); err != nil {
				return tlog.Hash{}, "", nil, err
			}
		}
	}
	record := here[right]
	if record.hash == stored || stored == (tlog.Hash{}) || s.parentAgrees(record) || v.rootAgrees(record) {
		return record.hash, record.id, rest, nil // a wrong or missing stored hash is named by grow
	}
	v.misfits = append(v.misfits, misfit{len(v.report.Faults), record.hash})
	err := v.fault(Changed, record.leaf, record.id)
	// Go on with what was logged: the tree above is judged by itself.
	return stored, record.id, rest, err
}

// stored gives a stored hash by tlog's number; false when it is not of this span.
func (s span) stored(index int64) (tlog.Hash, bool) {
	at := (index - tlog.StoredHashIndex(0, s.from)) * tlog.HashSize
	if at < 0 || at+tlog.HashSize > int64(len(s.hashes)) {
		return tlog.Hash{}, false
	}
	return tlog.Hash(s.hashes[at : at+tlog.HashSize]), true
}

// parentAgrees tells that not the record was changed but the stored hash of
// its leaf: the stored hash above fits the record.
func (s span) parentAgrees(r leafRecord) bool {
	neighbour, ok := s.stored(tlog.StoredHashIndex(0, r.leaf^1))
	if !ok {
		return false
	}
	parent, ok := s.stored(tlog.StoredHashIndex(1, r.leaf/2))
	if !ok {
		return false
	}
	if r.leaf&1 == 0 {
		return tlog.NodeHash(r.hash, neighbour) == parent
	}
	return tlog.NodeHash(neighbour, r.hash) == parent
}

// rootAgrees tells the same of the last record, which has no hash above it:
// the signed root fits the record.
func (v *verification) rootAgrees(r leafRecord) bool {
	return r.leaf&1 == 0 && slices.Contains(v.known[r.leaf+1], fold(v.tree, r.hash))
}

// grow adds a leaf to the tree, compares every hash that becomes complete with
// the stored one, and the root with the checkpoints of this size.
func (v *verification) grow(s span, leaf int64, hash tlog.Hash, id string) error {
	index := tlog.StoredHashIndex(0, leaf)
	current := node{0, hash}
	for {
		if stored, ok := s.stored(index); !ok || stored != current.hash {
			if err := v.fault(HashChanged, leaf, id); err != nil {
				return err
			}
		}
		index++
		n := len(v.tree)
		if n == 0 || v.tree[n-1].level != current.level {
			break
		}
		left := v.tree[n-1]
		v.tree = v.tree[:n-1]
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

// root is the hash over everything so far.
func (v *verification) root() tlog.Hash {
	last := len(v.tree) - 1
	return fold(v.tree[:last], v.tree[last].hash)
}

// fold puts complete subtrees before a hash, from the right.
func fold(subtrees []node, hash tlog.Hash) tlog.Hash {
	for i := len(subtrees) - 1; i >= 0; i-- {
		hash = tlog.NodeHash(subtrees[i].hash, hash)
	}
	return hash
}

// tellMoved tells records that stand elsewhere from those that were changed:
// the hash of a moved one is stored at another place.
func (v *verification) tellMoved(ctx context.Context, tx *store.Tx) error {
	if len(v.misfits) == 0 {
		return nil
	}
	faults := make(map[tlog.Hash]int, len(v.misfits))
	for _, m := range v.misfits {
		faults[m.hash] = m.fault
	}
	return eachBlock(ctx, tx, 0, 1+tlog.StoredHashIndex(0, v.end)/blockHashes, func(_ int64, hashes []byte) error {
		for ; len(hashes) >= tlog.HashSize; hashes = hashes[tlog.HashSize:] {
			if fault, ok := faults[tlog.Hash(hashes[:tlog.HashSize])]; ok {
				v.report.Faults[fault].Kind = Reordered
			}
		}
		return nil
	})
}
