package notify

import (
	"context"
	"errors"
	"time"
)

// Mail is one finished message, ready to be handed over.
type Mail struct {
	To        string
	Subject   string
	Text      string
	HTML      string
	Lang      string
	Kind      string    // one of the Kind constants
	MessageID string    // without angle brackets; the same at every try
	Date      time.Time // when it was queued
}

// Sender hands mails over. It is safe for concurrent use. An error made by
// Permanent means that trying again is useless; any other is tried again.
// An error's text may be logged and stored: it holds no address and nothing of
// the mail.
type Sender interface {
	Send(ctx context.Context, mail Mail) error
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error of a Sender as final.
func Permanent(err error) error { return permanent{err} }

// IsPermanent tells whether an error was marked by Permanent.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}
