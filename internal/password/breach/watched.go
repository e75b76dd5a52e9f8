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
	seen   state // of the file that was looked at last
	next   time.Time
}

type state struct {
	changed time.Time
	size    int64
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

func (w *Watched) look() (s state) {
	if info, err := os.Stat(w.path); err == nil {
		s = state{info.ModTime(), info.Size()}
	}
	return s
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
	s := w.look()
	if s == w.seen {
		return
	}
	w.seen = s
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
