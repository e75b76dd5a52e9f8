package breach

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/FastFilter/xorfilter"
)

// shardKeys is how many passwords one filter holds at least, once there are so
// many: below a million a filter needs more than 1.13 bytes for each. A shard
// takes about 32 bytes of memory for each while it is built.
const shardKeys = 1 << 20

// longestLine is far beyond any password; a longer line is no list.
const longestLine = 64 << 10

// BuildOptions say what is taken from a list.
type BuildOptions struct {
	// AtLeast leaves out hashes that were seen less often; 0 takes all.
	AtLeast int
	// Progress is told how many bytes of the list were read; it may be nil.
	Progress func(bytes int64)
	// ShardKeys is for tests; 0 means the default.
	ShardKeys int
}

// Report says what was built.
type Report struct {
	Passwords uint64 `json:"passwords"`
	Bytes     int64  `json:"bytes"`
	Shards    int    `json:"shards"`
	Hashes    bool   `json:"hashes"` // the list was one of hashes
}

// Build reads a list and writes the filter to path. What was there is replaced
// when the new one is whole, so that a node never sees half of it.
func Build(path string, list io.Reader, o BuildOptions) (r Report, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return r, fmt.Errorf("the filter cannot be written: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close(), os.Remove(file.Name()))
		}
	}()
	b := &builder{out: bufio.NewWriterSize(file, 1<<20), at: headerSize, size: cmp.Or(o.ShardKeys, shardKeys)}
	if _, err := file.Seek(headerSize, io.SeekStart); err != nil {
		return r, fmt.Errorf("the filter cannot be written: %w", err)
	}
	if r.Hashes, err = b.read(list, o); err != nil {
		return r, err
	}
	head, err := b.finish()
	if err != nil {
		return r, fmt.Errorf("the filter cannot be written: %w", err)
	}
	if _, err := file.WriteAt(head, 0); err != nil {
		return r, fmt.Errorf("the filter cannot be written: %w", err)
	}
	// Anybody may read it: it tells nothing that is not published.
	if err := errors.Join(file.Chmod(0o644), file.Sync()); err != nil {
		return r, fmt.Errorf("the filter cannot be written: %w", err)
	}
	if err := errors.Join(file.Close(), os.Rename(file.Name(), path)); err != nil {
		return r, fmt.Errorf("the filter cannot be written: %w", err)
	}
	r.Passwords, r.Shards = b.total, len(b.shards)
	r.Bytes = int64(b.at) + int64(len(b.shards))*entrySize
	return r, nil
}

type builder struct {
	out    *bufio.Writer
	at     uint64 // where the next shard begins
	size   int
	keys   []uint64 // sorted, without repeats, not yet in a shard
	total  uint64
	shards []shard
	fuse   xorfilter.BinaryFuseBuilder
}

// read takes the list, whichever of the two it is, and tells whether it was one
// of hashes.
func (b *builder) read(list io.Reader, o BuildOptions) (hashes bool, err error) {
	lines := bufio.NewScanner(list)
	lines.Buffer(make([]byte, longestLine), longestLine)
	var plain []uint64
	var read int64
	number := 0
	for ; lines.Scan(); number++ {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if number == 0 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // as Windows begins a text
			_, _, hashes = hashLine(line)
		}
		if read += int64(len(lines.Bytes())) + 1; o.Progress != nil && number&0xffff == 0 {
			o.Progress(read)
		}
		switch {
		case len(line) == 0:
		case !hashes:
			plain = append(plain, key(string(line)))
		default:
			k, count, ok := hashLine(line)
			if !ok {
				return hashes, fmt.Errorf("line %d of the list is no SHA-1 with a count; the lines before it were", number+1)
			}
			if count < o.AtLeast {
				continue
			}
			if err := b.add(k); err != nil {
				return hashes, fmt.Errorf("line %d of the list: %w", number+1, err)
			}
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return hashes, fmt.Errorf("line %d of the list is longer than any password: is it a text file?", number+1)
	case err != nil:
		return hashes, fmt.Errorf("the list cannot be read: %w", err)
	}
	slices.Sort(plain)
	for _, k := range plain {
		if err := b.add(k); err != nil {
			return hashes, err
		}
	}
	return hashes, nil
}

// hashLine reads "HASH:COUNT"; a hash without a count was seen once.
func hashLine(line []byte) (k uint64, count int, ok bool) {
	text, seen, counted := bytes.Cut(line, []byte(":"))
	if len(text) != 40 {
		return 0, 0, false
	}
	var sum [20]byte
	if _, err := hex.Decode(sum[:], text); err != nil {
		return 0, 0, false
	}
	count = 1
	if counted {
		n, err := strconv.Atoi(string(bytes.TrimSpace(seen)))
		if err != nil {
			return 0, 0, false
		}
		count = n
	}
	return binary.BigEndian.Uint64(sum[:]), count, true
}

var errUnsorted = errors.New("the hashes are not sorted; take the list that is ordered by hash, or sort it first")

// add takes the next key. Two hashes that begin alike are one.
func (b *builder) add(k uint64) error {
	if n := len(b.keys); n > 0 {
		if k == b.keys[n-1] {
			return nil
		}
		if k < b.keys[n-1] {
			return errUnsorted
		}
	}
	// A shard is cut when as much is there again, so that the last is not a small one.
	if len(b.keys) == 2*b.size {
		if err := b.cut(b.size); err != nil {
			return err
		}
	}
	b.keys = append(b.keys, k)
	return nil
}

// cut makes a shard of the first n keys.
func (b *builder) cut(n int) error {
	s := shard{first: b.keys[0], offset: b.at, keys: uint32(n)}
	if len(b.shards) == 0 {
		s.first = 0
	}
	made, err := xorfilter.BuildBinaryFuse[uint8](&b.fuse, slices.Clone(b.keys[:n]))
	if err != nil {
		return err
	}
	s.filter = xorfilter.BinaryFuse8(made)
	s.sum = crc32.Checksum(made.Fingerprints, castagnoli)
	if _, err := b.out.Write(made.Fingerprints); err != nil {
		return err
	}
	if s.size() != uint64(len(made.Fingerprints)) {
		return fmt.Errorf("a filter of %d bytes, expected %d", len(made.Fingerprints), s.size())
	}
	s.filter.Fingerprints = nil // the builder's, and used again
	b.shards = append(b.shards, s)
	b.at += s.size()
	b.total += uint64(n)
	b.keys = b.keys[:copy(b.keys, b.keys[n:])]
	return nil
}

// finish writes what is left and the index, and gives the header.
func (b *builder) finish() ([]byte, error) {
	if len(b.keys) == 0 {
		return nil, errors.New("the list holds no password")
	}
	if err := b.cut(len(b.keys)); err != nil {
		return nil, err
	}
	var entries []byte
	for i := range b.shards {
		entries = append(entries, b.shards[i].entry()...)
	}
	if _, err := b.out.Write(entries); err != nil {
		return nil, err
	}
	return header(b.total, b.at, uint32(len(b.shards)), entries), b.out.Flush()
}
