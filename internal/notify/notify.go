package notify

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// State says what became of a message.
type State string

// The states.
const (
	Queued  State = "queued"
	Sent    State = "sent"    // handed to the mail server
	Failed  State = "failed"  // refused for good, or given up
	Expired State = "expired" // not sent: it would have come too late
)

const (
	jobKind = "notify.send"
	// maxAttempts is about an hour of back-off: a mail server's maintenance, not its end.
	maxAttempts = 12
	// keepDone is how long the row of a finished message stays for Status.
	keepDone = 30 * 24 * time.Hour
	// maxAddress is the longest address SMTP carries (RFC 5321, 4.5.3.1.3, without the brackets).
	maxAddress = 254
)

// Deps is what the room needs.
type Deps struct {
	DB     *store.DB
	Jobs   *jobs.Service
	Keys   *secret.Keyset
	Sender Sender
	// Texts and Calls are the gateways for phones; nil: there is none.
	Texts, Calls PhoneSender
	Log          *slog.Logger
	// PublicURL is the product's own address; every link begins with it.
	PublicURL string
	// Places may be nil: addresses then stand for themselves.
	Places Places
}

// Service queues messages and sends them.
type Service struct {
	db     *store.DB
	jobs   *jobs.Service
	keys   *secret.Keyset
	sender Sender
	texts  PhoneSender
	calls  PhoneSender
	log    *slog.Logger
	places Places
	public string
	host   string // right side of a Message-ID
}

// New refuses missing parts and registers its jobs; call it before jobs.Start.
func New(d Deps) (*Service, error) {
	switch {
	case d.DB == nil:
		return nil, errors.New("notify: no database")
	case d.Jobs == nil:
		return nil, errors.New("notify: no job queue")
	case d.Keys == nil:
		return nil, errors.New("notify: no keyset")
	case d.Sender == nil:
		return nil, errors.New("notify: no sender")
	case d.Log == nil:
		return nil, errors.New("notify: no log")
	}
	u, err := url.Parse(d.PublicURL)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("notify: no public URL")
	}
	s := &Service{
		db: d.DB, jobs: d.Jobs, keys: d.Keys, sender: d.Sender, texts: d.Texts, calls: d.Calls, log: d.Log, places: d.Places,
		public: strings.TrimRight(d.PublicURL, "/") + "/", host: u.Hostname(),
	}
	s.jobs.Handle(jobKind, s.work)
	s.jobs.Every("notify.purge", 24*time.Hour, s.purge)
	return s, nil
}

// job names the message; what it says stays sealed in its row.
type job struct {
	ID string `json:"id"`
}

// Queue writes a message and its job in the caller's transaction and gives the
// message's id. With a key that was queued before it gives that message's id and
// queues nothing. Problems: EmailInvalid, PhoneInvalid (To is not one plain
// address, or number), SendOff (no gateway for the channel).
func (s *Service) Queue(ctx context.Context, tx *store.Tx, m Message) (string, error) {
	if m.Org == nil || m.Body == nil {
		return "", errors.New("queue message: organization and body are needed")
	}
	if err := s.queueable(m); err != nil {
		return "", err
	}
	for _, link := range links(m.Body) {
		if link != "" && !strings.HasPrefix(link, s.public) {
			return "", errors.New("queue message: a link leads elsewhere than to the public URL")
		}
	}
	r, err := s.seal(m, tx.Now())
	if err != nil {
		return "", err
	}
	fresh, err := insert(ctx, tx, r)
	if err != nil {
		return "", fmt.Errorf("queue message: %w", err)
	}
	if !fresh {
		id, err := selectIDByKey(ctx, tx, r.orgID, r.key)
		if err != nil {
			return "", fmt.Errorf("queue message: %w", err)
		}
		return id, nil
	}
	attempts := maxAttempts
	if r.channel != ByMail {
		attempts = phoneAttempts
	}
	if err := s.jobs.Enqueue(ctx, tx, jobKind, job{r.id}, jobs.MaxAttempts(attempts)); err != nil {
		return "", fmt.Errorf("queue message: %w", err)
	}
	return r.id, nil
}

func (s *Service) seal(m Message, now time.Time) (row, error) {
	lang := m.Lang
	if !i18n.Known(lang) {
		lang = m.Org.Language
	}
	r := row{
		id: store.NewID(), orgID: m.Org.ID, accountID: m.AccountID, kind: m.Body.kind(), key: m.Key,
		queuedAt: now, expiresAt: m.ExpiresAt, channel: cmp.Or(m.Channel, ByMail),
	}
	if r.key == "" {
		r.key = r.id
	}
	data, err := encode(m, lang)
	if err != nil {
		return row{}, err
	}
	if r.payload, err = s.keys.Seal(data, boundTo("payload", r)); err != nil {
		return row{}, fmt.Errorf("queue message: %w", err)
	}
	if r.recipient, err = s.keys.Seal([]byte(m.To), boundTo("recipient", r)); err != nil {
		return row{}, fmt.Errorf("queue message: %w", err)
	}
	return r, nil
}

// boundTo is the associated data of a sealed part: it opens only in its own row.
func boundTo(part string, r row) string {
	return strings.Join([]string{"notify", part, r.orgID, r.accountID, r.id}, "|")
}

// checkAddress accepts exactly one address without a name. Whatever could end a
// header or name a second recipient is refused here, before it is stored.
func checkAddress(to string) error {
	refused := problem.New(problem.EmailInvalid).On("email")
	if to == "" || len(to) > maxAddress || strings.ContainsFunc(to, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`,;<>()[]:\"`, r)
	}) {
		return refused
	}
	address, err := mail.ParseAddress(to)
	if err != nil || address.Address != to || address.Name != "" {
		return refused
	}
	return nil
}

// Status tells what became of a message. Problem NotFound.
func (s *Service) Status(ctx context.Context, tx *store.Tx, id string) (State, error) {
	state, err := selectState(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return "", problem.New(problem.NotFound)
	}
	if err != nil {
		return "", fmt.Errorf("message status: %w", err)
	}
	return state, nil
}

// Progress tells how far a message has come. Problem NotFound.
func (s *Service) Progress(ctx context.Context, tx *store.Tx, id string) (Progress, error) {
	p, err := selectProgress(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return Progress{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return Progress{}, fmt.Errorf("message progress: %w", err)
	}
	return p, nil
}

// Count tells how many messages queued since a time are in which state.
func (s *Service) Count(ctx context.Context, tx *store.Tx, since time.Time) (map[State]int, error) {
	return s.CountFor(ctx, tx, "", since)
}

// CountFor is Count for one organization.
func (s *Service) CountFor(ctx context.Context, tx *store.Tx, orgID string, since time.Time) (map[State]int, error) {
	counts, err := countByState(ctx, tx, orgID, since)
	if err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	return counts, nil
}

// Undelivered is a message that was given up, without whom it was for and what it said.
type Undelivered struct {
	ID, Kind string
	Channel  Channel
	State    State  // Failed or Expired
	Reason   string // what the far end said, in English; it names nobody
	Queued   time.Time
}

// MostUndelivered is how many messages that were given up are listed.
const MostUndelivered = 200

// Undelivered lists an organization's messages that were given up since a time, the
// newest first, at most so many.
func (s *Service) Undelivered(ctx context.Context, tx *store.Tx, orgID string, since time.Time, limit int) ([]Undelivered, error) {
	all, err := selectUndelivered(ctx, tx, orgID, since, limit)
	if err != nil {
		return nil, fmt.Errorf("undelivered messages: %w", err)
	}
	return all, nil
}

// messageID is the same at every try of a message and tells nothing about it.
func (s *Service) messageID(r row) string {
	sum := s.keys.Derive("notify message id", []byte(r.orgID), []byte(r.key))
	return hex.EncodeToString(sum[:16]) + "@" + s.host
}

func (s *Service) purge(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := deleteDoneBefore(ctx, tx, tx.Now().Add(-keepDone))
		return err
	})
}
