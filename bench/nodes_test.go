package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// BenchmarkNodeFlows is a whole reset and the sign-in after it against a node that
// runs by itself: what the node uses, over the two hashes in it, and how many it
// does in a second. The goals are 1.10, and 40 flows/s on two cores that nothing
// else uses. A PostgreSQL server's own work is not the node's.
//
//	go test -run '^$' -bench NodeFlows -benchtime 100x ./bench/
func BenchmarkNodeFlows(b *testing.B) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		for _, atOnce := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/%d", kind, atOnce), func(b *testing.B) {
				mail := notifytest.Start(b, notifytest.Options{})
				n := install(b, mail, databaseOf(b, kind), people(b.N))
				n.serve(b)
				hash := hashCPU(b)
				before := n.cpu(b)
				b.ResetTimer()
				burst(b, []string{n.public}, mail, b.N, atOnce, resetAndSignIn)
				b.StopTimer()
				each := (n.cpu(b) - before) / time.Duration(b.N)
				hash = (hash + hashCPU(b)) / 2 // before and after: the machine does not stand still
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "flows/s")
				b.ReportMetric(float64(each.Microseconds())/1000, "node-cpu-ms/flow")
				b.ReportMetric(float64(each)/float64(2*hash), "cpu/hashes")
			})
		}
	}
}

func databaseOf(b *testing.B, kind store.Kind) string {
	b.Helper()
	if kind == store.SQLite {
		return ""
	}
	return storetest.EmptyURL(b)
}

// BenchmarkTwoNodes leads the same flows through one node on PostgreSQL and through
// two. The goal is 1.7 times as many, where there are processors for two.
//
//	go test -run '^$' -bench TwoNodes -benchtime 200x ./bench/
func BenchmarkTwoNodes(b *testing.B) {
	mail := notifytest.Start(b, notifytest.Options{})
	first := install(b, mail, databaseOf(b, store.PostgreSQL), people(b.N))
	first.serve(b)
	second := first.beside(b)
	took := func(nodes ...string) time.Duration {
		began := time.Now()
		burst(b, nodes, mail, b.N, 16, reset)
		return time.Since(began)
	}
	b.ResetTimer()
	one := took(first.public)
	second.serve(b)
	two := took(first.public, second.public)
	b.ReportMetric(float64(one)/float64(two), "two/one")
	b.ReportMetric(float64(b.N)/one.Seconds(), "flows/s-of-one")
	b.ReportMetric(float64(b.N)/two.Seconds(), "flows/s-of-two")
}

// BenchmarkStart starts the demonstration, with everybody in it, and tells how long
// it takes to its first page: with a folder that was used before, and with a new
// one. The goal is 150 ms.
//
//	go test -run '^$' -bench Start$ -benchtime 10x ./bench/
func BenchmarkStart(b *testing.B) {
	folder := b.TempDir()
	binary := filepath.Join(folder, "kunci")
	run(b, "", "go", "build", "-o", binary, "../cmd/kunci")
	start := func(data string) (took, used time.Duration) {
		address := freeAddress(b)
		node := exec.Command(binary, "demo", "--listen", address, "--data", data)
		said := &bytes.Buffer{}
		node.Stdout, node.Stderr = said, said
		began := time.Now()
		if err := node.Start(); err != nil {
			b.Fatal(err)
		}
		answers(b, "http://"+address)
		took = time.Since(began)
		_ = node.Process.Signal(syscall.SIGTERM) // it is waited for
		if err := node.Wait(); err != nil {
			b.Fatalf("the demonstration: %v\n%s", err, said)
		}
		return took, node.ProcessState.UserTime() + node.ProcessState.SystemTime()
	}
	kept := filepath.Join(folder, "kept")
	start(kept)
	var again, anew, cpu []time.Duration
	for n := range b.N {
		one, used := start(kept)
		again, cpu = append(again, one), append(cpu, used)
		one, _ = start(filepath.Join(folder, fmt.Sprint("new", n)))
		anew = append(anew, one)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(median(again).Microseconds())/1000, "ms/kept")
	b.ReportMetric(float64(median(anew).Microseconds())/1000, "ms/new")
	b.ReportMetric(float64(median(cpu).Microseconds())/1000, "cpu-ms/kept")
}

// BenchmarkFirstPage asks for the page everybody sees first over 64 connections, and
// by turns for the same bytes of a handler that does nothing else. The goals are a
// p99 of 5 ms and 60 % of the bare handler's throughput, on cores that the clients
// do not share.
//
//	go test -run '^$' -bench FirstPage -benchtime 20000x ./bench/
func BenchmarkFirstPage(b *testing.B) {
	p := kuncitest.Start(b, kuncitest.Options{Kind: store.SQLite, Hash: password.DefaultParams, Terse: true})
	body, err := io.ReadAll(get(b, new(http.Transport), p.URL+"/reset"))
	if err != nil {
		b.Fatal(err)
	}
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer bare.Close()
	const rounds = 4 // by turns
	var ours, theirs []time.Duration
	var usedOurs, usedTheirs, tookOurs, tookTheirs time.Duration
	b.ResetTimer()
	for range rounds {
		times, took, used := flood(b, p.URL+"/reset", max(b.N/rounds, 1))
		ours, tookOurs, usedOurs = append(ours, times...), tookOurs+took, usedOurs+used
		times, took, used = flood(b, bare.URL, max(b.N/rounds, 1))
		theirs, tookTheirs, usedTheirs = append(theirs, times...), tookTheirs+took, usedTheirs+used
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ours[len(ours)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(theirs[len(theirs)*99/100].Microseconds())/1000, "bare-p99-ms")
	b.ReportMetric(100*float64(tookTheirs)/float64(tookOurs), "%throughput")
	b.ReportMetric(100*float64(usedTheirs)/float64(usedOurs), "%cpu")
	b.ReportMetric(float64((usedOurs-usedTheirs).Microseconds())/float64(len(ours)), "cpu-us/page")
}

// flood asks so many times over 64 connections: how long each answer took, all of
// them together, and what client and server used.
func flood(b *testing.B, address string, many int) (times []time.Duration, took, used time.Duration) {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce, MaxConnsPerHost: atOnce}
	defer transport.CloseIdleConnections()
	work := make(chan struct{}, many)
	for range many {
		work <- struct{}{}
	}
	close(work)
	var mu sync.Mutex
	var group sync.WaitGroup
	before, began := cpu(), time.Now()
	for range atOnce {
		group.Go(func() {
			var mine []time.Duration
			for range work {
				start := time.Now()
				_, _ = io.Copy(io.Discard, get(b, transport, address))
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
		})
	}
	group.Wait()
	return times, time.Since(began), cpu() - before
}

// get gives the whole body of an answer that is 200.
func get(b *testing.B, transport http.RoundTripper, address string) io.Reader {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.Error(err)
		return http.NoBody
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		b.Error(err)
		return http.NoBody
	}
	defer func() { _ = answer.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		b.Errorf("%d: %v", answer.StatusCode, err)
	}
	return &body
}

// BenchmarkCodeIsHandedOver tells how long after the answer to the form that asks
// for a code its mail is at the mail server. The goals are 20 ms on PostgreSQL and
// 50 ms on SQLite.
//
//	go test -run '^$' -bench HandedOver -benchtime 100x ./bench/
func BenchmarkCodeIsHandedOver(b *testing.B) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		b.Run(string(kind), func(b *testing.B) {
			p := kuncitest.Start(b, kuncitest.Options{Kind: kind, Hash: password.DefaultParams, Organization: generous, Accounts: people(b.N)})
			times := make([]time.Duration, 0, b.N)
			for n := range b.N {
				browser := p.Browser()
				if _, err := browser.Do(http.MethodGet, "/reset", nil); err != nil {
					b.Fatal(err)
				}
				page, err := browser.Do(http.MethodPost, "/reset", url.Values{"user_id": {fmt.Sprintf("p%d@contoso.com", n)}, "reason": {"forgot"}})
				if err != nil || page.Name() != "reset-choose" {
					b.Fatalf("%v, %v", page, err)
				}
				still := browser.StayingPut()
				answer, err := still.Do(http.MethodPost, "/reset/verify", url.Values{"action": {"send"}, "method": {page.Choices("method")[0]}})
				if err != nil || answer.Status != http.StatusSeeOther {
					b.Fatalf("%v, %v", answer, err)
				}
				answered := time.Now()
				p.Mail.Wait(b, n+1)
				times = append(times, time.Since(answered))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(median(times).Microseconds())/1000, "ms-median")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "ms-p99")
		})
	}
}
