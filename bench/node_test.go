package bench

import (
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

// node is the product as an operator runs it: a process of its own, so that what it
// takes is not mixed with what the browsers and the mail server of a bench take.
type node struct {
	folder, binary, public, config string
	process                        *exec.Cmd
}

// generous has no limit that a bench of one network would meet.
var generous = strings.Replace(kuncitest.Contoso, "policy:", "policy:\n  captcha: off", 1)

// people are accounts without a password and with a mailbox each.
func people(many int) string {
	var all strings.Builder
	for n := range many {
		fmt.Fprintf(&all, "{\"user_id\":\"p%d@contoso.com\",\"email\":\"p%d@example.net\"}\n", n, n)
	}
	return all.String()
}

// install makes an installation with one organization. An empty database is a
// SQLite file of its own.
func install(b *testing.B, mail *notifytest.Server, database, accounts string) *node {
	b.Helper()
	n := &node{folder: b.TempDir(), config: "kunci.yaml"}
	n.binary = filepath.Join(n.folder, "kunci")
	run(b, "", "go", "build", "-o", n.binary, "../cmd/kunci")
	address := freeAddress(b)
	n.public = "http://" + address
	smtp := mail.Config()
	args := []string{"init", "--config", n.config, "--public-url", n.public, "--listen", address, "--smtp", fmt.Sprintf("%s:%d", smtp.Host, smtp.Port)}
	if database != "" {
		args = append(args, "--database", database)
	}
	run(b, n.folder, n.binary, args...)
	write(b, filepath.Join(n.folder, "org.yaml"), generous)
	write(b, filepath.Join(n.folder, "people.ndjson"), accounts)
	run(b, n.folder, n.binary, "org", "apply", "--config", n.config, "-f", "org.yaml")
	run(b, n.folder, n.binary, "account", "import", "--config", n.config, "--org", "contoso", "-f", "people.ndjson")
	return n
}

// beside is another node of the same installation, at an address of its own.
func (n *node) beside(b *testing.B) *node {
	b.Helper()
	other := *n
	address := freeAddress(b)
	text, err := os.ReadFile(filepath.Join(n.folder, n.config))
	if err != nil {
		b.Fatal(err)
	}
	other.config, other.public, other.process = "beside.yaml", "http://"+address, nil
	write(b, filepath.Join(n.folder, other.config), strings.ReplaceAll(string(text), strings.TrimPrefix(n.public, "http://"), address))
	return &other
}

// serve runs the node until the bench ends, and returns when it answers.
func (n *node) serve(b *testing.B) {
	b.Helper()
	n.process = exec.Command(n.binary, "serve", "--config", n.config)
	said := &bytes.Buffer{}
	n.process.Dir, n.process.Stderr = n.folder, said
	if err := n.process.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = n.process.Process.Signal(syscall.SIGTERM) // it is waited for
		if err := n.process.Wait(); err != nil {
			b.Errorf("the node: %v\n%s", err, said)
		}
	})
	answers(b, n.public)
}

func (n *node) pid() int { return n.process.Process.Pid }

// cpu is what the node's process has used so far.
func (n *node) cpu(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.pid()))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		b.Fatalf("/proc/PID/stat says %q", text)
	}
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime, proc(5)
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100) // USER_HZ
}

func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	return listener.Addr().String()
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
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); <-tick.C {
		if page, err := browser.Do(http.MethodGet, "/reset", nil); err == nil && page.Status == http.StatusOK {
			return
		}
	}
	b.Fatal("the node does not answer")
}

// burst leads the first so many people through a walk, some at once, by turns on
// each of the nodes.
func burst(b *testing.B, nodes []string, mail *notifytest.Server, many, atOnce int, walk func(*kuncitest.Browser, *inbox, int) error) {
	b.Helper()
	work := make(chan int, many)
	for n := range many {
		work <- n
	}
	close(work)
	inbox := &inbox{boxes: make(map[string]chan string)}
	done, before := make(chan struct{}), len(mail.Mails())
	var carrier sync.WaitGroup
	carrier.Go(func() { carry(mail, before, inbox, done) })
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for n := range work {
				browser := kuncitest.NewBrowser(b, nodes[n%len(nodes)])
				if err := walk(browser, inbox, n); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	close(done)
	carrier.Wait()
}

// carry hands on the codes of mails that arrive at the mail server after the first so many.
func carry(mail *notifytest.Server, seen int, to *inbox, done <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
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

func resetAndSignIn(browser *kuncitest.Browser, mails *inbox, n int) error {
	if err := reset(browser, mails, n); err != nil {
		return err
	}
	return signIn(browser, n)
}
