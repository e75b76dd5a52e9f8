package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is the node's own, read again when its files change, so that a
// renewal needs no restart. While the new files do not fit together (one is
// written before the other) the old certificate stays.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	state  [2]fileState // of the files that were read last, also when they did not fit
}

type fileState struct {
	changed time.Time
	size    int64
}

func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	c.state = c.files()
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("the certificate %s and its key cannot be used (%w); see tls.cert_file and tls.key_file", certFile, err)
	}
	return c, nil
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.loaded = &pair
	return nil
}

func (c *certificate) files() (state [2]fileState) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil {
			state[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return state
}

// get is called once a handshake, where two look-ups of a file weigh nothing.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.files(); now != c.state {
		c.state = now
		if err := c.load(); err != nil {
			c.log.Error("the changed certificate cannot be used; the one before stays", "file", c.certFile, "error", err)
		} else {
			c.log.Info("the certificate was read again", "file", c.certFile)
		}
	}
	return c.loaded, nil
}
