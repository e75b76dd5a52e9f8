package watch_test

import (
	"bytes"
	"errors"
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

// words is an open file of the test: what it says, until it is closed.
type words struct {
	mu     sync.Mutex
	text   string
	closed int
}

func read(path string) (*words, error) {
	text, err := os.ReadFile(path)
	if err == nil && strings.HasPrefix(string(text), "bad") {
		err = errors.New("not words")
	}
	return &words{text: string(text)}, err
}

func (w *words) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed++
	return nil
}

func (w *words) say() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text, w.closed == 0
}

func put(t *testing.T, path, text string) {
	t.Helper()
	next := filepath.Join(t.TempDir(), "next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsOpenedAgainWhenAnotherStandsInItsPlace(t *testing.T) {
	t.Parallel()
	clock, path := storetest.NewClock(), filepath.Join(t.TempDir(), "words")
	put(t, path, "one")
	var logged bytes.Buffer
	f, err := watch.Open(path, "words", read, slog.New(slog.NewTextHandler(&logged, nil)), clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	var all []*words
	said := func() (text string) {
		t.Helper()
		if !f.Use(func(w *words) {
			all = append(all, w)
			text, _ = w.say()
		}) {
			t.Error("the file is closed")
		}
		return text
	}
	for _, step := range []struct {
		text string // put in place, where there is one
		wait time.Duration
		want string
	}{
		{"", 0, "one"},
		{"two", watch.LookAgain - 1, "one"}, // as long: only another file tells
		{"", 1, "two"},
		{"bad", watch.LookAgain, "two"},
		{"", watch.LookAgain, "two"},
		{"six", watch.LookAgain, "six"},
	} {
		if step.text != "" {
			put(t, path, step.text)
		}
		clock.Advance(step.wait)
		if got := said(); got != step.want {
			t.Errorf("after %q and %s: %q, want %q", step.text, step.wait, got, step.want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	clock.Advance(watch.LookAgain)
	if got := said(); got != "six" {
		t.Errorf("after the file went: %q", got)
	}
	if n := strings.Count(logged.String(), "the one before stays"); n != 2 {
		t.Errorf("what could not be used was said %d times: %s", n, logged.String())
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if f.Use(func(*words) { t.Error("a closed file was handed over") }) {
		t.Error("a closed file says that it is open")
	}
	clock.Advance(watch.LookAgain)
	f.Use(func(*words) { t.Error("a closed file was opened again") })
	for _, w := range all {
		if w.closed != 1 {
			t.Errorf("%q was closed %d times", w.text, w.closed)
		}
	}
}

func TestAFileThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	if _, err := watch.Open(filepath.Join(t.TempDir(), "gone"), "words", read, slog.New(slog.DiscardHandler), time.Now); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// Many ask while the file is exchanged; none is told by one that is closed.
func TestQuestionsGoOnWhileTheFileIsExchanged(t *testing.T) {
	t.Parallel()
	clock, path := storetest.NewClock(), filepath.Join(t.TempDir(), "words")
	put(t, path, "one")
	f, err := watch.Open(path, "words", read, slog.New(slog.DiscardHandler), clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for range 2000 {
				f.Use(func(w *words) {
					if _, open := w.say(); !open {
						t.Error("told by a closed file")
					}
				})
			}
		})
	}
	for range 20 {
		put(t, path, "more")
		clock.Advance(watch.LookAgain)
	}
	askers.Wait()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
