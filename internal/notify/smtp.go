package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"os"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// The ways to a mail server.
const (
	TLSNone     = "none"     // in clear: for a server on the same machine
	TLSStartTLS = "starttls" // begins in clear and must become TLS, else nothing is sent
	TLSImplicit = "tls"      // TLS from the first byte
)

// smtpPatience bounds one conversation; it is less than a job's time.
const smtpPatience = 12 * time.Second

// SMTPConfig says which server takes the mails.
type SMTPConfig struct {
	Host     string
	Port     int
	TLS      string // one of TLSNone, TLSStartTLS, TLSImplicit
	Username string // empty: no authentication
	Password string
	From     string // "Name <address>" or an address; sender and envelope sender of every mail
	CAFile   string // PEM of the authorities to trust; empty: the system's
}

// String keeps the password out of whatever prints a configuration.
func (c SMTPConfig) String() string {
	return fmt.Sprintf("smtp %s:%d tls=%s", c.Host, c.Port, c.TLS)
}

// GoString keeps the password out of %#v.
func (c SMTPConfig) GoString() string { return c.String() }

// LogValue keeps the password out of logs.
func (c SMTPConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON keeps the password out of documents.
func (c SMTPConfig) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// SMTP hands mails to one server, each in a conversation of its own.
type SMTP struct {
	config SMTPConfig
	from   *mail.Address
	tls    *tls.Config
	helo   string
}

// NewSMTP checks the configuration; it does not speak to the server.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	if c.Host == "" || c.Port < 1 || c.Port > 65535 {
		return nil, errors.New("smtp: host and port are needed")
	}
	if c.TLS == "" {
		c.TLS = TLSNone
	}
	if c.TLS != TLSNone && c.TLS != TLSStartTLS && c.TLS != TLSImplicit {
		return nil, fmt.Errorf("smtp: tls is %q, expected none, starttls or tls", c.TLS)
	}
	from, err := mail.ParseAddress(c.From)
	if err != nil || checkAddress(from.Address) != nil {
		return nil, errors.New(`smtp: from is not an address like "Kunci <no-reply@contoso.com>"`)
	}
	s := &SMTP{config: c, from: from, helo: from.Address[strings.LastIndex(from.Address, "@")+1:]}
	s.tls = &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("smtp: CA file: %w", err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("smtp: the CA file holds no certificate")
		}
	}
	return s, nil
}

// Send holds one conversation. A mail the server has taken is sent, whatever
// happens to the connection afterwards.
func (s *SMTP) Send(ctx context.Context, m Mail) error {
	message, err := s.message(m)
	if err != nil {
		return Permanent(err)
	}
	client, end, err := s.client(ctx)
	if err != nil {
		return err
	}
	defer end()
	err = client.DialAndSendWithContext(ctx, message)
	if message.IsDelivered() {
		return nil
	}
	if err == nil {
		err = errors.New("no answer")
	}
	return smtpError(err)
}

// Check goes as far as a mail would without sending one: connection, TLS,
// authentication, NOOP. Its error says which of them failed.
func (s *SMTP) Check(ctx context.Context) error {
	client, end, err := s.client(ctx)
	if err != nil {
		return err
	}
	defer end()
	conversation, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", s.config, err)
	}
	if err := conversation.Noop(); err != nil {
		return fmt.Errorf("%s: NOOP: %w", s.config, err)
	}
	return client.CloseWithSMTPClient(conversation)
}

// client prepares one conversation; end closes its connection however far it came.
func (s *SMTP) client(ctx context.Context) (*gomail.Client, func(), error) {
	var conn net.Conn
	ended := func() bool { return true }
	options := []gomail.Option{
		gomail.WithPort(s.config.Port), gomail.WithTimeout(smtpPatience), gomail.WithHELO(s.helo),
		gomail.WithTLSConfig(s.tls), gomail.WithoutNoop(),
		gomail.WithDialContextFunc(func(dialCtx context.Context, network, address string) (net.Conn, error) {
			c, err := s.dial(dialCtx, network, address)
			if err == nil {
				conn = c
				// The library watches ctx while dialling only.
				ended = context.AfterFunc(ctx, func() { _ = c.Close() })
			}
			return c, err
		}),
	}
	switch s.config.TLS {
	case TLSStartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLSImplicit:
		options = append(options, gomail.WithSSL())
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.config.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&login{user: s.config.Username, password: s.config.Password, host: s.config.Host}))
	}
	client, err := gomail.NewClient(s.config.Host, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("smtp: %w", err)
	}
	return client, func() {
		ended()
		if conn != nil {
			_ = conn.Close() // closed already after a whole conversation
		}
	}, nil
}

func (s *SMTP) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.config.TLS == TLSImplicit {
		return (&tls.Dialer{Config: s.tls}).DialContext(ctx, network, address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// message writes the mail's headers and parts. No header comes from a request.
func (s *SMTP) message(m Mail) (*gomail.Msg, error) {
	if err := checkAddress(m.To); err != nil {
		return nil, err
	}
	message := gomail.NewMsg()
	message.FromMailAddress(s.from)
	message.EnvelopeFromMailAddress(&mail.Address{Address: s.from.Address})
	if err := message.AddTo(m.To); err != nil {
		return nil, errors.New("the recipient is not an address")
	}
	message.Subject(plain(m.Subject, 200))
	message.SetDateWithValue(m.Date)
	message.SetMessageIDWithValue(m.MessageID)
	// RFC 3834, 5: automatic answers to automatic messages are not sent.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	message.SetGenHeader("Content-Language", m.Lang)
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return message, nil
}

// smtpError keeps the stage and the server's code and drops its words: they
// repeat the address, and the error is logged and stored.
func smtpError(err error) error {
	var refused *gomail.SendError
	if !errors.As(err, &refused) {
		return connectionError(err)
	}
	code := refused.ErrorCode()
	switch {
	case code >= 500 && code < 600:
		return Permanent(fmt.Errorf("the mail server refused the message for good (%d)", code))
	case code >= 400:
		return fmt.Errorf("the mail server refused the message for now (%d)", code)
	}
	return errors.New("the connection to the mail server was lost")
}

func connectionError(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return errors.New("the mail server's certificate is not trusted")
	case errors.As(err, &network) && network.Op == "dial":
		return errors.New("the mail server cannot be reached")
	// The library gives these two stages no type of their own.
	case strings.Contains(err.Error(), "STARTTLS"):
		return errors.New("the mail server does not offer STARTTLS")
	case strings.Contains(err.Error(), "AUTH"):
		return errors.New("signing in to the mail server failed")
	}
	return errors.New("the conversation with the mail server failed")
}
