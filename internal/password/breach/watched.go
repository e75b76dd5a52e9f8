package breach

import (
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookAgain is how often a changed file is looked for, at a check.
const lookAgain = 5 * time.Second

// Watched is a filter that is opened again when its file changes. While a new
// file cannot be used, the one before stays.
type Watched struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.RWMutex
	filter *Filter
	seen   os.FileInfo // of the file that was looked at last; nil: there was none
	next   time.Time
}

// Watch opens the filter at path.
func Watch(path string, log *slog.Logger, now func() time.Time) (*Watched, error) {
	w := &Watched{path: path, log: log, now: now, next: now().Add(lookAgain)}
	w.seen = w.look()
	var err error
	if w.filter, err = Open(path); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Watched) look() os.FileInfo {
	info, err := os.Stat(w.path)
	if err != nil {
		return nil
	}
	return info
}

// same tells whether a file is the one that was seen before. Time and size alone
// do not: the clock of a file system stands still for milliseconds, and filters of
// as many passwords have one size. A new one is another file, because Build
// renames it into place.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// Contains tells whether a password is in the list; it is what package password
// asks for. A file that cannot tell counts every password as found: what cannot
// be checked is not let through.
func (w *Watched) Contains(password string) bool {
	w.refresh()
	w.mu.RLock()
	defer w.mu.RUnlock()
	found, err := w.filter.Contains(password)
	if err != nil {
		w.log.Error("the filter of breached passwords cannot tell, so it refuses", "file", w.path, "error", err)
		return true
	}
	return found
}

// refresh opens a changed file.
func (w *Watched) refresh() {
	now := w.now()
	w.mu.RLock()
	early := now.Before(w.next)
	w.mu.RUnlock()
	if early {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(w.next) {
		return
	}
	w.next = now.Add(lookAgain)
	found := w.look()
	if same(found, w.seen) {
		return
	}
	w.seen = found
	fresh, err := Open(w.path)
	if err != nil {
		w.log.Error("the changed filter of breached passwords cannot be used; the one before stays", "file", w.path, "error", err)
		return
	}
	old := w.filter
	w.filter = fresh
	if err := old.Close(); err != nil {
		w.log.Error("the filter of breached passwords that was replaced stays open", "file", w.path, "error", err)
	}
	w.log.Info("the filter of breached passwords was opened again", "file", w.path, "passwords", fresh.Passwords())
}

// Close lets go of the file. Nothing may be asked any more.
func (w *Watched) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.filter.Close()
}
