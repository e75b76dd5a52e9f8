package notify

import (
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/egress"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

const (
	pushKind = "notify.push"
	// pushSeconds is how long a push service keeps a message: as long as the
	// request that it speaks of waits.
	pushSeconds  = 120
	pushAttempts = 3
	pushTimeout  = 10 * time.Second
)

// PushDeps is what sending to devices needs.
type PushDeps struct {
	DB      *store.DB
	Jobs    *jobs.Service
	Keys    *secret.Keyset
	Methods *method.Service
	Audit   *audit.Service
	Log     *slog.Logger
	// PublicURL tells push services whose messages these are.
	PublicURL string
	// Client speaks to push services; nil is NewPushClient's.
	Client *http.Client
}

// Pushes tells devices, through the push services of their browsers, that
// something waits (RFC 8030, 8291, 8292). Nothing of what waits is sent.
type Pushes struct {
	d       PushDeps
	private string // VAPID key, base64url
	public  string
	contact string
}

// NewPushes refuses missing parts and registers its job; call it before jobs.Start.
func NewPushes(d PushDeps) (*Pushes, error) {
	if d.DB == nil || d.Jobs == nil || d.Keys == nil || d.Methods == nil || d.Audit == nil || d.Log == nil {
		return nil, errors.New("notify: a part of sending to devices is missing")
	}
	u, err := url.Parse(d.PublicURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("notify: no public URL")
	}
	if d.Client == nil {
		d.Client = NewPushClient()
	}
	key, err := vapidKey(d.Keys)
	if err != nil {
		return nil, err
	}
	p := &Pushes{
		d: d, private: base64.RawURLEncoding.EncodeToString(key.Bytes()),
		public: base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()), contact: d.PublicURL,
	}
	if u.Scheme != "https" {
		p.contact = "no-reply@" + u.Hostname() // the library makes it a mailto: address
	}
	d.Jobs.Handle(pushKind, p.work)
	return p, nil
}

// vapidKey derives the key by which push services know this installation: it
// stays the same for as long as the keyset does, since subscriptions are bound to it.
func vapidKey(keys *secret.Keyset) (*ecdh.PrivateKey, error) {
	for n := byte(0); n < 8; n++ {
		if key, err := ecdh.P256().NewPrivateKey(keys.Derive("push vapid", []byte{n})); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("notify: no key for push services") // eight draws above the order of the curve
}

// NewPushClient is a client for addresses that a person's browser chose: it
// reaches public hosts on port 443 alone, judged when it dials, so that a name
// that resolves inward is refused too; it follows no redirect and no proxy setting.
func NewPushClient() *http.Client {
	dialer := &net.Dialer{Timeout: pushTimeout, Control: egress.Guard(nil, 443).Safe}
	return &http.Client{
		Timeout:       pushTimeout,
		Transport:     &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: pushTimeout, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// PublicKey is what a browser subscribes with, base64url.
func (p *Pushes) PublicKey() string { return p.public }

// pushJob names the device; where its messages go stays sealed in its row.
type pushJob struct {
	Org     string `json:"org"`
	Account string `json:"account"`
	Method  string `json:"method"`
	Lang    string `json:"lang"`
	Until   int64  `json:"until"`
}

// Push queues, in the caller's transaction, that a device is told that something
// waits until a time.
func (p *Pushes) Push(ctx context.Context, tx *store.Tx, m method.Method, lang string, until time.Time) error {
	return p.d.Jobs.Enqueue(ctx, tx, pushKind, pushJob{m.OrgID, m.AccountID, m.ID, lang, store.Micros(until)}, jobs.MaxAttempts(pushAttempts))
}

func (p *Pushes) work(ctx context.Context, j jobs.Job) error {
	var job pushJob
	if err := json.Unmarshal(j.Payload, &job); err != nil {
		return jobs.Discard(fmt.Errorf("push job: %w", err))
	}
	if !store.Time(job.Until).After(p.d.DB.Now()) {
		return nil // nobody waits for it any more
	}
	var m method.Method
	err := p.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = p.d.Methods.Get(ctx, tx, job.Org, job.Account, job.Method)
		return err
	})
	if problem.Has(err, problem.NotFound) || err == nil && !(m.Usable() && m.Subscribed()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("push job: %w", err)
	}
	status, err := p.send(ctx, m.Subscription, job.Lang)
	switch {
	case err != nil:
		return err
	case status/100 == 2:
		return nil
	case status == http.StatusNotFound || status == http.StatusGone:
		return p.forget(ctx, m)
	case status == http.StatusTooManyRequests || status/100 == 5:
		return fmt.Errorf("the push service answered %d", status)
	}
	return jobs.Discard(fmt.Errorf("the push service refused with %d", status))
}

// said is what the device's worker is told: words for the notification.
type said struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

func (p *Pushes) send(ctx context.Context, to method.Subscription, lang string) (status int, err error) {
	words := i18n.For(lang)
	message, err := json.Marshal(said{words.T("push.notification.title"), words.T("push.notification.body")})
	if err != nil {
		return 0, jobs.Discard(err)
	}
	answer, err := webpush.SendNotificationWithContext(ctx, message, &webpush.Subscription{
		Endpoint: to.Endpoint,
		Keys:     webpush.Keys{P256dh: base64.RawURLEncoding.EncodeToString(to.Key), Auth: base64.RawURLEncoding.EncodeToString(to.Auth)},
	}, &webpush.Options{
		HTTPClient: p.d.Client, TTL: pushSeconds, Urgency: webpush.UrgencyHigh, Subscriber: p.contact,
		VAPIDPublicKey: p.public, VAPIDPrivateKey: p.private,
	})
	if err != nil {
		return 0, errors.New("the push service was not reached: " + withoutAddress(err))
	}
	defer func() { _ = answer.Body.Close() }()                     // it was only read
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 4<<10)) // so that the connection is used again
	return answer.StatusCode, nil
}

// withoutAddress keeps the endpoint, which identifies a person's browser, out of
// errors that are logged.
func withoutAddress(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if strings.Contains(err.Error(), "prohibited") {
		return "its address is not a public one"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not answer in time"
	}
	return "no connection"
}

// forget drops a subscription that the push service says is over. The device
// stays: it can look for itself.
func (p *Pushes) forget(ctx context.Context, m method.Method) error {
	by := audit.Actor{Kind: audit.System}
	return p.d.DB.Write(ctx, func(tx *store.Tx) error {
		now, err := p.d.Methods.Get(ctx, tx, m.OrgID, m.AccountID, m.ID)
		if problem.Has(err, problem.NotFound) || err == nil && now.Subscription.Endpoint != m.Subscription.Endpoint {
			return nil // it subscribed again meanwhile
		}
		if err != nil {
			return err
		}
		if err := p.d.Methods.SetSubscription(ctx, tx, m, method.Subscription{}); err != nil {
			return err
		}
		return p.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.MethodChanged, Org: m.OrgID, Target: m.AccountID, Outcome: audit.Success,
			Reason: "unsubscribed", MethodID: m.ID, MethodKind: string(m.Kind),
		})
	})
}

// BrowserName names the browser and system of a User-Agent header, with names of
// our own list alone.
func BrowserName(lang, agent string) string { return newComposer(lang, "").browser(agent) }
