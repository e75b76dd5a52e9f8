package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Times of the server. A slow phone gets its time; a silent connection does not.
const (
	readHeader   = 10 * time.Second
	readAll      = 30 * time.Second
	writeAll     = 60 * time.Second
	idle         = 2 * time.Minute
	maxHeader    = 32 << 10
	stopPatience = 20 * time.Second
	sequenceEach = time.Second
)

// Run serves until ctx ends, then stops: requests that began are finished,
// jobs that run are finished, and what is left stays in the database. It
// refuses a database that is not at this version. ready is called once
// requests are answered; it may be nil.
func (a *App) Run(ctx context.Context, ready func()) error {
	if err := a.Current(ctx); err != nil {
		return err
	}
	listener := a.options.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", a.Config.Listen); err != nil {
			return fmt.Errorf("listening on %s: %w", a.Config.Listen, err)
		}
	}
	a.periodic()
	running := context.WithoutCancel(ctx) // jobs end with Stop, not in the middle
	if err := a.Jobs.Start(running); err != nil {
		return errors.Join(err, listener.Close())
	}
	server, err := a.httpServer()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	failed := make(chan error, 2)
	go func() { failed <- serve(server, listener) }()
	measured, err := a.serveMetrics(failed)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	if ready != nil {
		ready()
	}
	sequencing := make(chan struct{})
	go func() { defer close(sequencing); a.sequence(ctx) }()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, a.stop(running, server, measured, sequencing))
}

// stop ends what runs, in the order in which work flows.
func (a *App) stop(ctx context.Context, server, measured *http.Server, sequencing <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	err := server.Shutdown(ctx)
	if measured != nil {
		err = errors.Join(err, measured.Shutdown(ctx))
	}
	err = errors.Join(err, a.Jobs.Stop(ctx))
	select {
	case <-sequencing:
	case <-ctx.Done():
	}
	return errors.Join(err, a.Audit.Run(ctx))
}

func (a *App) httpServer() (*http.Server, error) {
	server := &http.Server{
		Handler: a.server, ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: writeAll,
		IdleTimeout: idle, MaxHeaderBytes: maxHeader,
	}
	if a.Config.TLS.CertFile == "" {
		return server, nil
	}
	pair := &certificate{certFile: a.Config.TLS.CertFile, keyFile: a.Config.TLS.KeyFile}
	if _, err := pair.get(nil); err != nil {
		return nil, fmt.Errorf("the certificate cannot be used: %w", err)
	}
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	return server, nil
}

func serve(server *http.Server, listener net.Listener) error {
	var err error
	if server.TLSConfig != nil {
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (a *App) serveMetrics(failed chan<- error) (*http.Server, error) {
	if a.Config.Metrics.Listen == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", a.Config.Metrics.Listen)
	if err != nil {
		return nil, fmt.Errorf("metrics: listening on %s: %w", a.Config.Metrics.Listen, err)
	}
	server := &http.Server{Handler: a.metrics.handler(), ReadHeaderTimeout: readHeader}
	go func() { failed <- serve(server, listener) }()
	return server, nil
}

// sequence gives new events their places in the audit log, every second.
func (a *App) sequence(ctx context.Context) {
	ticker := time.NewTicker(sequenceEach)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := a.Audit.Run(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("the audit log cannot be extended", "error", err)
			}
		}
	}
}

// periodic registers what is cleaned up in the background.
func (a *App) periodic() {
	in := func(clean func(ctx context.Context, tx *store.Tx) error) func(context.Context) error {
		return func(ctx context.Context) error {
			return a.DB.Write(ctx, func(tx *store.Tx) error { return clean(ctx, tx) })
		}
	}
	a.Jobs.Every("reset.expire", time.Minute, a.Reset.Expire)
	a.Jobs.Every("challenge.purge", time.Hour, in(func(ctx context.Context, tx *store.Tx) error {
		_, err := a.Challenges.Purge(ctx, tx)
		return err
	}))
	a.Jobs.Every("method.purge", time.Hour, in(func(ctx context.Context, tx *store.Tx) error {
		_, err := a.Methods.Purge(ctx, tx)
		return err
	}))
	a.Jobs.Every("session.purge", time.Hour, in(a.Sessions.Purge))
	a.Jobs.Every("throttle.purge", time.Hour, in(purgeThrottle))
}
