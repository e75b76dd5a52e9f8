package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Proof shows that an event is in the log: the hashes that lead from its leaf
// to the root of the checkpoint (RFC 6962, 2.1.1).
type Proof struct {
	Leaf       int64    `json:"leaf_index"`
	LeafHash   []byte   `json:"leaf_hash"`
	Data       []byte   `json:"leaf_hash_input"` // what the leaf hashes, after a byte of zero
	Hashes     [][]byte `json:"hashes"`
	Checkpoint string   `json:"checkpoint"`
}

// errProof says that a proof does not hold.
var errProof = errors.New("the proof does not lead from the event to the signed checkpoint")

// Check holds a proof against the log's public key (Service.PublicKey). It
// needs no database: whoever got the proof can do it.
func (p Proof) Check(publicKey string) error {
	verifier, err := note.NewVerifier(publicKey)
	if err != nil {
		return fmt.Errorf("the log's public key: %w", err)
	}
	signed, err := openHead(verifier, p.Checkpoint)
	if err != nil {
		return err
	}
	path := make(tlog.RecordProof, len(p.Hashes))
	for i, hash := range p.Hashes {
		if len(hash) != tlog.HashSize {
			return errProof
		}
		path[i] = tlog.Hash(hash)
	}
	leaf := tlog.RecordHash(p.Data)
	if string(leaf[:]) != string(p.LeafHash) || tlog.CheckRecord(path, signed.size, signed.root, p.Leaf, leaf) != nil {
		return errProof
	}
	return nil
}

// Prove makes the proof for one event; store.ErrNoRows when there is no such
// event or it has no place yet. Where the event was changed after it was
// logged there is no proof, but an error.
func (s *Service) Prove(ctx context.Context, id string) (Proof, error) {
	var p Proof
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) error {
		leaf, err := leafOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if leaf < 0 {
			return store.ErrNoRows
		}
		c, err := newestCheckpoint(ctx, tx)
		if err != nil {
			return err
		}
		if leaf >= c.size {
			return errProof
		}
		path, err := tlog.ProveRecord(c.size, leaf, &storedHashes{ctx: ctx, tx: tx, blocks: make(map[int64][]byte)})
		if err != nil {
			return err
		}
		p = Proof{Leaf: leaf, Checkpoint: c.text}
		for _, hash := range path {
			p.Hashes = append(p.Hashes, hash[:])
		}
		return eachEvent(ctx, tx, func(r row) error {
			p.Data = r.leafData()
			hash := tlog.RecordHash(p.Data)
			p.LeafHash = hash[:]
			return nil
		}, `WHERE id = $1`, id)
	})
	if err == nil {
		var public string
		if public, err = s.PublicKey(); err == nil {
			err = p.Check(public)
		}
	}
	if err != nil {
		return Proof{}, fmt.Errorf("audit: proof: %w", err)
	}
	return p, nil
}

// ProveFor is Prove for an event of one organization; another's is store.ErrNoRows.
func (s *Service) ProveFor(ctx context.Context, orgID, id string) (Proof, error) {
	var found string
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) (err error) {
		found, err = orgOf(ctx, tx, id)
		return err
	})
	if err == nil && found != orgID {
		err = store.ErrNoRows
	}
	if err != nil {
		return Proof{}, fmt.Errorf("audit: proof: %w", err)
	}
	return s.Prove(ctx, id)
}

// Consistency shows that the log continues what an older checkpoint covers: nothing
// of that was changed, and it is all still there (RFC 6962, 2.1.2). Somebody with two
// checkpoints needs no record for it.
type Consistency struct {
	Older      int64    `json:"older_size"`
	Hashes     [][]byte `json:"hashes"`
	Checkpoint string   `json:"checkpoint"`
}

var errConsistency = errors.New("the log does not continue the older checkpoint: what it covers was changed, or the proof was")

// Check holds it against the log's public key and the older checkpoint.
func (c Consistency) Check(publicKey, older string) error {
	verifier, err := note.NewVerifier(publicKey)
	if err != nil {
		return fmt.Errorf("the log's public key: %w", err)
	}
	was, err := openHead(verifier, older)
	if err != nil {
		return fmt.Errorf("the older one: %w", err)
	}
	is, err := openHead(verifier, c.Checkpoint)
	if err != nil {
		return err
	}
	proof := make(tlog.TreeProof, len(c.Hashes))
	for i, hash := range c.Hashes {
		if len(hash) != tlog.HashSize {
			return errConsistency
		}
		proof[i] = tlog.Hash(hash)
	}
	if was.size == 0 && len(proof) == 0 {
		return nil // everything continues nothing
	}
	if was.size > is.size || tlog.CheckTree(proof, is.size, is.root, was.size, was.root) != nil {
		return errConsistency
	}
	return nil
}

// Continues makes the proof that the log of now continues its first so many records.
// Problem LogShorter where it has fewer.
func (s *Service) Continues(ctx context.Context, older int64) (Consistency, error) {
	c := Consistency{Older: older, Hashes: [][]byte{}}
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) error {
		newest, err := newestCheckpoint(ctx, tx)
		if err != nil {
			return err
		}
		c.Checkpoint = newest.text
		if older < 0 || older > newest.size || newest.size == 0 {
			return problem.New(problem.LogShorter).On("size")
		}
		if older == 0 {
			return nil
		}
		proof, err := tlog.ProveTree(newest.size, older, &storedHashes{ctx: ctx, tx: tx, blocks: make(map[int64][]byte)})
		for _, hash := range proof {
			c.Hashes = append(c.Hashes, hash[:])
		}
		return err
	})
	if err != nil {
		return Consistency{}, fmt.Errorf("audit: consistency: %w", err)
	}
	return c, nil
}

// SizeOf is how many records a checkpoint covers that this log's key signed.
func (s *Service) SizeOf(checkpoint string) (int64, error) {
	h, err := s.openCheckpoint(checkpoint)
	return h.size, err
}
