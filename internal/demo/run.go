package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"kunci.dev/kunci/internal/notify"
)

// Options say how the demo is started.
type Options struct {
	// Listen is the address to listen on; empty means 127.0.0.1:8080.
	Listen string
	// Data is the folder that keeps the database and the keys; empty means a
	// temporary one that goes with the demo.
	Data string
	Log  *slog.Logger
	// Ready is told the address once the first page can be asked for; it may be nil.
	Ready func(url string)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Setup is what the product is to be started with.
type Setup struct {
	Listener  net.Listener
	PublicURL string
	Database  string // as in the configuration file
	Keyset    string // path; made when it is not there
	Sender    notify.Sender
	Phones    notify.PhoneSender // takes texts and calls
	Log       *slog.Logger
	Now       func() time.Time
	// Pages answers /demo and everything below it.
	Pages http.Handler
	// Seed is called once the rooms are built and the database is up to date,
	// before the first request is answered.
	Seed func(ctx context.Context, r Rooms) error
	// Ready is called once requests are answered.
	Ready func()
}

// Launch builds the product, serves until ctx ends, and stops it cleanly.
type Launch func(ctx context.Context, s Setup) error

// Run runs the demo until ctx ends.
func Run(ctx context.Context, o Options, launch Launch) (err error) {
	if o.Log == nil || launch == nil {
		return errors.New("demo: a log and a launch are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	dir, remove, err := folder(o.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8080"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = listener.Close() }() // closed already when the product has served on it
	url := publicURL(listener.Addr().(*net.TCPAddr))
	inbox := &Inbox{}
	pages, err := newPages(inbox, url, o.Now, o.Log)
	if err != nil {
		return err
	}
	return launch(ctx, Setup{
		Listener: listener, PublicURL: url, Database: "sqlite:" + filepath.Join(dir, "kunci.db"),
		Keyset: filepath.Join(dir, "kunci.keyset"), Sender: inbox, Phones: inbox, Log: o.Log, Now: o.Now, Pages: pages,
		Seed: func(ctx context.Context, r Rooms) error { return pages.fill(ctx, r) },
		Ready: func() {
			if o.Ready != nil {
				o.Ready(url)
			}
		},
	})
}

func folder(data string) (dir string, remove func() error, err error) {
	if data != "" {
		if err := os.MkdirAll(data, 0o700); err != nil {
			return "", nil, fmt.Errorf("demo: %w", err)
		}
		return data, func() error { return nil }, nil
	}
	if dir, err = os.MkdirTemp("", "kunci-demo-"); err != nil {
		return "", nil, fmt.Errorf("demo: %w", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// publicURL is the address people type. On this machine that is localhost, a
// name browsers treat as secure without TLS.
func publicURL(a *net.TCPAddr) string {
	host := "localhost"
	if !a.IP.IsLoopback() && !a.IP.IsUnspecified() {
		host = a.IP.String()
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(a.Port))
}
