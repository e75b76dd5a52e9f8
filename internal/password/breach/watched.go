package breach

import (
	"log/slog"
	"time"

	"kunci.dev/kunci/internal/watch"
)

// Watched is a filter that is opened again when its file changes.
type Watched struct {
	file *watch.File[*Filter]
	log  *slog.Logger
}

// Watch opens the filter at path.
func Watch(path string, log *slog.Logger, now func() time.Time) (*Watched, error) {
	file, err := watch.Open(path, "the filter of breached passwords", Open, log, now)
	if err != nil {
		return nil, err
	}
	return &Watched{file, log}, nil
}

// Contains tells whether a password is in the list; it is what package password
// asks for. A file that cannot tell counts every password as found: what cannot
// be checked is not let through.
func (w *Watched) Contains(password string) bool {
	found, err := false, error(nil)
	open := w.file.Use(func(f *Filter) { found, err = f.Contains(password) })
	if err != nil {
		w.log.Error("the filter of breached passwords cannot tell, so it refuses", "error", err)
	}
	return found || err != nil || !open
}

// Close lets go of the file. Afterwards every password is refused.
func (w *Watched) Close() error { return w.file.Close() }
