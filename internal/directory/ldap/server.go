package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
)

// shadow is how OpenLDAP and 389 Directory Server name a replica that takes no writes.
var shadow = regexp.MustCompile(`(?i)shadow context|read[- ]?only|operation restricted|replica`)

// limits are the times and numbers of a directory's connections.
type limits struct {
	connect   time.Duration // to a connection with TLS, signed in
	operation time.Duration // one request
	step      time.Duration // all requests of one step that only reads
	write     time.Duration // all requests of one that writes
	wait      time.Duration // for a connection that is in use
	idle      int           // connections kept
	open      int           // connections at once, of each directory
	waiting   int           // steps that may wait for one
	age       time.Duration // after which a connection is not used again
	down      time.Duration // how long a server that failed is left alone, at first
	downMost  time.Duration
	replica   time.Duration // how long a server that took no write is not asked to
	page      uint32        // entries in one answer of a list: at most the thousand a domain controller gives (MS-ADTS 3.1.1.3.4.6)
	refused   time.Duration // how long a refused service account does not sign in again
	answer    int64         // bytes of one, all its entries together
}

var usualLimits = limits{
	connect: 4 * time.Second, operation: 5 * time.Second, step: 10 * time.Second, write: 13 * time.Second, wait: 2 * time.Second,
	idle: 4, open: 16, waiting: 64, age: 10 * time.Minute,
	down: time.Second, downMost: 30 * time.Second, replica: time.Minute, refused: 10 * time.Second, page: 500,
	answer: 16 << 20,
}

// server is one of the directory's servers, and what is known of its health.
type server struct {
	url    *url.URL
	set    *org.DirectoryConfig
	limits limits
	now    func() time.Time
	named  string // as the configuration has it
	typed  string // the password of a trial
	// kept opens the password that is kept here.
	kept func() (string, error)
	// control judges addresses; nil lets every one pass.
	control func(network, address string, c syscall.RawConn) error

	mu        sync.Mutex
	failures  int
	downUntil time.Time
	heard     time.Time // when it last answered
	downSince time.Time // zero: it is not down
	lastNo    time.Time // when it last refused Kunci's account, or something to it
	why       string    // of that, as refusalOf says it
	noWrites  time.Time // until then it is not asked to write
	refusal   error     // of the service account
	refusedAt time.Time
	features  *features
	featured  time.Time
}

// features are what a server says it can do.
type features struct{ controls, extensions map[string]bool }

func newServer(text string, set *org.DirectoryConfig, l limits, now func() time.Time) (*server, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("ldap directory: server: %w", err)
	}
	return &server{named: text, url: u, set: set, limits: l, now: now}, nil
}

func (s *server) String() string { return s.url.Scheme + "://" + s.url.Host }

func (s *server) address() string {
	port := s.url.Port()
	if port == "" {
		port = map[string]string{"ldap": "389", "ldaps": "636"}[s.url.Scheme]
	}
	return net.JoinHostPort(s.url.Hostname(), port)
}

// up tells whether the server may be tried now. One that failed is left alone
// for a while; then one step tries it, and others go on leaving it alone.
func (s *server) up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == 0 {
		return true
	}
	now := s.now()
	if now.Before(s.downUntil) {
		return false
	}
	s.downUntil = now.Add(s.limits.connect) // this one tries
	return true
}

func (s *server) failed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := s.limits.down << min(s.failures, 10)
	if s.failures == 0 {
		s.downSince = s.now()
	}
	s.failures++
	s.downUntil = s.now().Add(min(pause, s.limits.downMost))
}

func (s *server) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.downUntil, s.downSince = 0, time.Time{}, time.Time{}
	s.heard = s.now()
}

// refusedBy remembers a refusal for those who look at the server's health.
func (s *server) refusedBy(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastNo, s.why = s.now(), refusalOf(err)
}

func (s *server) writes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.now().Before(s.noWrites)
}

func (s *server) refusedWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noWrites = s.now().Add(s.limits.replica)
}

// dial opens a connection that nobody is signed in on. TLS is verified against
// the organization's own authority, or the machine's where it names none.
func (s *server) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.connect)
	defer cancel()
	settings, err := s.tls()
	if err != nil {
		return nil, err
	}
	plain, err := (&net.Dialer{Control: s.control}).DialContext(ctx, "tcp", s.address())
	if err != nil {
		return nil, unavailable(err)
	}
	raw := &metered{Conn: plain}
	raw.left.Store(s.limits.answer)
	if end, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(end) // a connection without one fails below
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	c, err := s.secure(ctx, raw, settings)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = raw.Close()
		return nil, unavailable(err)
	}
	return c, nil
}

func (s *server) secure(ctx context.Context, raw *metered, settings *tls.Config) (*conn, error) {
	c := &conn{raw: raw, server: s, born: s.now()}
	if s.url.Scheme == "ldaps" {
		secured := tls.Client(raw, settings)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		c.ldap = ldap.NewConn(secured, true)
		c.ldap.Start()
		return c, nil
	}
	c.ldap = ldap.NewConn(raw, false)
	c.ldap.SetTimeout(s.limits.connect)
	c.ldap.Start()
	if !s.set.StartTLS {
		// Never reached with a checked document; nothing is sent in the open.
		c.close()
		return nil, fmt.Errorf("%s is not encrypted", s)
	}
	if err := c.ldap.StartTLS(settings); err != nil {
		c.close()
		return nil, fmt.Errorf("StartTLS: %w", err)
	}
	return c, nil
}

func (s *server) tls() (*tls.Config, error) {
	settings := &tls.Config{ServerName: s.url.Hostname(), MinVersion: tls.VersionTLS12}
	if s.set.CACertificates != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM([]byte(s.set.CACertificates)) {
			return nil, misconfigured("ca_certificates", errors.New("it holds no certificate"))
		}
		return settings, nil
	}
	if s.set.CAFile == "" {
		return settings, nil
	}
	text, err := os.ReadFile(s.set.CAFile)
	if err != nil {
		return nil, misconfigured("ca_file", err)
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(text) {
		return nil, misconfigured("ca_file", fmt.Errorf("%s holds no certificate", s.set.CAFile))
	}
	return settings, nil
}

// connect opens a connection and signs the service account in. One that was
// refused is not tried again at once: its own failures count too, and would lock it.
func (s *server) connect(ctx context.Context) (*conn, error) {
	s.mu.Lock()
	refusal, at := s.refusal, s.refusedAt
	s.mu.Unlock()
	if refusal != nil && s.now().Sub(at) < s.limits.refused {
		return nil, refusal
	}
	c, err := s.signIn(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal, s.refusedAt = nil, s.now()
	if errors.Is(err, directory.ErrRights) {
		s.refusal, s.failures, s.downSince = err, 0, time.Time{}
		s.lastNo, s.why = s.now(), refusalOf(err)
	}
	return c, err
}

func (s *server) signIn(ctx context.Context) (*conn, error) {
	pw, err := s.password()
	if err != nil {
		return nil, err
	}
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.bind(ctx, s.set.BindDN, pw); err != nil {
		c.close()
		return nil, fault(err)
	}
	return c, nil
}

// password is that of the service account: the typed one of a trial, else the one
// that is kept here or what stands in the file.
func (s *server) password() (string, error) {
	switch {
	case s.typed != "":
		return s.typed, nil
	case s.set.BindPassword != "":
		pw, err := s.kept()
		if err != nil {
			return "", misconfigured("bind_password", err)
		}
		return pw, nil
	}
	text, err := os.ReadFile(s.set.BindPasswordFile)
	if err != nil {
		return "", misconfigured("bind_password_file", err)
	}
	pw := strings.TrimRight(string(text), "\r\n")
	if pw == "" {
		return "", misconfigured("bind_password_file", fmt.Errorf("%s is empty", s.set.BindPasswordFile))
	}
	return pw, nil
}

// bound opens a connection for one person: their controls and the bind's error
// tell whether the password was right. The connection is nil after an error.
func (s *server) bound(ctx context.Context, dn, pw string, controls ...ldap.Control) (*conn, []ldap.Control, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	answer, err := c.bind(ctx, dn, pw, controls...)
	if err != nil {
		c.close()
		return nil, answer, err
	}
	return c, answer, nil
}

// able are the server's features, asked for once in a while.
func (c *conn) able(ctx context.Context) (*features, error) {
	s := c.server
	s.mu.Lock()
	known, at := s.features, s.featured
	s.mu.Unlock()
	if known != nil && s.now().Sub(at) < s.limits.age {
		return known, nil
	}
	e, err := c.read(ctx, "", "supportedControl", "supportedExtension")
	if err != nil {
		return nil, err
	}
	f := &features{make(map[string]bool), make(map[string]bool)}
	if e != nil {
		for _, oid := range e.GetAttributeValues("supportedControl") {
			f.controls[oid] = true
		}
		for _, oid := range e.GetAttributeValues("supportedExtension") {
			f.extensions[oid] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.features, s.featured = f, s.now()
	return f, nil
}
