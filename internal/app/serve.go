package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"kunci.dev/kunci/internal/web"
)

// Times a connection may take. A form is small and a page is rendered into
// memory; the longest answer is a password that waits for its turn to be hashed.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
	// stopPatience is how long requests that were begun may take to finish.
	stopPatience = 20 * time.Second
)

// Run serves until ctx ends, or until something underneath fails. It returns
// when every request is answered and the queue has let go of its work.
func (a *App) Run(ctx context.Context) error {
	servers, err := a.listen(ctx)
	if err != nil {
		return err
	}
	// The queue outlives ctx: requests that finish may still enqueue.
	working := context.WithoutCancel(ctx)
	if err := a.Jobs.Start(working); err != nil {
		return errors.Join(err, closeAll(servers))
	}
	go a.tidy.run(ctx)
	failed := make(chan error, len(servers))
	for _, s := range servers {
		go func() { failed <- s.serve() }()
	}
	a.ready.Store(true)
	address := servers[0].listener.Addr().String()
	a.Log.Info("listening", "address", address, "public_url", a.Config.PublicURL)
	if a.options.Ready != nil {
		a.options.Ready(address)
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.ready.Store(false)
	a.Log.Info("stopping: requests finish first, then the queue")
	return errors.Join(err, a.stop(working, servers))
}

func (a *App) stop(ctx context.Context, servers []*server) error {
	patience, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	var all []error
	for _, s := range servers {
		if err := s.http.Shutdown(patience); err != nil {
			all = append(all, fmt.Errorf("requests on %s were cut off after %v: %w", s.listener.Addr(), stopPatience, err), s.http.Close())
		}
	}
	all = append(all, a.Jobs.Stop(ctx))
	// What happened last gets its place in the log too.
	sequencing, done := context.WithTimeout(ctx, stopPatience)
	defer done()
	return errors.Join(append(all, a.Audit.Run(sequencing))...)
}

// server is one address that is served.
type server struct {
	http     *http.Server
	listener net.Listener
}

func (s *server) serve() error {
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving %s: %w", s.listener.Addr(), err)
}

// listen takes every address before anything is served. The pages' is the first.
func (a *App) listen(ctx context.Context) ([]*server, error) {
	figures := newFigures(a)
	pages := a.newServer(figures.count(a.tidy.count(a.Handler)))
	if a.Config.TLS.CertFile != "" {
		c, err := openCertificate(a.Config.TLS.CertFile, a.Config.TLS.KeyFile, a.Log)
		if err != nil {
			return nil, err
		}
		pages.http.TLSConfig = &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12}
	}
	pages.listener = a.options.Listener
	if pages.listener == nil {
		var err error
		if pages.listener, err = listenOn(ctx, "listen", a.Config.Listen); err != nil {
			return nil, err
		}
	}
	servers := []*server{pages}
	if a.Config.Metrics.Listen == "" {
		return servers, nil
	}
	metrics := a.newServer(figures.page())
	var err error
	if metrics.listener, err = listenOn(ctx, "metrics.listen", a.Config.Metrics.Listen); err != nil {
		return nil, errors.Join(err, closeAll(servers))
	}
	return append(servers, metrics), nil
}

func (a *App) newServer(h http.Handler) *server {
	return &server{http: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		// Broken handshakes of strangers are no fault of ours.
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}}
}

func listenOn(ctx context.Context, key, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the address %s cannot be listened on (%w); choose another one at %s", address, reason(err), key)
	}
	return l, nil
}

// reason is what the system said, without Go's words around it.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func closeAll(servers []*server) error {
	var all []error
	for _, s := range servers {
		all = append(all, s.listener.Close())
	}
	return errors.Join(all...)
}

// extra is what stands beside the pages, behind the same checks and headers:
// health, which a load balancer asks for by any host name, and the demo.
func (a *App) extra() map[string]http.Handler {
	all := map[string]http.Handler{
		"GET /healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { web.Plain(w, http.StatusOK, "alive\n") }),
		"GET /readyz":  http.HandlerFunc(a.readiness),
	}
	if pattern, hooks := a.Notify.Hooks(); hooks != nil {
		all[pattern] = hooks
	}
	if a.options.Pages != nil {
		all["/demo"], all["/demo/"] = a.options.Pages, a.options.Pages
	}
	return all
}

func (a *App) readiness(w http.ResponseWriter, r *http.Request) {
	if !a.ready.Load() {
		web.Plain(w, http.StatusServiceUnavailable, "stopping\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := a.upToDate(ctx); err != nil {
		a.Log.Error("not ready", "error", err)
		web.Plain(w, http.StatusServiceUnavailable, "the database does not answer, or is not at this version\n")
		return
	}
	web.Plain(w, http.StatusOK, "ready\n")
}
