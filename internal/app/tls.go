package app

import (
	"context"
	"crypto/tls"
	"os"
	"sync"
	"time"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

func purgeThrottle(ctx context.Context, tx *store.Tx) error {
	_, err := throttle.Purge(ctx, tx)
	return err
}

// certificate reads its files again when they changed: a renewed certificate
// is used without a restart.
type certificate struct {
	certFile, keyFile string

	mu     sync.Mutex
	loaded *tls.Certificate
	at     time.Time // of the files, when they were read
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.changed()
	if err == nil && c.loaded != nil && !changed.After(c.at) {
		return c.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		if c.loaded != nil {
			return c.loaded, nil // half-written files: go on with the old one
		}
		return nil, err
	}
	c.loaded, c.at = &pair, changed
	return c.loaded, nil
}

func (c *certificate) changed() (time.Time, error) {
	var newest time.Time
	for _, path := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return newest, err
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest, nil
}
