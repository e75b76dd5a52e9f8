package watch

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// LookAgain is how often a changed file is looked for, at a question.
const LookAgain = 5 * time.Second

// File is a file that is opened again when it changes. T is what an open one is.
type File[T io.Closer] struct {
	path string
	open func(path string) (T, error)
	log  *slog.Logger // says which file it is
	now  func() time.Time

	mu     sync.RWMutex
	opened T
	closed bool
	seen   os.FileInfo // of the file that was looked at last; nil: there was none
	next   time.Time
}

// Open opens the file at path. what names it in the log; the error is open's own.
func Open[T io.Closer](path, what string, open func(path string) (T, error), log *slog.Logger, now func() time.Time) (*File[T], error) {
	f := &File[T]{path: path, open: open, log: log.With("what", what, "file", path), now: now, next: now().Add(LookAgain)}
	f.seen = f.look()
	var err error
	if f.opened, err = open(path); err != nil {
		return nil, err
	}
	return f, nil
}

// Use hands over the file that is open now. Nobody may keep it. It is false, and
// use is not called, after Close.
func (f *File[T]) Use(use func(T)) bool {
	f.refresh()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return false
	}
	use(f.opened)
	return true
}

func (f *File[T]) look() os.FileInfo {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil
	}
	return info
}

// same tells whether a file is the one that was seen before. Time and size alone
// do not: the clock of a file system stands still for milliseconds, and files of
// one kind often have one size. A new one is another file, because it was moved
// into place.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func (f *File[T]) refresh() {
	now := f.now()
	f.mu.RLock()
	early := now.Before(f.next)
	f.mu.RUnlock()
	if early {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Before(f.next) || f.closed {
		return
	}
	f.next = now.Add(LookAgain)
	found := f.look()
	if same(found, f.seen) {
		return
	}
	f.seen = found
	fresh, err := f.open(f.path)
	if err != nil {
		f.log.Error("the changed file cannot be used; the one before stays", "error", err)
		return
	}
	old := f.opened
	f.opened = fresh
	if err := old.Close(); err != nil {
		f.log.Error("the file that was replaced stays open", "error", err)
	}
	f.log.Info("the changed file was opened")
}

// Close lets go of the file. It may be repeated.
func (f *File[T]) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	return f.opened.Close()
}
