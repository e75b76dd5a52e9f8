package bench

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/store"
)

// changedPeople are those whose entries change between two passes.
const changedPeople = 1000

// BenchmarkDirectoryList reads the list of a slapd with 200,000 people: everybody,
// and then those of whom a thousand changed, and tells how long each takes and how
// much more memory lives while it does. Everybody's entry but theirs changed long
// before, as in a directory that was not filled a minute ago.
//
//	go test -run '^$' -bench DirectoryList -benchtime 1x -timeout 30m ./bench/
func BenchmarkDirectoryList(b *testing.B) {
	changed := func(n int) string {
		if n == 0 {
			return "modifyTimestamp: 20250601000000Z\n" // the latest one: the first mark
		}
		return "modifyTimestamp: 20250101000000Z\n"
	}
	s := newDirectorySide(b, largeDirectory, ldaptest.SlapdOptions{
		LDIF:     peopleLDIF(b, largeDirectory, changed),
		Database: "index modifyTimestamp eq\nlimits dn.exact=\"" + ldaptest.Service + "\" size.prtotal=unlimited",
	}, "  sync: {every: 168h}")
	var full, some time.Duration
	var lived float64
	for n := range b.N {
		s.product.Clock.Advance(25 * time.Hour) // everybody is due
		took, heap := s.pass(b, true)
		full, lived = full+took, max(lived, heap)
		for i := range changedPeople {
			s.slapd.Modify(b, fmt.Sprintf("uid=p%d,%s", i, ldaptest.People), map[string][]string{"description": {fmt.Sprint("round ", n)}})
		}
		took, _ = s.pass(b, false)
		some += took
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(full.Seconds()/float64(b.N), "s/everybody")
	b.ReportMetric(largeDirectory*float64(b.N)/full.Seconds(), "people/s")
	b.ReportMetric(some.Seconds()/float64(b.N), "s/1000-changed")
	b.ReportMetric(lived, "MiB-more")
}

// pass reads the list and gives how long it took and how many MiB more lived than
// before; whole is what it has to be.
func (s *directorySide) pass(b *testing.B, whole bool) (took time.Duration, heap float64) {
	b.Helper()
	runtime.GC()
	before, done, peak := living(), make(chan struct{}), make(chan float64)
	go func() {
		most, tick := living(), time.NewTicker(50*time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, living())
			case <-done:
				peak <- most
				return
			}
		}
	}()
	start := time.Now()
	err := s.product.App.Roster.Pass(context.Background(), s.product.Organization())
	took = time.Since(start)
	close(done)
	if heap = <-peak - before; err != nil {
		b.Fatal(err)
	}
	var st roster.Status
	if err := s.product.App.DB.Read(context.Background(), func(tx *store.Tx) (err error) {
		st, err = s.product.App.Roster.Status(context.Background(), tx, s.product.Organization())
		return err
	}); err != nil {
		b.Fatal(err)
	}
	if !st.Listed || st.Whole != whole || st.Entries != s.people {
		b.Fatalf("%+v", st)
	}
	return took, heap
}

// living is what the last collection found alive, in MiB.
func living() float64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return float64(sample[0].Value.Uint64()) / (1 << 20)
}
