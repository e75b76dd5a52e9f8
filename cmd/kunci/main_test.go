package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"kunci": main}) }

// The command line is text: what is typed, what is printed, the exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			docs, err := filepath.Abs(filepath.Join("..", "..", "docs"))
			if err != nil {
				return err
			}
			e.Setenv("DOCS", docs)
			e.Setenv("POSTGRES", storetest.URL(e.T().(testing.TB), store.PostgreSQL))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": code, "port": port, "get": get, "replace": replace, "sigterm": sigterm,
		},
	})
}

// code runs a command and asks for its exit code: code 2 kunci org.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want := args[0]
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = string(rune('0' + exit.ExitCode()))
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %s, want %s", got, want)
	}
}

// port finds a free one: port NAME sets $NAME.
func port(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strings.TrimPrefix(l.Addr().String(), "127.0.0.1:"))
	ts.Check(l.Close())
}

// get asks for a page until somebody answers, and wants a text in it: get URL TEXT.
func get(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
		ts.Check(err)
		response, err := client.Do(request)
		if err == nil {
			body, err := io.ReadAll(response.Body)
			ts.Check(err)
			ts.Check(response.Body.Close())
			if !bytes.Contains(body, []byte(args[1])) {
				ts.Fatalf("%d, without %q:\n%s", response.StatusCode, args[1], body)
			}
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("nobody answers: %v", err)
		case <-again.C:
		}
	}
}

// sigterm tells what runs in the background to stop, as service managers do.
func sigterm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// replace changes a text in a file: replace FILE OLD NEW.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	if !strings.Contains(string(text), args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(text), args[1], args[2])), 0o600))
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		want        string
	}{
		{0, 4, "[------------------------------] 0 of 4 rows"},
		{2, 4, "[###############---------------] 2 of 4 rows"},
		{9, 4, "[##############################] 9 of 4 rows"},
		{7, 0, "7 rows"},
	} {
		if got := bar(c.done, c.total, "rows"); got != c.want {
			t.Errorf("%d of %d: %q", c.done, c.total, got)
		}
	}
}
