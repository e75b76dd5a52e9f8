package app

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestMemoryIsGivenBackWhenABurstIsOver(t *testing.T) {
	freed := 0
	free := func() { freed++ }
	y := newTidy()
	y.floor = 10 << 20
	h := y.count(http.NotFoundHandler())
	ask := func(n int) {
		for range n {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}
	}
	for _, c := range []struct {
		what     string
		requests int
		held     uint64
		want     int
	}{
		{"nothing to give back", 0, 20 << 20, 0},
		{"in the middle of a burst", quietRequests + 1, 200 << 20, 0},
		{"health checks are quiet", quietRequests, 200 << 20, 1},
	} {
		freed = 0
		ask(c.requests)
		y.look(c.held, free)
		if freed != c.want {
			t.Errorf("%s: freed %d times", c.what, freed)
		}
	}
	if y.floor > 1<<30 || y.floor == 10<<20 {
		t.Errorf("what is held now was not noted: %d", y.floor)
	}
}

func TestHeldSeesWhatIsTakenAndGivenBack(t *testing.T) {
	debug.FreeOSMemory() // what other tests left would be used again
	before := held()
	big := make([]byte, 64<<20)
	for i := 0; i < len(big); i += 4096 {
		big[i] = 1
	}
	with := held()
	if with < before+60<<20 {
		t.Errorf("64 MiB more are seen as %d", int64(with)-int64(before))
	}
	_ = big[0]
	big = nil
	debug.FreeOSMemory()
	if after := held(); after+50<<20 > with {
		t.Errorf("after giving back %d are held, before %d", after, with)
	}
	_ = big
}

// A heap of a few MiB is not collected for every hash of a burst, and is again as
// soon as the burst is over.
func TestTheCollectorIsSparedInABurst(t *testing.T) {
	growthNow := func() uint64 { return measured("/gc/gogc:percent") }
	limitNow := func() uint64 { return measured("/gc/gomemlimit:bytes") }
	usual := growthNow()
	t.Cleanup(func() { debug.SetGCPercent(int(usual)) })
	y := newTidy()
	y.decided = false
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		y.run(ctx)
	}()
	await := func(what string, is func() bool) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range 5000 {
			if is() {
				return
			}
			<-tick.C
		}
		t.Errorf("%s: GOGC is %d", what, growthNow())
	}
	h := y.count(http.NotFoundHandler())
	for range quietRequests + 1 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	await("in a burst", func() bool { return growthNow() > usualGrowth && limitNow() == most })
	big := make([]byte, roomy) // as much lives as the heap may have: no more than twice
	runtime.GC()
	await("when much lives", func() bool { return growthNow() == usualGrowth && limitNow() == math.MaxInt64 })
	runtime.KeepAlive(big)
	runtime.GC()
	await("when little lives again", func() bool {
		runtime.GC() // what other tests held for a moment is no longer there
		return growthNow() > usualGrowth && limitNow() == most
	})
	y.requests.Store(0)
	y.look(0, func() {})
	if growthNow() != usualGrowth || limitNow() != math.MaxInt64 {
		t.Errorf("after the burst GOGC is %d, the limit %d", growthNow(), limitNow())
	}
	stop()
	<-ended
}

func TestAnOperatorsGOGCStays(t *testing.T) {
	for name, value := range map[string]string{"GOGC": "300", "GOMEMLIMIT": "1GiB"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOGC", "")
			t.Setenv(name, value)
			growth, limit := measured("/gc/gogc:percent"), measured("/gc/gomemlimit:bytes")
			y := newTidy()
			y.burst.Store(true)
			y.widen(make(chan struct{}, 1))
			if g, l := measured("/gc/gogc:percent"), measured("/gc/gomemlimit:bytes"); g != growth || l != limit {
				t.Errorf("GOGC was %d and is %d, the limit was %d and is %d", growth, g, limit, l)
			}
			y.look(0, func() {})
			if g, l := measured("/gc/gogc:percent"), measured("/gc/gomemlimit:bytes"); g != growth || l != limit || y.burst.Load() {
				t.Errorf("after the burst GOGC was %d and is %d, the limit was %d and is %d", growth, g, limit, l)
			}
		})
	}
}
