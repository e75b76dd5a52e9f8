package method

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// A device that approves is a browser. It is known again by a token that it
// keeps for as long as the method lives, longer than any session; the method's
// secret is the token's keyed hash. A browser has a token of its own for each
// account, so that whoever registers first on a shared computer learns nothing
// that answers for the next one.
const (
	// MostDevices is how many tokens one browser keeps.
	MostDevices = 8
	// longestToken bounds what is looked up, in bytes.
	longestToken = 64
)

// Subscription is where a push service takes messages for a device (RFC 8030),
// and what they are encrypted with (RFC 8291).
type Subscription struct {
	Endpoint string `json:"e"`
	Key      []byte `json:"k"` // uncompressed P-256 point
	Auth     []byte `json:"a"` // 16 bytes
}

const (
	longestSubscription = 4 << 10
	longestEndpoint     = 2 << 10
	authBytes           = 16
)

// ParseSubscription reads what a browser's PushSubscription is as JSON. Problem BadInput.
func ParseSubscription(raw string) (Subscription, error) {
	refused := problem.New(problem.BadInput).On("subscription")
	var said struct {
		Endpoint string `json:"endpoint"`
		Keys     struct {
			Key  string `json:"p256dh"`
			Auth string `json:"auth"`
		} `json:"keys"`
	}
	if len(raw) > longestSubscription || json.Unmarshal([]byte(raw), &said) != nil {
		return Subscription{}, refused
	}
	u, err := url.Parse(said.Endpoint)
	if err != nil || len(said.Endpoint) > longestEndpoint || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Contains(said.Endpoint, "#") {
		return Subscription{}, refused
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(said.Keys.Key, "="))
	if err != nil {
		return Subscription{}, refused
	}
	auth, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(said.Keys.Auth, "="))
	if err != nil || len(auth) != authBytes {
		return Subscription{}, refused
	}
	if _, err := ecdh.P256().NewPublicKey(key); err != nil {
		return Subscription{}, refused
	}
	return Subscription{said.Endpoint, key, auth}, nil
}

// Equal tells whether two subscriptions are the same.
func (s Subscription) Equal(other Subscription) bool {
	return s.Endpoint == other.Endpoint && bytes.Equal(s.Key, other.Key) && bytes.Equal(s.Auth, other.Auth)
}

// Subscribed tells whether messages can be sent to the device.
func (m Method) Subscribed() bool { return m.Subscription.Endpoint != "" }

// NewDevice is a browser that waits to be proved, and the token that it keeps.
func (s *Service) NewDevice(orgID, accountID string) (Method, string) {
	token := store.NewToken()
	return Method{OrgID: orgID, AccountID: accountID, Kind: AuthenticatorPush, Secret: s.deviceIndex(token)}, token
}

// Holds tells whether one of a browser's tokens is the device's.
func (s *Service) Holds(m Method, tokens string) bool {
	held := 0
	for _, token := range deviceTokens(tokens) {
		held |= subtle.ConstantTimeCompare(s.deviceIndex(token), m.Secret)
	}
	return m.Kind == AuthenticatorPush && held == 1
}

// Devices gives the usable devices that a browser is, by its tokens.
func (s *Service) Devices(ctx context.Context, tx *store.Tx, tokens string) ([]Method, error) {
	var all []Method
	for _, token := range deviceTokens(tokens) {
		r, err := selectCredential(ctx, tx, s.deviceIndex(token))
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("devices: %w", err)
		}
		m, err := s.open(tx, r)
		if err != nil {
			return nil, err
		}
		if m.Kind == AuthenticatorPush && m.Usable() {
			all = append(all, m)
		}
	}
	return all, nil
}

// KeepDevice gives the tokens that a browser keeps from now on: a new one, and
// those that still belong to something.
func (s *Service) KeepDevice(ctx context.Context, tx *store.Tx, tokens, fresh string) (string, error) {
	var kept []string
	for _, token := range deviceTokens(tokens) {
		n, err := countCredential(ctx, tx, s.deviceIndex(token))
		if err != nil {
			return "", fmt.Errorf("keep device: %w", err)
		}
		if n > 0 {
			kept = append(kept, token)
		}
	}
	kept = append(kept, fresh)
	return strings.Join(kept[max(len(kept)-MostDevices, 0):], tokenSeparator), nil
}

// SetSubscription keeps where messages for a device go; an empty one: nowhere.
func (s *Service) SetSubscription(ctx context.Context, tx *store.Tx, m Method, to Subscription) error {
	if err := s.lock(ctx, tx, m.OrgID, m.AccountID); err != nil {
		return err
	}
	r, err := selectOne(ctx, tx, m.OrgID, m.AccountID, m.ID)
	if err != nil {
		return found(err, "subscribe device")
	}
	stored, err := s.open(tx, r)
	if err != nil {
		return err
	}
	if stored.Kind != AuthenticatorPush {
		return problem.New(problem.NotFound)
	}
	stored.Subscription = to
	sealed, err := s.seal(stored)
	if err != nil {
		return err
	}
	if n, err := updateSealed(ctx, tx, m.ID, r.sealed, sealed); err != nil || n != 1 {
		return gone(n, err, "subscribe device")
	}
	return nil
}

// tokenSeparator stands between the tokens of a browser; no token has one.
const tokenSeparator = "."

func deviceTokens(tokens string) []string {
	if tokens == "" || len(tokens) > MostDevices*(longestToken+1) {
		return nil
	}
	all := strings.SplitN(tokens, tokenSeparator, MostDevices+1)
	return all[:min(len(all), MostDevices)]
}

func (s *Service) deviceIndex(token string) []byte { return s.keys.Index("push device", token) }
