package notifytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"kunci.dev/kunci/internal/notify"
)

// Options say how the server behaves.
type Options struct {
	TLS      string // as in notify.SMTPConfig; empty: none
	Username string // when set, nothing is taken without authentication
	Password string
	// Answer decides about the nth mail (from 1), after all of it has been read;
	// nil takes every one. Cut as its result takes the mail and drops the
	// connection without a word.
	Answer func(n int) error
	// NoStartTLS has the server not offer STARTTLS although the client wants it.
	NoStartTLS bool
}

// Cut is an Answer: the mail is taken, and the connection dropped.
var Cut = errors.New("cut")

// Refuse is an Answer: an SMTP reply with this code. Its text repeats the
// recipient, as servers do.
func Refuse(code int) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: "not for <alain@example.net>"}
}

// Received is one mail as it arrived.
type Received struct {
	From, To string
	Raw      []byte
	At       time.Time
	TLS      bool
	User     string // who authenticated
}

// Server is the running server.
type Server struct {
	options Options
	config  notify.SMTPConfig
	mu      sync.Mutex
	tries   int
	mails   []Received
	arrived chan struct{} // closed and replaced at every mail
}

// Start runs a server that goes with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{options: o, arrived: make(chan struct{})}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	server.Domain = "mail.example.net"
	server.ReadTimeout, server.WriteTimeout = 20*time.Second, 20*time.Second
	server.AllowInsecureAuth = true
	server.ErrorLog = log.New(io.Discard, "", 0)
	certificate, caFile := authority(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.config = notify.SMTPConfig{
		Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, TLS: o.TLS,
		Username: o.Username, Password: o.Password, From: "Kunci <no-reply@contoso.com>", CAFile: caFile,
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	switch {
	case o.TLS == notify.TLSImplicit:
		listener = tls.NewListener(listener, config)
	case o.TLS == notify.TLSStartTLS && !o.NoStartTLS:
		server.TLSConfig = config
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends when the server is closed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		_ = listener.Close() // Serve may not have told the server of it yet
		<-done
	})
	return s
}

// Config is what a client needs to reach the server.
func (s *Server) Config() notify.SMTPConfig { return s.config }

// Mails gives what has arrived.
func (s *Server) Mails() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Received(nil), s.mails...)
}

// Tries is how many mails were offered, taken or not.
func (s *Server) Tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

// Wait gives the mails once there are n of them.
func (s *Server) Wait(t testing.TB, n int) []Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		s.mu.Lock()
		mails, arrived := append([]Received(nil), s.mails...), s.arrived
		s.mu.Unlock()
		if len(mails) >= n {
			return mails
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			t.Fatalf("%d mails arrived, waited for %d", len(mails), n)
		}
	}
}

func (s *Server) take(r Received) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	var answer error
	if s.options.Answer != nil {
		answer = s.options.Answer(s.tries)
	}
	if answer == nil || errors.Is(answer, Cut) {
		s.mails = append(s.mails, r)
		close(s.arrived)
		s.arrived = make(chan struct{})
	}
	return answer
}

type session struct {
	server   *Server
	conn     *smtp.Conn
	from, to string
	user     string
}

// AuthMechanisms offers authentication where the test asks for it.
func (s *session) AuthMechanisms() []string {
	if s.server.options.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth checks user name and password.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.server.options.Username || password != s.server.options.Password {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

// Mail takes the envelope's sender.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.options.Username != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

// Rcpt takes the envelope's recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

// Data reads the mail and answers as the test says.
func (s *session) Data(r io.Reader) error {
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(r); err != nil {
		return err
	}
	_, encrypted := s.conn.TLSConnectionState()
	err := s.server.take(Received{From: s.from, To: s.to, Raw: raw.Bytes(), At: time.Now(), TLS: encrypted, User: s.user})
	if errors.Is(err, Cut) {
		return s.conn.Conn().Close()
	}
	return err
}

// Reset forgets the mail under way.
func (s *session) Reset() { s.from, s.to = "", "" }

// Logout ends the session.
func (s *session) Logout() error { return nil }
