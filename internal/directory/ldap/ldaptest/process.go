package ldaptest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is the server of a test, which runs until the test ends or kills it.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// run starts a server and waits until it answers at its ldaps:// address. What it
// writes goes to the first of its logs; a start that fails shows them all.
func (p *process) run(t testing.TB, url string, logs []string, program string, arguments ...string) {
	t.Helper()
	log, err := os.Create(logs[0])
	must(t, err)
	defer func() { _ = log.Close() }() // the server has it open
	p.cmd = exec.Command(program, arguments...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, p.cmd.Start())
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // it ends by Kill
		close(ended)
	}(p.cmd, p.ended)
	deadline := time.After(time.Minute)
	for {
		if c, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "ldaps://"), time.Second); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-p.ended:
			var said strings.Builder
			for _, log := range logs {
				text, _ := os.ReadFile(log)
				said.Write(text)
			}
			t.Fatalf("%s does not start:\n%s", filepath.Base(program), &said)
		case <-deadline:
			t.Fatalf("%s does not answer", filepath.Base(program))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Kill ends the server as a power cut would.
func (p *process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended before
	<-p.ended
}

// Pause makes the server stop answering while its connections stay open; Resume
// lets it go on. On a busy machine its threads stop a while after the signal.
func (p *process) Pause(t testing.TB) {
	t.Helper()
	must(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		must(t, err)
		if len(threads) > 0 && !slices.ContainsFunc(threads, runs) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not pause")
		}
	}
}

// runs tells whether a thread is not stopped: its state stands behind the name.
func runs(stat string) bool {
	text, err := os.ReadFile(stat)
	_, behind, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(behind, "T")
}

func (p *process) Resume(t testing.TB) { must(t, p.cmd.Process.Signal(syscall.SIGCONT)) }

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
