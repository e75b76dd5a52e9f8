package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// secretPrefix begins a secret as it is handed over (Standard Webhooks).
const secretPrefix = "whsec_"

// most is how many receivers an organization may have: each is sent every event.
const most = 20

// Deps is what the room needs.
type Deps struct {
	DB       *store.DB
	Keys     *secret.Keyset
	Audit    *audit.Service
	Orgs     *org.Service
	Messages Messages
	Log      *slog.Logger
}

// Messages leave the product by mail; notify.Service is it.
type Messages interface {
	Queue(ctx context.Context, tx *store.Tx, m notify.Message) (string, error)
}

// Service sends events.
type Service struct{ d Deps }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Keys == nil || d.Audit == nil || d.Orgs == nil || d.Messages == nil || d.Log == nil {
		return nil, errors.New("webhook: a part is missing")
	}
	return &Service{d}, nil
}

// Pause says why a receiver is paused.
type Pause string

// The reasons of a pause.
const (
	ByHand  Pause = "by-hand" // somebody paused it
	Failing Pause = "failing" // nothing went through for days
	Gone    Pause = "gone"    // it answered 410: it wants nothing any more
)

// Pauses lists every reason of a pause.
var Pauses = []Pause{ByHand, Failing, Gone}

// State is how a receiver stands.
type State string

// The states of a receiver.
const (
	Live   State = "live"
	Failed State = "failing" // the last try failed; it is asked again
	Paused State = "paused"
)

// Hook is one receiver, as far as it is shown.
type Hook struct {
	ID, OrgID    string
	Host         string
	People       bool
	CreatedAt    time.Time
	FailingSince time.Time // zero: the last try succeeded, or there was none
	LastError    string    // a short code
	DeliveredAt  time.Time // zero: never
	PausedAt     time.Time // zero: it is live
	PausedFor    Pause
	SetAside     int // how many events are set aside
}

// State tells how the receiver stands.
func (h Hook) State() State {
	switch {
	case !h.PausedAt.IsZero():
		return Paused
	case !h.FailingSince.IsZero():
		return Failed
	}
	return Live
}

// Order is a receiver to add.
type Order struct {
	URL    string
	People bool // with what identifies people
	// Allowed are networks that are not public and may be reached all the same.
	Allowed []netip.Prefix
}

// target is what is sealed of a receiver.
type target struct {
	URL     string         `json:"url"`
	Secret  []byte         `json:"secret"`
	Allowed []netip.Prefix `json:"allowed,omitempty"`
}

// Add makes a receiver that gets what happens from now on, and gives its secret,
// once. Problems: WebhookAddress (not an address that events may go to; plain http is
// for networks that were allowed), WebhookLimit.
func (s *Service) Add(ctx context.Context, by audit.Actor, o *org.Organization, in Order) (Hook, string, error) {
	u, err := url.Parse(in.URL)
	switch {
	case err != nil, u.Host == "", u.User != nil, u.Fragment != "", u.Scheme != "https" && u.Scheme != "http",
		u.Scheme == "http" && len(in.Allowed) == 0:
		return Hook{}, "", problem.New(problem.WebhookAddress).On("url")
	}
	t := target{URL: in.URL, Secret: make([]byte, 32), Allowed: in.Allowed}
	if _, err := rand.Read(t.Secret); err != nil {
		return Hook{}, "", fmt.Errorf("new webhook: %w", err)
	}
	h := row{Hook: Hook{ID: store.NewID(), OrgID: o.ID, Host: u.Host, People: in.People}}
	if h.sealed, err = s.seal(h, t); err != nil {
		return Hook{}, "", err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		h.CreatedAt = tx.Now()
		if err := tx.Lock(ctx, "webhook:"+o.ID); err != nil {
			return err
		}
		n, err := count(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		if n >= most {
			return problem.New(problem.WebhookLimit, "most", most)
		}
		if h.next, err = s.d.Audit.Size(ctx, tx); err != nil {
			return err
		}
		if err := insert(ctx, tx, h); err != nil {
			return err
		}
		return s.record(ctx, tx, by, h.Hook, "webhook-added")
	})
	if err != nil {
		return Hook{}, "", fmt.Errorf("new webhook: %w", err)
	}
	return h.Hook, secretPrefix + base64.StdEncoding.EncodeToString(t.Secret), nil
}

// List gives the receivers of an organization, the newest first.
func (s *Service) List(ctx context.Context, tx *store.Tx, orgID string) ([]Hook, error) {
	rows, err := selectAll(ctx, tx, orgID)
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	all := make([]Hook, len(rows))
	for i, r := range rows {
		all[i] = r.Hook
	}
	return all, nil
}

// One gives a receiver. Problem NotFound.
func (s *Service) One(ctx context.Context, tx *store.Tx, orgID, id string) (Hook, error) {
	r, err := s.one(ctx, tx, orgID, id)
	return r.Hook, err
}

func (s *Service) one(ctx context.Context, tx *store.Tx, orgID, id string) (row, error) {
	r, err := selectOne(ctx, tx, orgID, id)
	if errors.Is(err, store.ErrNoRows) {
		return row{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return row{}, fmt.Errorf("webhook: %w", err)
	}
	return r, nil
}

// Remove ends a receiver at once, with what was set aside for it. Problem NotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, o *org.Organization, id string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		h, err := s.one(ctx, tx, o.ID, id)
		if err != nil {
			return err
		}
		n, err := remove(ctx, tx, o.ID, id)
		if err != nil {
			return fmt.Errorf("remove webhook: %w", err)
		}
		if n == 0 {
			return problem.New(problem.NotFound)
		}
		return s.record(ctx, tx, by, h.Hook, "webhook-removed")
	})
}

func (s *Service) record(ctx context.Context, tx *store.Tx, by audit.Actor, h Hook, reason string) error {
	return s.d.Audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.AdministratorChanged, Org: h.OrgID, Outcome: audit.Success, Reason: reason, Detail: map[string]string{"webhook": h.ID, "host": h.Host},
	})
}

func boundTo(r row) string { return strings.Join([]string{"webhook", r.OrgID, r.ID}, "|") }

func (s *Service) seal(r row, t target) ([]byte, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("seal webhook: %w", err)
	}
	return s.d.Keys.Seal(data, boundTo(r))
}

func (s *Service) open(r row) (t target, err error) {
	data, err := s.d.Keys.Open(r.sealed, boundTo(r))
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil {
		return t, fmt.Errorf("open webhook %s: %w", r.ID, err)
	}
	return t, nil
}

// Reseal seals the next receivers after an identifier under the newest key. It
// gives the last row it looked at, empty at the end, and how many it sealed.
func (s *Service) Reseal(ctx context.Context, tx *store.Tx, after string, limit int) (last string, resealed int, err error) {
	rows, err := selectAfter(ctx, tx, after, limit)
	if err != nil {
		return "", 0, fmt.Errorf("reseal webhooks: %w", err)
	}
	for _, r := range rows {
		last = r.ID
		fresh, old, err := s.d.Keys.Reseal(r.sealed, boundTo(r))
		if err != nil {
			return "", 0, fmt.Errorf("reseal webhook %s: %w", r.ID, err)
		}
		if !old {
			continue
		}
		if err := updateSealed(ctx, tx, r.ID, fresh); err != nil {
			return "", 0, fmt.Errorf("reseal webhook %s: %w", r.ID, err)
		}
		resealed++
	}
	return last, resealed, nil
}
