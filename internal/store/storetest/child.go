package storetest

import (
	"os"
	"os/exec"
	"testing"
)

const childEnv = "KUNCI_TEST_CHILD"

// Main runs a package's tests. In a process that Child made it runs child instead,
// with the database's address: a node that a test kills.
func Main(m *testing.M, child func(url string)) {
	if url := os.Getenv(childEnv); url != "" {
		child(url)
		return
	}
	os.Exit(m.Run())
}

// Child makes the process of a node on that database, told more by its
// environment. What goes wrong in it stands in the output of the test.
func Child(t testing.TB, url string, env ...string) *exec.Cmd {
	node := exec.CommandContext(t.Context(), os.Args[0])
	node.Env = append(append(os.Environ(), childEnv+"="+url), env...)
	node.Stderr = os.Stderr
	return node
}

// Kill ends a node as a cut of the power would.
func Kill(t testing.TB, node *exec.Cmd) {
	t.Helper()
	if err := node.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = node.Wait() // it was killed
}
