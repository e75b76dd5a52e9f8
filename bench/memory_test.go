package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
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
	folder := b.TempDir()
	mail := notifytest.Start(b, notifytest.Options{})
	binary := filepath.Join(folder, "kunci")
	run(b, "", "go", "build", "-o", binary, "../cmd/kunci")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	public, smtp := "http://"+address, mail.Config()
	run(b, folder, binary, "init", "--config", "kunci.yaml", "--public-url", public, "--listen", address, "--smtp", fmt.Sprintf("%s:%d", smtp.Host, smtp.Port))
	write(b, filepath.Join(folder, "org.yaml"), strings.Replace(kuncitest.Contoso, "policy:", "policy:\n  captcha: off", 1))
	var people strings.Builder
	for n := range memoryFlows {
		fmt.Fprintf(&people, "{\"user_id\":\"p%d@contoso.com\",\"email\":\"p%d@example.net\"}\n", n, n)
	}
	write(b, filepath.Join(folder, "people.ndjson"), people.String())
	run(b, folder, binary, "org", "apply", "--config", "kunci.yaml", "-f", "org.yaml")
	run(b, folder, binary, "account", "import", "--config", "kunci.yaml", "--org", "contoso", "-f", "people.ndjson")
	node := exec.Command(binary, "serve", "--config", "kunci.yaml")
	node.Dir, node.Stderr = folder, &bytes.Buffer{}
	if err := node.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = node.Process.Signal(syscall.SIGTERM) // it is waited for
		if err := node.Wait(); err != nil {
			b.Errorf("the node: %v\n%s", err, node.Stderr)
		}
	}()
	answers(b, public)
	for range b.N {
		idle := resident(b, node.Process.Pid, "VmRSS")
		burst(b, public, mail)
		peak := resident(b, node.Process.Pid, "VmHWM")
		after := idle
		for until, tick := time.Now().Add(settles), time.NewTicker(time.Second); time.Now().Before(until); <-tick.C {
			after = resident(b, node.Process.Pid, "VmRSS")
		}
		b.ReportMetric(idle, "idle-MiB")
		b.ReportMetric(peak, "peak-MiB")
		b.ReportMetric(after, "settled-MiB")
	}
}

func run(b *testing.B, folder, name string, args ...string) {
	b.Helper()
	command := exec.Command(name, args...)
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func write(b *testing.B, path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func answers(b *testing.B, public string) {
	b.Helper()
	browser := kuncitest.NewBrowser(b, public)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		if page, err := browser.Do(http.MethodGet, "/reset", nil); err == nil && page.Status == http.StatusOK {
			return
		}
		<-tick.C
	}
	b.Fatal("the node does not answer")
}

// burst runs every person's reset, 64 at once.
func burst(b *testing.B, public string, mail *notifytest.Server) {
	b.Helper()
	work := make(chan int, memoryFlows)
	for n := range memoryFlows {
		work <- n
	}
	close(work)
	inbox := &inbox{boxes: make(map[string]chan string)}
	done := make(chan struct{})
	var carrier sync.WaitGroup
	carrier.Go(func() { carry(mail, inbox, done) })
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for n := range work {
				browser := kuncitest.NewBrowser(b, public)
				if err := reset(browser, inbox, n); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	close(done)
	carrier.Wait()
}

// carry hands on the codes that arrive at the mail server.
func carry(mail *notifytest.Server, to *inbox, done <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for seen := 0; ; {
		all := mail.Mails()
		for _, m := range all[seen:] {
			if code := codeInMail.FindString(string(m.Raw)); code != "" {
				to.box(m.To) <- code
			}
		}
		seen = len(all)
		select {
		case <-done:
			return
		case <-tick.C:
		}
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
