package app

import (
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"testing"
)

func TestMemoryIsGivenBackWhenABurstIsOver(t *testing.T) {
	freed := 0
	free := func() { freed++ }
	y := &tidy{floor: 10 << 20}
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
