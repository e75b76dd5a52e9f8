package breach

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"sort"
	"sync/atomic"
)

// Filter is an open file.
type Filter struct {
	data    []byte
	release func() error
	keys    uint64
	shards  []shard
	// judged is, for each shard, whether its checksum was looked at.
	judged []atomic.Uint32
}

const (
	unjudged = iota
	sound
	broken
)

// Open maps a filter into memory and reads its index. The shards are looked at
// when they are first asked, or by Verify.
func Open(path string) (*Filter, error) {
	data, release, err := mapped(path)
	if err != nil {
		return nil, fmt.Errorf("the filter of breached passwords %s cannot be read: %w", path, bare(err))
	}
	f := &Filter{data: data, release: release}
	if f.keys, f.shards, err = guarded(func() (uint64, []shard, error) { return parse(data) }); err != nil {
		return nil, errors.Join(fmt.Errorf("the filter of breached passwords %s cannot be used: %w", path, err), release())
	}
	f.judged = make([]atomic.Uint32, len(f.shards))
	return f, nil
}

// bare is what the system said, without the path that our sentence has already.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Passwords is how many the filter was built from.
func (f *Filter) Passwords() uint64 { return f.keys }

// Bytes is the size of the file.
func (f *Filter) Bytes() int { return len(f.data) }

// Contains tells whether a password is in the list. About one in 256 that is not
// is found too. The error says that the file cannot tell.
func (f *Filter) Contains(password string) (found bool, err error) {
	k := key(password)
	i := sort.Search(len(f.shards), func(i int) bool { return f.shards[i].first > k }) - 1
	defer recovered(&err, debug.SetPanicOnFault(true))
	if f.judged[i].Load() != sound {
		if err := f.judge(i); err != nil {
			return false, err
		}
	}
	return f.shards[i].filter.Contains(k), nil
}

// Verify looks at every shard.
func (f *Filter) Verify() (err error) {
	defer recovered(&err, debug.SetPanicOnFault(true))
	for i := range f.shards {
		if err := f.judge(i); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filter) judge(i int) error {
	s := &f.shards[i]
	if f.judged[i].Load() != broken && crc32.Checksum(s.filter.Fingerprints, castagnoli) == s.sum {
		f.judged[i].Store(sound)
		return nil
	}
	f.judged[i].Store(broken)
	return fmt.Errorf("part %d: %w", i+1, errDamaged)
}

// Close lets go of the file. Nothing may be asked any more.
func (f *Filter) Close() error { return f.release() }

// guarded runs what reads a mapped file.
func guarded(read func() (uint64, []shard, error)) (keys uint64, shards []shard, err error) {
	defer recovered(&err, debug.SetPanicOnFault(true))
	return read()
}

// recovered makes an error of the fault that reading a mapped file is after
// somebody cut it short; without it the whole node would end.
func recovered(err *error, before bool) {
	debug.SetPanicOnFault(before)
	r := recover()
	if r == nil {
		return
	}
	if _, fault := r.(interface{ Addr() uintptr }); !fault {
		panic(r)
	}
	*err = errDamaged
}
