package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// node is the real program in a process of its own, which a test may kill.
type node struct {
	t       *testing.T
	program string
	folder  string
	config  string // the name of its configuration
	address string
	process *exec.Cmd
}

// installation is what a first node finds.
type installation struct {
	database             string // empty: a file
	publicURL            string // empty: the node's own address
	organization, people string
}

func newNode(t *testing.T, mail *notifytest.Server, in installation) *node {
	t.Helper()
	program, err := exec.LookPath("kunci") // TestMain put it there
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, program: program, folder: t.TempDir(), config: "kunci.yaml", address: freeAddress(t)}
	if in.publicURL == "" {
		in.publicURL = "http://" + n.address
	}
	smtp := mail.Config()
	n.command("init", "--listen", n.address, "--public-url", in.publicURL, "--database", in.database, "--smtp", net.JoinHostPort(smtp.Host, strconv.Itoa(smtp.Port)))
	n.write("contoso.yaml", in.organization)
	n.write("people.csv", in.people)
	n.command("org", "apply", "-f", n.path("contoso.yaml"))
	n.command("account", "import", "--org", "contoso", "-f", n.path("people.csv"))
	return n
}

// beside is another node of the same installation.
func (n *node) beside() *node {
	n.t.Helper()
	text, err := os.ReadFile(n.path(n.config))
	if err != nil {
		n.t.Fatal(err)
	}
	other := *n
	other.config, other.address, other.process = "second.yaml", freeAddress(n.t), nil
	n.write(other.config, strings.Replace(string(text), strconv.Quote(n.address), strconv.Quote(other.address), 1))
	return &other
}

func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return free.Addr().String()
}

func (n *node) command(args ...string) string {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), n.program, append(args, "--config", n.path(n.config))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		n.t.Fatalf("kunci %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (n *node) path(name string) string { return filepath.Join(n.folder, name) }

func (n *node) write(name, text string) {
	n.t.Helper()
	if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// start runs "kunci serve" until it says that it serves.
func (n *node) start() {
	n.t.Helper()
	n.process = exec.CommandContext(context.WithoutCancel(n.t.Context()), n.program, "serve", "--config", n.path(n.config))
	log, err := n.process.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.process.Start(); err != nil {
		n.t.Fatal(err)
	}
	said := make([]byte, 0, 4096)
	chunk := make([]byte, 1024)
	for !strings.Contains(string(said), "msg=listening") {
		k, err := log.Read(chunk)
		said = append(said, chunk[:k]...)
		if err != nil {
			n.t.Fatalf("the node ended: %v\n%s", err, said)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }() // ends with the process
}

// stop sends a signal and waits for the end.
func (n *node) stop(signal os.Signal) error {
	n.t.Helper()
	if err := n.process.Process.Signal(signal); err != nil {
		n.t.Fatal(err)
	}
	return n.process.Wait()
}

func (n *node) kill() {
	n.t.Helper()
	n.end()
	n.start()
}

// end is a power cut.
func (n *node) end() {
	n.t.Helper()
	var exit *exec.ExitError
	if err := n.stop(syscall.SIGKILL); !errors.As(err, &exit) {
		n.t.Fatalf("killing: %v", err)
	}
}

// A node is killed in the middle of everything; the person just goes on, and
// what the pages say is what happened.
func TestKillTheNodeDuringAReset(t *testing.T) {
	const pw = "tujuh kuda minum kopi"
	mail := notifytest.Start(t, notifytest.Options{})
	n := newNode(t, mail, installation{organization: kuncitest.Contoso, people: kuncitest.People})
	n.start()
	b := kuncitest.NewBrowser(t, "http://"+n.address)
	b.Get("/reset").Want(http.StatusOK, "reset-identify")
	choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
	n.kill()
	b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
	n.kill() // perhaps before the mail left: the queue sends it within a minute, and the person asks again
	b.Post("/reset/verify", "action", "resend").Want(http.StatusOK, "reset-verify")
	b.Post("/reset/verify", "code", codeIn(mail.Wait(t, 1)[0].Parse(t).Text), "action", "verify").Want(http.StatusOK, "reset-password")
	n.kill()
	// The write is cut at some point of its own choosing.
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = b.Clone().Do(http.MethodPost, "/reset/password", url.Values{"new_password": {pw}, "confirm_password": {pw}}) // the connection is cut
	}()
	select {
	case <-written:
	case <-time.After(40 * time.Millisecond): // somewhere inside the hash or the write
	}
	n.kill()
	<-written
	says := b.Get("/reset/done")
	if says.Name() == "reset-done" && n.check("alain@contoso.com", pw) != directory.OK {
		t.Fatal("the page says done and the password is not written")
	}
	if says.Name() != "reset-done" {
		// A step that was cut can be repeated once its lease of 30 seconds is over.
		deadline := time.Now().Add(45 * time.Second)
		for says.Name() != "reset-done" && time.Now().Before(deadline) {
			says = b.Post("/reset/password", "new_password", pw, "confirm_password", pw)
		}
		says.Want(http.StatusOK, "reset-done")
	}
	if got := n.check("alain@contoso.com", pw); got != directory.OK {
		t.Errorf("the new password: %s", got)
	}
	if err := n.stop(syscall.SIGTERM); err != nil {
		t.Errorf("stopping by SIGTERM: %v", err)
	}
	if out := n.command("audit", "verify"); !strings.Contains(out, "nothing in the log was changed") {
		t.Errorf("the log: %s", out)
	}
}

// codeIn finds the code in a mail.
func codeIn(text string) string {
	code := ""
	for _, word := range strings.Fields(text) {
		if len(strings.Trim(word, ".")) == 8 && strings.Trim(word, "0123456789.") == "" {
			code = strings.Trim(word, ".")
		}
	}
	return code
}

// check signs in against the node's own database.
func (n *node) check(userID, pw string) directory.CheckResult {
	n.t.Helper()
	settings, err := config.Load(n.path(n.config), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	a, err := app.New(n.t.Context(), settings, app.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		n.t.Fatal(err)
	}
	defer a.Close()
	var o *org.Organization
	err = a.DB.Read(n.t.Context(), func(tx *store.Tx) (err error) { o, err = a.Orgs.BySlug(n.t.Context(), tx, "contoso"); return err })
	if err != nil {
		n.t.Fatal(err)
	}
	found, err := a.Accounts.Find(n.t.Context(), o, userID)
	if err != nil {
		n.t.Fatal(err)
	}
	d, err := a.Accounts.Directory(o)
	if err != nil {
		n.t.Fatal(err)
	}
	result, err := d.CheckPassword(n.t.Context(), found.Entry.Key, pw)
	if err != nil {
		n.t.Fatal(err)
	}
	return result
}
