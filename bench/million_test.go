package bench

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
)

const (
	fewAccounts  = 1_000
	manyAccounts = 1_000_000
)

// BenchmarkAccounts runs a node with 1,000 accounts and one with 1,000,000 and leads
// the same people through a reset on each, by turns. The goals are an import within
// 60 s, 60 MiB at rest, and resets that take no more than 1.2 times as long.
//
//	go test -run '^$' -bench Accounts -benchtime 50x -timeout 30m ./bench/
func BenchmarkAccounts(b *testing.B) {
	if b.N > fewAccounts {
		b.Fatalf("%d people are led through a reset; fewer accounts are there", b.N)
	}
	mails := [2]*notifytest.Server{}
	nodes := [2]*node{}
	for i, many := range []int{fewAccounts, manyAccounts} {
		mails[i] = notifytest.Start(b, notifytest.Options{})
		nodes[i] = install(b, mails[i], "", people(b.N))
		var rest strings.Builder
		for n := b.N; n < many; n++ {
			fmt.Fprintf(&rest, "{\"user_id\":\"p%d@contoso.com\"}\n", n)
		}
		write(b, filepath.Join(nodes[i].folder, "rest.ndjson"), rest.String())
		began := time.Now()
		run(b, nodes[i].folder, nodes[i].binary, "account", "import", "--config", nodes[i].config, "--org", "contoso", "-f", "rest.ndjson")
		if many == manyAccounts {
			b.ReportMetric(time.Since(began).Seconds(), "import-s")
		}
		nodes[i].serve(b)
	}
	b.ReportMetric(resident(b, nodes[1].pid(), "VmRSS"), "idle-MiB")
	var took [2][]time.Duration
	b.ResetTimer()
	for n := range b.N {
		for i := range nodes {
			side := (i + n) % 2 // neither is always the first
			began := time.Now()
			burst(b, []string{nodes[side].public}, mails[side], 1, 1, func(browser *kuncitest.Browser, mails *inbox, _ int) error {
				return reset(browser, mails, n)
			})
			took[side] = append(took[side], time.Since(began))
		}
	}
	few, many := median(took[0]), median(took[1])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(few.Microseconds())/1000, "ms/1k")
	b.ReportMetric(float64(many.Microseconds())/1000, "ms/1M")
	b.ReportMetric(float64(many)/float64(few), "ratio")
	b.ReportMetric(resident(b, nodes[1].pid(), "VmRSS"), "after-MiB")
}
