package app

import (
	"context"
	"math"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Each password hash takes 19 MiB and leaves them to the garbage collector. That
// has two ends. A burst would stay in the process until the next one: when it is
// quiet again, it is given back. And within a burst the collector, whose measure is
// the few MiB that live, would run for every hash, for a quarter of the hash's own
// work: then the heap may grow to roomy before it runs.
const (
	// lookAtMemory is how often it is looked whether a burst is over.
	lookAtMemory = 15 * time.Second
	// quietRequests in that time are quiet: health checks and a page now and then.
	quietRequests = 20
	// worthIt is what a burst has to leave behind; a collection costs some milliseconds.
	worthIt = 16 << 20
	// roomy is how large the heap may get in a burst before it is collected: some six
	// hashes, and less than what lives and as much again when 64 resets run at once.
	roomy = 128 << 20
	// most bounds what is held in a burst: the collector that finds several hashes
	// alive would let the heap grow by as many times, until it is told better.
	most = 192 << 20
	// usualGrowth is Go's own GOGC, in percent.
	usualGrowth = 100
)

// tidy gives memory back after bursts, and spares the collector in them.
type tidy struct {
	requests atomic.Int64
	floor    uint64 // held after the last time
	burst    atomic.Bool
	// wake is told that a burst begins.
	wake chan struct{}
	// decided: an operator set GOGC or GOMEMLIMIT, and the collector is left as it is.
	decided bool
}

func newTidy() *tidy {
	return &tidy{wake: make(chan struct{}, 1), decided: os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != ""}
}

// count counts the requests of a handler.
func (t *tidy) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t.requests.Add(1) > quietRequests && !t.burst.Load() {
			tell(t.wake)
		}
		h.ServeHTTP(w, r)
	})
}

// run looks again and again until ctx ends.
func (t *tidy) run(ctx context.Context) {
	t.floor = held()
	tick := time.NewTicker(lookAtMemory)
	defer tick.Stop()
	defer t.endBurst()
	collected := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
			if !t.burst.Swap(true) {
				t.widen(collected)
			}
		case <-collected:
			if t.burst.Load() {
				t.widen(collected)
			}
		case <-tick.C:
			t.look(held(), debug.FreeOSMemory)
		}
	}
}

// widen lets the heap grow to roomy by what lives now, and is told of the next
// collection, after which something else does.
func (t *tidy) widen(collected chan<- struct{}) {
	if t.decided {
		return
	}
	live := measured("/gc/heap/live:bytes")
	debug.SetGCPercent(growth(live))
	debug.SetMemoryLimit(limit(live))
	runtime.AddCleanup(new([64]byte), func(to chan<- struct{}) { tell(to) }, collected)
}

func (t *tidy) endBurst() {
	if t.burst.Swap(false) && !t.decided {
		debug.SetGCPercent(usualGrowth)
		debug.SetMemoryLimit(math.MaxInt64)
	}
}

// growth is the GOGC with which a heap of which so many bytes live is collected
// when it is roomy, or twice as large.
func growth(live uint64) int {
	return max(usualGrowth, int(100*uint64(roomy)/max(live, 1<<20))-100)
}

// limit is the memory limit in a burst: none where so much lives that the collector
// would run without end below it.
func limit(live uint64) int64 {
	if live > most/2 {
		return math.MaxInt64
	}
	return most
}

// tell wakes who waits at a channel of one; who was told already is not told again.
func tell(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// look frees when it was quiet and more is held than after the last time.
func (t *tidy) look(now uint64, free func()) {
	if t.requests.Swap(0) > quietRequests {
		return
	}
	t.endBurst()
	if now < t.floor+worthIt {
		return
	}
	free()
	t.floor = held()
}

// held is what Go's memory takes from the system now.
func held() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}

// measured is one of the runtime's own figures.
func measured(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
