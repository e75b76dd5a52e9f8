package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// NewLines gives a sink that appends JSON lines to a file: what an export writes,
// and the organization's name in files. The file is opened for each batch, so it
// may be renamed or removed at any time, and is on the disk before it counts.
func NewLines(path string) Sink { return &lines{path: path} }

// NewWriter gives a sink that writes JSON lines, to standard output.
func NewWriter(w io.Writer) Sink { return &lines{w: w} }

type lines struct {
	path string
	w    io.Writer
}

// Send is part of Sink.
func (l *lines) Send(_ context.Context, events []Event) error {
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	encoder.SetEscapeHTML(false)
	for _, e := range events {
		if err := encoder.Encode(e); err != nil {
			return fail("encoding", err)
		}
	}
	if l.w != nil {
		if _, err := l.w.Write(all.Bytes()); err != nil {
			return fail("write", err)
		}
		return nil
	}
	return l.append(all.Bytes())
}

func (l *lines) append(data []byte) (err error) {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fail("open", err)
	}
	defer func() {
		if closing := f.Close(); err == nil && closing != nil {
			err = fail("write", closing)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return fail("open", err)
	}
	if size := info.Size(); info.Mode().IsRegular() && size > 0 {
		// A node that died while it wrote left half a line: what follows begins a new one.
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return fail("open", err)
		}
		if last[0] != '\n' {
			data = append([]byte{'\n'}, data...)
		}
	}
	if _, err := f.Write(data); err != nil {
		return fail("write", err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	if err := f.Sync(); err != nil {
		return fail("write", err)
	}
	return nil
}

// Check is part of Sink.
func (l *lines) Check(context.Context) error {
	if l.w != nil {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fail("open", err)
	}
	// It will be made. That needs its folder.
	folder, err := os.Stat(filepath.Dir(l.path))
	if err == nil && !folder.IsDir() {
		err = errors.New("its folder is no folder")
	}
	if err != nil {
		return fail("open", err)
	}
	return nil
}
