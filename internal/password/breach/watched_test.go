package breach

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/watch"
)

func TestAChangedFilterIsOpenedAgain(t *testing.T) {
	path, _ := built(t, "letmein\n", BuildOptions{})
	var logged bytes.Buffer
	c := storetest.NewClock()
	w, err := Watch(path, slog.New(slog.NewTextHandler(&logged, nil)), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	is := func(pw string, want bool) {
		t.Helper()
		if w.Contains(pw) != want {
			t.Errorf("Contains(%q) is %v", pw, !want)
		}
	}
	is("letmein", true)
	is("sayang", false)
	if _, err := Build(path, strings.NewReader("sayang\nbismillah\n"), BuildOptions{}); err != nil {
		t.Fatal(err)
	}
	is("sayang", false)
	c.Advance(watch.LookAgain)
	is("sayang", true)
	is("letmein", false)

	// One that cannot be used changes nothing but the log.
	if err := os.WriteFile(path+".new", []byte("no filter"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	c.Advance(watch.LookAgain)
	is("sayang", true)
	if !strings.Contains(logged.String(), "the one before stays") {
		t.Errorf("log: %s", logged.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.Advance(watch.LookAgain)
	is("sayang", true)
}

func TestAFilterThatCannotTellRefuses(t *testing.T) {
	path, _ := built(t, strings.Join(many(50_000, "breached"), "\n"), BuildOptions{})
	var logged bytes.Buffer
	w, err := Watch(path, slog.New(slog.NewTextHandler(&logged, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if !w.Contains("sembilan gajah menari pelan") {
		t.Error("what could not be checked was let through")
	}
	if !strings.Contains(logged.String(), "cannot tell") || strings.Contains(logged.String(), "gajah") {
		t.Errorf("log: %s", logged.String())
	}
}

func TestWatchRefusesAMissingFile(t *testing.T) {
	if _, err := Watch(filepath.Join(t.TempDir(), "gone"), slog.New(slog.DiscardHandler), time.Now); err == nil {
		t.Error("a missing filter was opened")
	}
}

// Many check while the file is exchanged; the race detector and the unmapped
// memory of the one before would show what is wrong.
func TestChecksGoOnWhileTheFileIsExchanged(t *testing.T) {
	path, _ := built(t, "letmein\n", BuildOptions{})
	c := storetest.NewClock()
	w, err := Watch(path, slog.New(slog.DiscardHandler), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 2000 {
				if !w.Contains("letmein") {
					t.Error("not found")
					return
				}
			}
		})
	}
	for n := range 20 {
		list := "letmein\n" + strings.Join(many(n*10, "more"), "\n")
		if _, err := Build(path, strings.NewReader(list), BuildOptions{}); err != nil {
			t.Fatal(err)
		}
		c.Advance(watch.LookAgain)
	}
	group.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
