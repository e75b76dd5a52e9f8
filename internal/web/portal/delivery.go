package portal

import (
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/web/page"
)

// delivery is how far a code has come that a message brings, the same on every
// page that waits for one (part_delivery.html).
type delivery struct {
	// Sends says that a message brings the code; it is missing where one types
	// it from an app or from paper.
	Sends, Sent bool
	To          string // as it may be shown
	// Channel is how the last message went; CanText and CanCall are how one can go.
	Channel          string
	CanText, CanCall bool
	// Waiting: the message has not left yet. Late: it will not, or not soon.
	Waiting, Late bool
}

func deliveryOf(o *org.Organization, k method.Kind, to string, c challenge.Challenge, p notify.Progress, now time.Time) delivery {
	return delivery{
		Sends: challenge.Sends(k), Sent: !c.SentAt.IsZero(), To: to, Channel: string(c.Channel),
		CanText: k == method.MobilePhone && o.Channels.Text, CanCall: k.Class() == method.PhoneLine && o.Channels.Call,
		Waiting: p.State == notify.Queued, Late: p.Late(now),
	}
}

// helpFor is the kind whose article helps where it is proved. A code that is sent
// has to arrive first: the page's own article is about that.
func helpFor(k method.Kind) string {
	if k.Class() == method.Mailbox || k.Class() == method.PhoneLine {
		return ""
	}
	return string(k)
}

// channelOf is how a person wants the code of a mobile phone.
func channelOf(form page.Form) notify.Channel {
	switch c := notify.Channel(form["channel"]); c {
	case notify.ByText, notify.ByCall:
		return c
	}
	return ""
}
