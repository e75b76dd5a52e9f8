package audit

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"kunci.dev/kunci/internal/store"
)

// batch bounds how many events one step sequences, so that the writer of
// SQLite is not held for long.
const batch = 1000

// spacing is how far apart older checkpoints are kept. The newest one vouches
// for everything before it; older ones tell where a rewritten history begins.
const spacing = 1024

// Sequence gives waiting events their places in the log, in the order of
// their time and identifier, and signs a checkpoint. It tells how many it took;
// call it until that is zero. Two nodes may call it at once.
//
// It signs nothing on top of a log that is not the one it signed before:
// otherwise whoever rewrote the tables would have it sign the new history.
func (s *Service) Sequence(ctx context.Context) (int, error) {
	taken := 0
	err := s.deps.DB.Write(ctx, func(tx *store.Tx) error {
		taken = 0
		if err := tx.Lock(ctx, "audit.sequence"); err != nil {
			return err
		}
		last, err := newestCheckpoint(ctx, tx)
		if err != nil {
			return err
		}
		events, err := placeWaiting(ctx, tx, last.size, batch)
		if err != nil || len(events) == 0 {
			return err
		}
		taken = len(events)
		return s.grow(ctx, tx, last, events)
	})
	if err != nil {
		return 0, fmt.Errorf("audit: sequencing: %w", err)
	}
	return taken, nil
}

// grow appends events that have just got their places to the tree of the last
// checkpoint, and signs the next one.
func (s *Service) grow(ctx context.Context, tx *store.Tx, last checkpoint, events []row) error {
	hashes := &storedHashes{ctx: ctx, tx: tx, blocks: make(map[int64][]byte)}
	if err := s.mustMatch(last, hashes); err != nil {
		return err
	}
	slices.SortFunc(events, func(a, b row) int { return cmp.Compare(a.leaf, b.leaf) })
	size := last.size
	for _, event := range events {
		if event.leaf != size {
			return fmt.Errorf("event %s got place %d instead of %d", event.id, event.leaf, size)
		}
		added, err := tlog.StoredHashes(size, event.leafData(), hashes)
		if err != nil {
			return err
		}
		for i, hash := range added {
			if err := hashes.append(tlog.StoredHashIndex(0, size)+int64(i), hash); err != nil {
				return err
			}
		}
		size++
	}
	if err := hashes.flush(); err != nil {
		return err
	}
	if last.size > 0 && last.size/spacing == size/spacing {
		if err := deleteCheckpoint(ctx, tx, last.size); err != nil {
			return err
		}
	}
	return s.sign(ctx, tx, hashes, size)
}

// mustMatch holds the stored hashes against the signed checkpoint they lead to.
func (s *Service) mustMatch(last checkpoint, hashes tlog.HashReader) error {
	if last.size == 0 {
		return nil
	}
	signed, err := s.openCheckpoint(last.text)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(last.size, hashes)
	if err != nil {
		return err
	}
	if signed.size != last.size || signed.root != root {
		return errors.New("the stored hashes are not those of the newest checkpoint; run: kunci audit verify")
	}
	return nil
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

// blockHashes is how many stored hashes make a full block.
const blockHashes = 256

// storedHashes reads and appends the hashes of the log in a transaction. They
// are kept in blocks, in the order in which tlog numbers them: appending an
// event appends hashes. Blocks stay in memory until they are flushed.
type storedHashes struct {
	ctx    context.Context
	tx     *store.Tx
	blocks map[int64][]byte
	dirty  []int64 // ascending
}

func (h *storedHashes) block(number int64) ([]byte, error) {
	if block, ok := h.blocks[number]; ok {
		return block, nil
	}
	block, err := selectBlock(h.ctx, h.tx, number)
	if err != nil {
		return nil, fmt.Errorf("hashes of block %d: %w", number, err)
	}
	h.blocks[number] = block
	return block, nil
}

// ReadHashes is what tlog reads the tree through.
func (h *storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		block, err := h.block(index / blockHashes)
		if err != nil {
			return nil, err
		}
		at := int(index % blockHashes * tlog.HashSize)
		if len(block) < at+tlog.HashSize {
			return nil, fmt.Errorf("the stored hash %d is missing", index)
		}
		all[i] = tlog.Hash(block[at : at+tlog.HashSize])
	}
	return all, nil
}

// append refuses to leave a gap or to write over a hash that is there.
func (h *storedHashes) append(index int64, hash tlog.Hash) error {
	number := index / blockHashes
	block, err := h.block(number)
	if err != nil {
		return err
	}
	if int64(len(block)) != index%blockHashes*tlog.HashSize {
		return fmt.Errorf("the stored hashes do not end before hash %d; run: kunci audit verify", index)
	}
	h.blocks[number] = append(block, hash[:]...)
	if n := len(h.dirty); n == 0 || h.dirty[n-1] != number {
		h.dirty = append(h.dirty, number)
	}
	return nil
}

func (h *storedHashes) flush() error {
	for _, number := range h.dirty {
		if err := upsertBlock(h.ctx, h.tx, number, h.blocks[number]); err != nil {
			return err
		}
	}
	h.dirty = nil
	return nil
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
	return insertCheckpoint(ctx, tx, checkpoint{size: size, text: string(signed)})
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
	return openHead(verifier, text)
}

func openHead(verifier note.Verifier, text string) (head, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return head{}, errCheckpoint
	}
	return parseHead(verifier.Name(), opened.Text)
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
