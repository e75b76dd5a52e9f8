package account_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// Where the other process finds the database, the keyset and the import.
const (
	nodeDatabase = "KUNCI_ACCOUNT_TEST_DATABASE"
	nodeKeyset   = "KUNCI_ACCOUNT_TEST_KEYSET"
	nodeImport   = "KUNCI_ACCOUNT_TEST_IMPORT"
)

// stuckAt is the person at whose row the node stands still until it is killed: half
// of the third batch is in its transaction.
const stuckAt = "p250@contoso.com"

// kin is a house in a process that shares database and keyset with others.
func kin(t *testing.T, url, keyset string) house {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys, err := secret.Open(keyset)
	if err != nil {
		t.Fatal(err)
	}
	return buildUnder(t, db, keys, func(d directory.Directory) directory.Directory { return d })
}

// workUntilKilled is the node.
func workUntilKilled(t *testing.T, url string) {
	h := kin(t, url, os.Getenv(nodeKeyset))
	guard := func(userID string, _ []string) bool {
		if userID == stuckAt {
			_, _ = os.Stdout.WriteString("stuck\n")
			select {}
		}
		return true
	}
	h.SetWall(func() time.Time { return time.Unix(0, 0) }) // on a slow machine, too, the run goes on until it is killed
	err := h.Work(t.Context(), h.org, desk, os.Getenv(nodeImport), guard, func(*store.Tx) error { return nil })
	t.Fatalf("nobody killed the node: %v", err)
}

// A node is killed by the system, in the middle of a batch, with no time to say
// goodbye: what it had committed stays, another goes on from there, and no row is
// lost or done twice. That the queue gives the job to another is room jobs' to show.
func TestAnImportOutlivesItsNode(t *testing.T) {
	if url := os.Getenv(nodeDatabase); url != "" {
		workUntilKilled(t, url)
		return
	}
	const people = 320
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			url, keyset := storetest.URL(t, kind), filepath.Join(t.TempDir(), "kunci.keyset")
			keys, err := secret.Generate()
			if err == nil {
				err = keys.Write(keyset)
			}
			if err != nil {
				t.Fatal(err)
			}
			h := kin(t, url, keyset)
			b := h.receive(crowd(people, account.CSV), account.CSV, anybody)
			if b = h.work(b.ID, anybody); b.State != account.BulkChecked {
				t.Fatalf("checked: %+v", b)
			}
			if err := h.decide(b.ID, false); err != nil {
				t.Fatal(err)
			}
			node := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnImportOutlivesItsNode$")
			node.Env = append(os.Environ(), nodeDatabase+"="+url, nodeKeyset+"="+keyset, nodeImport+"="+b.ID)
			out, err := node.StdoutPipe()
			if err == nil {
				err = node.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "stuck\n" {
				t.Fatalf("the node said %q, %v", line, err)
			}
			storetest.Kill(t, node)
			if b = h.bulk(b.ID); b.State != account.BulkApplying || b.DoneRows != 200 || b.Created != 200 || b.Methods != 200 {
				t.Errorf("killed in the third batch: %+v", b)
			}
			if b = h.work(b.ID, anybody); b.State != account.BulkDone || b.DoneRows != people || b.Created != people || b.Methods != people || b.Updated+b.Unchanged+b.Bad != 0 {
				t.Errorf("done: %+v", b)
			}
			again := h.receive(crowd(people, account.CSV), account.CSV, anybody)
			if again = h.work(again.ID, anybody); again.Unchanged != people || again.Created+again.Updated+again.Methods != 0 {
				t.Errorf("the same file again: %+v", again)
			}
		})
	}
}
