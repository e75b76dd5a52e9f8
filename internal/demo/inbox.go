package demo

import (
	"context"
	"strconv"
	"sync"
	"time"

	"kunci.dev/kunci/internal/notify"
)

// maxMessages bounds the inbox's memory; the oldest go first.
const maxMessages = 500

// Entry is one message as it was sent.
type Entry struct {
	ID        string    `json:"id"`
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	Kind      string    `json:"kind"`
	Lang      string    `json:"lang"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	MessageID string    `json:"message_id"`
	Date      time.Time `json:"date"`
	// Channel is how it left: email, sms or call.
	Channel string `json:"channel"`
}

// Inbox is a notify.Sender and a notify.PhoneSender that keeps what it is given. It is safe for concurrent use.
type Inbox struct {
	mu      sync.Mutex
	next    int
	entries []Entry // the oldest first
}

// Send keeps a message; one that was sent before under its Message-ID is kept once.
func (b *Inbox) Send(_ context.Context, m notify.Mail) error {
	b.keep(Entry{
		To: m.To, Subject: m.Subject, Kind: m.Kind, Lang: m.Lang, Text: m.Text, HTML: m.HTML, MessageID: m.MessageID, Date: m.Date,
		Channel: string(notify.ByMail),
	})
	return nil
}

// SendPhone keeps a text, or what a call says.
func (b *Inbox) SendPhone(_ context.Context, p notify.Phone) error {
	to := p.To
	if p.Extension != "" {
		to += " x" + p.Extension
	}
	b.keep(Entry{To: to, Kind: p.Kind, Lang: p.Lang, Text: p.Text, MessageID: p.ID, Date: p.Date, Channel: string(p.Channel)})
	return nil
}

func (b *Inbox) keep(e Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, before := range b.entries {
		if before.MessageID == e.MessageID {
			return
		}
	}
	b.next++
	e.ID = strconv.Itoa(b.next)
	b.entries = append(b.entries, e)
	if len(b.entries) > maxMessages {
		b.entries = append([]Entry(nil), b.entries[len(b.entries)-maxMessages:]...)
	}
}

// All gives the messages, the newest first.
func (b *Inbox) All() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Entry, 0, len(b.entries))
	for i := len(b.entries) - 1; i >= 0; i-- {
		all = append(all, b.entries[i])
	}
	return all
}

// find gives one message.
func (b *Inbox) find(id string) (Entry, bool) {
	for _, e := range b.All() {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}
