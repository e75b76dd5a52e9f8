package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"kunci.dev/kunci/internal/problem"
)

// Channel is how a message leaves.
type Channel string

// The channels.
const (
	ByMail Channel = "email"
	ByText Channel = "sms"
	ByCall Channel = "call"
)

// phoneAttempts is about two minutes of back-off: whoever waits for a code has
// chosen another way by then.
const phoneAttempts = 8

// Phone is one finished text or call.
type Phone struct {
	Channel   Channel
	To        string // E.164
	Extension string // digits to dial once a call is answered
	// Text is what a text says, or a call in all.
	Text string
	// Spoken is what a call says, with a pause after each part.
	Spoken    []string
	Code      string
	Lang      string
	Kind      string    // one of the Kind constants
	ID        string    // of the message; the same at every try
	Date      time.Time // when it was queued
	ExpiresAt time.Time // when nobody can use it any more; zero: never
}

// PhoneSender hands texts or calls over. It is safe for concurrent use; the
// promises of Sender about errors hold here too: no number, nothing of the text.
type PhoneSender interface {
	SendPhone(ctx context.Context, p Phone) error
}

// checkPhone accepts E.164, with "x" and an extension for a call.
func checkPhone(to string, c Channel) error {
	number, extension, extended := strings.Cut(to, "x")
	digits, plus := strings.CutPrefix(number, "+")
	if !plus || len(digits) < 5 || len(digits) > 17 || strings.Trim(digits+extension, "0123456789") != "" ||
		extended && (c != ByCall || extension == "" || len(extension) > 10) {
		return problem.New(problem.PhoneInvalid).On("phone")
	}
	return nil
}

// phoneSender gives the gateway of a channel; nil where there is none.
func (s *Service) phoneSender(c Channel) PhoneSender {
	switch c {
	case ByText:
		return s.texts
	case ByCall:
		return s.calls
	}
	return nil
}

// queueable checks recipient and channel of a message.
func (s *Service) queueable(m Message) error {
	if m.Channel == "" || m.Channel == ByMail {
		return checkAddress(m.To)
	}
	if s.phoneSender(m.Channel) == nil {
		return problem.New(problem.SendOff)
	}
	if _, code := m.Body.(Code); !code {
		return errors.New("queue message: only codes go to phones")
	}
	return checkPhone(m.To, m.Channel)
}

// renderPhone opens a message for a phone and writes it in its language.
func (s *Service) renderPhone(r row) (Phone, error) {
	to, p, body, err := s.open(r)
	if err != nil {
		return Phone{}, err
	}
	code, ok := body.(Code)
	if !ok {
		return Phone{}, errors.New("only codes go to phones")
	}
	out := RenderPhone(r.channel, p.Lang, p.OrgName, s.host, code)
	if p.Own != nil && r.channel == ByText {
		text, err := newComposer(p.Lang, p.OrgName).ownPhone(code, s.host, *p.Own)
		if err == nil {
			out.Text = text
		} else {
			s.log.Warn("the organization's own text cannot be used; the product's goes out", "message", r.id, "name", p.Own.Name, "organization", r.orgID)
		}
	}
	out.To, out.Extension, _ = strings.Cut(to, "x")
	out.Kind, out.ID, out.Date, out.ExpiresAt = r.kind, r.id, r.queuedAt, r.expiresAt
	return out, nil
}

// RenderPhone writes a code as a text or a call. It looks nothing up and sends nothing.
func RenderPhone(c Channel, lang, org, host string, code Code) Phone {
	w := newComposer(lang, org)
	p := Phone{Channel: c, Code: digits(code.Code), Lang: w.p.Lang(), Kind: KindCode}
	if c == ByCall {
		p.Spoken = w.spoken(code)
		p.Text = strings.Join(p.Spoken, " ")
		return p
	}
	p.Text = w.text(code, host)
	return p
}

// Progress is how far a message has come.
type Progress struct {
	State    State
	Channel  Channel
	QueuedAt time.Time
	// DeliveredAt is when the far end said that it arrived; zero: it did not say.
	DeliveredAt time.Time
}

// Overdue is how long somebody is left waiting before they are told that a
// message has not left.
const Overdue = 10 * time.Second

// Late tells whether the person should be told now to use another way.
func (p Progress) Late(now time.Time) bool {
	return p.State == Failed || p.State == Expired || p.State == Queued && now.Sub(p.QueuedAt) >= Overdue
}

// Report is what a gateway says about a message it took.
type Report struct {
	ID        string // of the message
	Delivered bool
	Failed    bool
	Reason    string // of a failure: a word of a closed set
}

// errGateway is a gateway's answer in words that hold nothing of it.
func errGateway(status int) error {
	err := fmt.Errorf("the gateway answers %d", status)
	switch {
	case status == 408, status == 425, status == 429, status >= 500:
		return err
	}
	return Permanent(err)
}
