package bench

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/notify/notifytest"
)

const (
	atOnce      = 64
	memoryFlows = 2 * atOnce
	// settles is how long after a burst memory is looked at again.
	settles = 40 * time.Second
)

// BenchmarkMemory runs a node as a process of its own, on SQLite, and reads what
// the system says it holds: at rest after the first page, at most while 64 resets
// run at once, and at rest again. The goals are 40, 250 and 40 MiB.
func BenchmarkMemory(b *testing.B) {
	mail := notifytest.Start(b, notifytest.Options{})
	n := install(b, mail, "", people(memoryFlows))
	n.serve(b)
	for range b.N {
		idle, own := resident(b, n.pid(), "VmRSS"), resident(b, n.pid(), "RssAnon")
		burst(b, []string{n.public}, mail, memoryFlows, atOnce, reset)
		peak := resident(b, n.pid(), "VmHWM")
		after := idle
		for until, tick := time.Now().Add(settles), time.NewTicker(time.Second); time.Now().Before(until); <-tick.C {
			after = resident(b, n.pid(), "VmRSS")
		}
		b.ReportMetric(idle, "idle-MiB")
		b.ReportMetric(own, "idle-own-MiB")
		b.ReportMetric(peak, "peak-MiB")
		b.ReportMetric(after, "settled-MiB")
	}
}

// resident is a line of /proc/PID/status, in MiB.
func resident(b *testing.B, pid int, key string) float64 {
	b.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	b.Fatalf("no %s of process %d", key, pid)
	return 0
}
