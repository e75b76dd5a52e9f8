package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what Twilio signs with; HMAC does not rest on collision resistance
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TwilioConfig is an account for texts or calls.
type TwilioConfig struct {
	AccountSID string
	AuthToken  string
	From       string // number or sender name
	ServiceSID string // a messaging service, instead of From; texts only
	BaseURL    string
	PublicURL  string // our own address: where status is told
	Timeout    time.Duration
	CAFile     string
}

// String keeps the token out of whatever prints a configuration.
func (c TwilioConfig) String() string { return "twilio " + c.AccountSID }

// GoString keeps it out of %#v.
func (c TwilioConfig) GoString() string { return c.String() }

// LogValue keeps it out of logs.
func (c TwilioConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Twilio sends texts through Messages and makes calls through Calls (API
// version 2010-04-01).
type Twilio struct {
	config TwilioConfig
	client *http.Client
	now    func() time.Time
}

// NewTwilio checks the configuration; it does not speak to Twilio. now is the
// clock by which codes expire.
func NewTwilio(c TwilioConfig, now func() time.Time) (*Twilio, error) {
	if c.AccountSID == "" || c.AuthToken == "" || c.From == "" && c.ServiceSID == "" {
		return nil, errors.New("twilio: account, token and sender are needed")
	}
	client, err := outbound(c.Timeout, c.CAFile)
	if err != nil {
		return nil, err
	}
	c.BaseURL, c.PublicURL = strings.TrimSuffix(c.BaseURL, "/"), strings.TrimSuffix(c.PublicURL, "/")
	return &Twilio{c, client, now}, nil
}

// SendPhone asks for one text or one call.
func (t *Twilio) SendPhone(ctx context.Context, p Phone) error {
	form, resource := url.Values{"To": {p.To}}, "Messages"
	if p.Channel == ByCall {
		resource = "Calls"
		markup, err := twiml(p)
		if err != nil {
			return Permanent(errors.New("the call cannot be written"))
		}
		form.Set("Twiml", markup)
		form.Set("Timeout", "45") // seconds of ringing, before a mailbox takes most calls
		if p.Extension != "" {
			form.Set("SendDigits", "wwww"+p.Extension) // four half seconds first: the exchange has to listen
		}
		form.Set("From", t.config.From)
	} else {
		form.Set("Body", p.Text)
		if life := int(p.ExpiresAt.Sub(t.now()).Seconds()); !p.ExpiresAt.IsZero() {
			form.Set("ValidityPeriod", strconv.Itoa(min(max(life, 1), 14400)))
		}
		if t.config.ServiceSID != "" {
			form.Set("MessagingServiceSid", t.config.ServiceSID)
		} else {
			form.Set("From", t.config.From)
		}
	}
	form.Set("StatusCallback", t.hook(p.Channel, p.ID))
	address := fmt.Sprintf("%s/2010-04-01/Accounts/%s/%s.json", t.config.BaseURL, t.config.AccountSID, resource)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return Permanent(errors.New("the gateway's address cannot be used"))
	}
	request.SetBasicAuth(t.config.AccountSID, t.config.AuthToken)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	status, _, err := exchange(t.client, request)
	if err != nil {
		return err
	}
	if status < 200 || status > 299 {
		return errGateway(status)
	}
	return nil
}

// Check connects to Twilio, TLS included, and sends nothing.
func (t *Twilio) Check(ctx context.Context) error { return reach(ctx, t.client, t.config.BaseURL) }

// hook is where Twilio tells what became of a message.
func (t *Twilio) hook(c Channel, id string) string {
	return t.config.PublicURL + HookPath + string(c) + "/" + id
}

// signed tells whether a call-back is Twilio's: HMAC-SHA1 under the account's
// token over the address it was sent to and every field, by name. The address
// is the one we gave, not the one a proxy shows.
func (t *Twilio) signed(address string, form url.Values, signature string) bool {
	return subtle.ConstantTimeCompare([]byte(t.signature(address, form)), []byte(signature)) == 1
}

func (t *Twilio) signature(address string, form url.Values) string {
	text := address
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			text += name + value
		}
	}
	mac := hmac.New(sha1.New, []byte(t.config.AuthToken))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// report reads what a call-back says. A state on the way says nothing.
func report(id string, form url.Values) Report {
	r := Report{ID: id}
	state := form.Get("MessageStatus")
	if state == "" {
		state = form.Get("CallStatus")
	}
	switch state {
	case "delivered", "read", "completed":
		r.Delivered = true
	case "failed", "undelivered", "busy", "no-answer", "canceled":
		r.Failed, r.Reason = true, "the far end says "+state
	}
	return r
}
