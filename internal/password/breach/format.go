package breach

import (
	"crypto/sha1" //nolint:gosec // the published lists are SHA-1; nothing is protected by it
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/FastFilter/xorfilter"
)

// The file, all numbers little-endian:
//
//	header   magic, passwords u64, index offset u64, shards u32, zero u32,
//	         SHA-256 of what is before it and of the index
//	shards   fingerprints, one byte each, one shard after the other
//	index    for each shard: lowest key u64, seed u64, offset u64,
//	         passwords u32, segment length u32, segments u32, CRC-32C u32
//
// A key is the first 64 bits of a SHA-1. A shard answers for the keys from its
// lowest up to the next shard's.
const (
	magic      = "kuncibf\x01"
	headerSize = 64
	summed     = 32 // bytes of the header that its checksum covers
	entrySize  = 40
	// longestSegment is what xorfilter makes at most.
	longestSegment = 1 << 18
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// key is where a password's SHA-1 begins.
func key(password string) uint64 {
	sum := sha1.Sum([]byte(password)) //nolint:gosec // as above
	return binary.BigEndian.Uint64(sum[:])
}

// shard is one filter and where its bytes are.
type shard struct {
	first  uint64
	offset uint64
	keys   uint32
	sum    uint32
	filter xorfilter.BinaryFuse8
}

func (s *shard) size() uint64 {
	return (uint64(s.filter.SegmentCount) + 2) * uint64(s.filter.SegmentLength)
}

func (s *shard) entry() []byte {
	e := make([]byte, 0, entrySize)
	for _, n := range []uint64{s.first, s.filter.Seed, s.offset} {
		e = binary.LittleEndian.AppendUint64(e, n)
	}
	for _, n := range []uint32{s.keys, s.filter.SegmentLength, s.filter.SegmentCount, s.sum} {
		e = binary.LittleEndian.AppendUint32(e, n)
	}
	return e
}

func header(keys, index uint64, shards uint32, entries []byte) []byte {
	h := append(make([]byte, 0, headerSize), magic...)
	h = binary.LittleEndian.AppendUint64(h, keys)
	h = binary.LittleEndian.AppendUint64(h, index)
	h = binary.LittleEndian.AppendUint32(h, shards)
	h = binary.LittleEndian.AppendUint32(h, 0)
	return append(h, digest(h, entries)...)
}

func digest(head, entries []byte) []byte {
	d := sha256.New()
	d.Write(head)
	d.Write(entries)
	return d.Sum(nil)
}

var (
	errNotAFilter = errors.New("it is no filter made by: kunci breach build")
	errDamaged    = errors.New("it is damaged or cut short; build it again with: kunci breach build")
)

// parse reads header and index of a whole file. The filters point into data.
func parse(data []byte) (keys uint64, shards []shard, err error) {
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return 0, nil, errNotAFilter
	}
	size := uint64(len(data))
	keys = binary.LittleEndian.Uint64(data[8:])
	index := binary.LittleEndian.Uint64(data[16:])
	count := uint64(binary.LittleEndian.Uint32(data[24:]))
	if count == 0 || index < headerSize || index > size || size-index != count*entrySize {
		return 0, nil, errDamaged
	}
	if string(digest(data[:summed], data[index:])) != string(data[summed:headerSize]) {
		return 0, nil, errDamaged
	}
	shards = make([]shard, count)
	next, total := uint64(headerSize), uint64(0)
	for i := range shards {
		if err := shards[i].read(data, index+uint64(i)*entrySize, next, index); err != nil {
			return 0, nil, fmt.Errorf("part %d: %w", i+1, err)
		}
		if i == 0 && shards[i].first != 0 || i > 0 && shards[i].first <= shards[i-1].first {
			return 0, nil, fmt.Errorf("part %d: %w", i+1, errDamaged)
		}
		next += shards[i].size()
		total += uint64(shards[i].keys)
	}
	if next != index || total != keys {
		return 0, nil, errDamaged
	}
	return keys, shards, nil
}

// read takes one entry of the index, whose bytes have to begin at next and end
// before limit: xorfilter itself checks no bound.
func (s *shard) read(data []byte, at, next, limit uint64) error {
	e := data[at : at+entrySize]
	s.first, s.offset = binary.LittleEndian.Uint64(e), binary.LittleEndian.Uint64(e[16:])
	s.keys, s.sum = binary.LittleEndian.Uint32(e[24:]), binary.LittleEndian.Uint32(e[36:])
	length, count := binary.LittleEndian.Uint32(e[28:]), binary.LittleEndian.Uint32(e[32:])
	if bits.OnesCount32(length) != 1 || length > longestSegment || count == 0 || s.offset != next {
		return errDamaged
	}
	cells := uint64(count) * uint64(length)
	s.filter = xorfilter.BinaryFuse8{
		Seed: binary.LittleEndian.Uint64(e[8:]), SegmentLength: length, SegmentLengthMask: length - 1,
		SegmentCount: count, SegmentCountLength: uint32(cells),
	}
	if cells+2*uint64(length) > 1<<32-1 || s.size() > limit-next {
		return errDamaged
	}
	s.filter.Fingerprints = data[next : next+s.size()]
	return nil
}
