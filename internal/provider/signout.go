package provider

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// LeaveFor is how long somebody who signed out here can go on to sign out at the
// provider.
const LeaveFor = 15 * time.Minute

// LeftPath is where a provider sends people back to who signed out there, before
// the organization's short name.
const LeftPath = "/signout/provider/"

// mostHint bounds the ID token that goes back to the provider in an address. One
// that is longer stays here: the client's name says who asks.
const mostHint = 4096

// hint is an ID token as it is kept: sealed from the moment it was believed.
type hint struct {
	id     string
	sealed []byte
}

// begun is what is sealed of a session that began at a provider.
type begun struct {
	Issuer   string `json:"i"`
	ClientID string `json:"c"`
	// IDToken is empty where the provider cannot be signed out of.
	IDToken string `json:"t,omitempty"`
}

func hintOf(id string) string { return "provider session|" + id }

// hold seals the ID token of an answer, where the provider would take it back.
func (s *Service) hold(k *known, p pending, idToken string) (hint, error) {
	b := begun{Issuer: p.Issuer, ClientID: p.ClientID}
	if k.meta.EndSession != "" && len(idToken) <= mostHint {
		b.IDToken = idToken
	}
	plain, err := json.Marshal(b)
	if err != nil {
		return hint{}, fmt.Errorf("answer of the provider: %w", err)
	}
	h := hint{id: store.NewID()}
	if h.sealed, err = s.d.Keys.Seal(plain, hintOf(h.id)); err != nil {
		return hint{}, fmt.Errorf("answer of the provider: %w", err)
	}
	return h, nil
}

// Keep notes that a session here began at the provider, or was proved there again,
// with what signing out there takes. It is forgotten when the session is over in
// any case.
func (s *Service) Keep(ctx context.Context, tx *store.Tx, orgID, accountID, sessionID string, id Identity, until time.Time) error {
	if sessionID == "" || len(id.hint.sealed) == 0 {
		return errors.New("provider: a session without an answer of the provider")
	}
	if err := upsertSession(ctx, tx, orgID, accountID, sessionID, id.hint, until); err != nil {
		return fmt.Errorf("session at the provider: %w", err)
	}
	return nil
}

// Leave notes that somebody signs out of a session and gives what their browser
// keeps until they were at the provider; empty: the session did not begin there.
func (s *Service) Leave(ctx context.Context, tx *store.Tx, sessionID string) (cookie string, err error) {
	cookie = store.NewToken()
	began, err := leaveSession(ctx, tx, sessionID, hash(cookie), tx.Now().Add(LeaveFor))
	if err != nil {
		return "", fmt.Errorf("sign out at the provider: %w", err)
	}
	if !began {
		return "", nil
	}
	return cookie, nil
}

// Forget drops what signing a session out at the provider takes.
func (s *Service) Forget(ctx context.Context, tx *store.Tx, sessionID string) error {
	if err := deleteSession(ctx, tx, sessionID); err != nil {
		return fmt.Errorf("session at the provider: %w", err)
	}
	return nil
}

// Left gives the organization whose people's browser it is that signed out here a
// moment ago. It changes nothing. Problem Expired: none, or too long ago.
func (s *Service) Left(ctx context.Context, cookie string) (orgID string, err error) {
	orgID, _, err = s.left(ctx, cookie)
	return orgID, err
}

func (s *Service) left(ctx context.Context, cookie string) (orgID string, h hint, err error) {
	if cookie == "" {
		return "", hint{}, problem.New(problem.Expired)
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		var expires time.Time
		orgID, h, expires, err = selectLeft(ctx, tx, hash(cookie))
		if errors.Is(err, store.ErrNoRows) || err == nil && !expires.After(tx.Now()) {
			return problem.New(problem.Expired)
		}
		if err != nil {
			return fmt.Errorf("sign out at the provider: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", hint{}, err
	}
	return orgID, h, nil
}

// SignOutAddress is where the browser of somebody who left goes to sign out at the
// provider too (OpenID Connect RP-Initiated Logout 1.0, 2). Empty: it cannot be done
// there, because the provider does not offer it, does not answer, or is another one
// by now. It changes nothing. Problem Expired.
func (s *Service) SignOutAddress(ctx context.Context, o *org.Organization, cookie string) (string, error) {
	orgID, h, err := s.left(ctx, cookie)
	if err != nil {
		return "", err
	}
	if orgID != o.ID {
		return "", problem.New(problem.Expired)
	}
	plain, err := s.d.Keys.Open(h.sealed, hintOf(h.id))
	var b begun
	if err == nil {
		err = json.Unmarshal(plain, &b)
	}
	if err != nil { // a key that was taken out of the keyset: they are out here all the same
		s.d.Log.WarnContext(ctx, "what a session at the identity provider began with does not open", "organization", o.Slug)
		return "", nil
	}
	p := o.IdentityProvider
	if !p.On() || p.Issuer != b.Issuer || p.ClientID != b.ClientID {
		return "", nil
	}
	k, err := s.discover(ctx, o)
	if err != nil || k.meta.EndSession == "" {
		return "", nil //nolint:nilerr // it was logged; the page says that they are out here alone
	}
	address, err := url.Parse(k.meta.EndSession)
	if err != nil {
		return "", nil //nolint:nilerr // it was looked at when it was read
	}
	query := address.Query()
	for name, value := range map[string]string{
		"id_token_hint": b.IDToken, "client_id": b.ClientID, "post_logout_redirect_uri": s.LeftURL(o), "state": leftState(cookie),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	address.RawQuery = query.Encode()
	return address.String(), nil
}

// LeftURL is the address that an organization registers at its provider for people
// who signed out there.
func (s *Service) LeftURL(o *org.Organization) string {
	return strings.TrimSuffix(s.d.PublicURL, "/") + LeftPath + o.Slug
}

// leftState is what the provider gives back, from which nobody learns the cookie.
func leftState(cookie string) string {
	sum := sha256.Sum256([]byte("signed out at the provider|" + cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CameBack tells whether the provider sent this browser back after it signed out
// there, for the organization. It changes nothing.
func (s *Service) CameBack(ctx context.Context, o *org.Organization, cookie, state string) (bool, error) {
	orgID, err := s.Left(ctx, cookie)
	if problem.Has(err, problem.Expired) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return orgID == o.ID && subtle.ConstantTimeCompare([]byte(state), []byte(leftState(cookie))) == 1, nil
}
