package app

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"kunci.dev/kunci/internal/secret"
)

// Two runs at once on one path: one makes the installation, and the other
// takes nothing of it away.
func TestTwoInitsAtOnceLeaveOneWholeInstallation(t *testing.T) {
	for range 15 {
		folder := t.TempDir()
		var done atomic.Int32
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if _, err := Init(t.Context(), InitOptions{Config: filepath.Join(folder, "kunci.yaml")}); err == nil {
					done.Add(1)
				}
			})
		}
		group.Wait()
		if done.Load() != 1 {
			t.Fatalf("%d runs made it", done.Load())
		}
		if _, err := secret.Open(filepath.Join(folder, "kunci.keyset")); err != nil {
			t.Fatal(err)
		}
	}
}
