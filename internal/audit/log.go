package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"kunci.dev/kunci/internal/store"
)

// batch bounds how many events one step sequences, so that the writer of
// SQLite is not held for long.
const batch = 500

// Sequence gives waiting events their places in the log, in the order of
// their time, and signs a checkpoint. It tells how many it took; call it until
// that is zero. Two nodes may call it at once.
func (s *Service) Sequence(ctx context.Context) (int, error) {
	taken := 0
	err := s.deps.DB.Write(ctx, func(tx *store.Tx) error {
		taken = 0
		if err := tx.Lock(ctx, "audit.sequence"); err != nil {
			return err
		}
		events, err := waiting(ctx, tx, batch)
		if err != nil || len(events) == 0 {
			return err
		}
		last, err := newestCheckpoint(ctx, tx)
		if err != nil {
			return err
		}
		hashes := &storedHashes{ctx: ctx, tx: tx, fresh: make(map[int64]tlog.Hash)}
		size := last.size
		for _, event := range events {
			if err := hashes.add(size, event); err != nil {
				return err
			}
			size++
		}
		taken = len(events)
		return s.sign(ctx, tx, hashes, size)
	})
	if err != nil {
		return 0, fmt.Errorf("audit: sequencing: %w", err)
	}
	return taken, nil
}

// Run sequences everything that waits.
func (s *Service) Run(ctx context.Context) error {
	for {
		n, err := s.Sequence(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}

// storedHashes reads and writes the hashes of the log in a transaction. What
// was written in it is remembered, so that a batch does not read it back.
type storedHashes struct {
	ctx   context.Context
	tx    *store.Tx
	fresh map[int64]tlog.Hash
}

// ReadHashes is what tlog reads the tree through.
func (h *storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if hash, ok := h.fresh[index]; ok {
			all[i] = hash
			continue
		}
		data, err := selectHash(h.ctx, h.tx, index)
		if err != nil {
			return nil, fmt.Errorf("hash %d: %w", index, err)
		}
		if len(data) != tlog.HashSize {
			return nil, fmt.Errorf("hash %d is damaged", index)
		}
		all[i] = tlog.Hash(data)
	}
	return all, nil
}

func (h *storedHashes) add(leaf int64, event row) error {
	hashes, err := tlog.StoredHashes(leaf, event.leafData(), h)
	if err != nil {
		return err
	}
	first := tlog.StoredHashIndex(0, leaf)
	for i, hash := range hashes {
		if err := insertHash(h.ctx, h.tx, first+int64(i), hash[:]); err != nil {
			return err
		}
		h.fresh[first+int64(i)] = hash
	}
	return setLeaf(h.ctx, h.tx, event.id, leaf)
}

func (s *Service) sign(ctx context.Context, tx *store.Tx, hashes tlog.HashReader, size int64) error {
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return err
	}
	signer, err := s.deps.Keys.Signer(s.deps.Origin)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: headText(s.deps.Origin, size, root)}, signer)
	if err != nil {
		return err
	}
	return insertCheckpoint(ctx, tx, checkpoint{size: size, at: store.Micros(tx.Now()), text: string(signed)})
}

// headText is the text of a C2SP tlog-checkpoint: origin, size, root.
func headText(origin string, size int64, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
}

// head is a checkpoint that was opened: its signature holds.
type head struct {
	size int64
	root tlog.Hash
}

var errCheckpoint = errors.New("the checkpoint is not signed by this log's key or cannot be read")

func (s *Service) openCheckpoint(text string) (head, error) {
	verifier, err := s.deps.Keys.Verifier(s.deps.Origin)
	if err != nil {
		return head{}, err
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return head{}, errCheckpoint
	}
	return parseHead(s.deps.Origin, opened.Text)
}

func parseHead(origin, text string) (head, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return head{}, errCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return head{}, errCheckpoint
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return head{}, errCheckpoint
	}
	return head{size: size, root: tlog.Hash(root)}, nil
}

// Checkpoint is the newest signed checkpoint, empty while there is none. Keep
// one elsewhere now and then: Verify compares the log with it.
func (s *Service) Checkpoint(ctx context.Context) (string, error) {
	var c checkpoint
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) (err error) {
		c, err = newestCheckpoint(ctx, tx)
		return err
	})
	return c.text, err
}

// PublicKey is the key that checks the log's checkpoints, for verifiers elsewhere.
func (s *Service) PublicKey() (string, error) { return s.deps.Keys.PublicKey(s.deps.Origin) }

// Proof shows that an event is in the log: the hashes that lead from its leaf
// to the root of the checkpoint (RFC 6962, 2.1.1).
type Proof struct {
	Leaf       int64    `json:"leaf"`
	LeafHash   []byte   `json:"leaf_hash"`
	Data       []byte   `json:"data"` // what the leaf hashes
	Hashes     [][]byte `json:"hashes"`
	Checkpoint string   `json:"checkpoint"`
}

// Prove makes the proof for one event; store.ErrNoRows when there is no such event or it has no place yet.
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
		proof, err := tlog.ProveRecord(c.size, leaf, &storedHashes{ctx: ctx, tx: tx})
		if err != nil {
			return err
		}
		for _, hash := range proof {
			p.Hashes = append(p.Hashes, hash[:])
		}
		p.Leaf, p.Checkpoint = leaf, c.text
		return eachEvent(ctx, tx, func(r row) error {
			p.Data = r.leafData()
			hash := tlog.RecordHash(p.Data)
			p.LeafHash = hash[:]
			return nil
		}, `WHERE id = $1`, id)
	})
	if err != nil {
		return Proof{}, fmt.Errorf("audit: proof: %w", err)
	}
	return p, nil
}
