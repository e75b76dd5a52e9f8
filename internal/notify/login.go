package notify

import (
	"errors"
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// login picks the best mechanism the server offers. A password in clear goes
// over TLS only; without TLS the password must not be readable on the way.
type login struct {
	user, password, host string
	picked               smtp.Auth
}

// Start picks the mechanism and begins.
func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	offered := func(name string) bool { return slices.Contains(server.Auth, name) }
	switch {
	case offered("SCRAM-SHA-256"):
		l.picked = smtp.ScramSHA256Auth(l.user, l.password)
	case server.TLS && offered("PLAIN"):
		l.picked = smtp.PlainAuth("", l.user, l.password, l.host, false)
	case server.TLS && offered("LOGIN"):
		l.picked = smtp.LoginAuth(l.user, l.password, l.host, false)
	case offered("CRAM-MD5"):
		l.picked = smtp.CRAMMD5Auth(l.user, l.password)
	default:
		return "", nil, errors.New("no usable AUTH mechanism is offered; PLAIN and LOGIN need TLS")
	}
	return l.picked.Start(server)
}

// Next goes on with the mechanism that was picked.
func (l *login) Next(fromServer []byte, more bool) ([]byte, error) {
	return l.picked.Next(fromServer, more)
}
