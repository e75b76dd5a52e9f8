package app

import (
	"context"
	"net/http"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Each password hash takes 19 MiB and leaves them to the garbage collector, which
// runs by itself only after as much again was used. So a burst would stay in the
// process until the next one. When it is quiet again, it is given back.
const (
	// lookAtMemory is how often it is looked whether a burst is over.
	lookAtMemory = 15 * time.Second
	// quietRequests in that time are quiet: health checks and a page now and then.
	quietRequests = 20
	// worthIt is what a burst has to leave behind; a collection costs some milliseconds.
	worthIt = 16 << 20
)

// tidy gives memory back after bursts.
type tidy struct {
	requests atomic.Int64
	floor    uint64 // held after the last time
}

// count counts the requests of a handler.
func (t *tidy) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.requests.Add(1)
		h.ServeHTTP(w, r)
	})
}

// run looks again and again until ctx ends.
func (t *tidy) run(ctx context.Context) {
	t.floor = held()
	tick := time.NewTicker(lookAtMemory)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.look(held(), debug.FreeOSMemory)
		}
	}
}

// look frees when it was quiet and more is held than after the last time.
func (t *tidy) look(now uint64, free func()) {
	if t.requests.Swap(0) > quietRequests || now < t.floor+worthIt {
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
