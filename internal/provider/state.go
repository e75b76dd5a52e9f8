package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// Why a provider is not reached, as it is stored and shown: a word of ours.
const (
	NotPublic    = "not-public"  // its address is not public, and no allowed network
	TooSlow      = "timeout"     // no answer in time
	Unreachable  = "unreachable" // no connection, or no answer that says anything
	Untrusted    = "certificate" // its certificate is not one we trust
	OtherIssuer  = "issuer"      // its description is another issuer's
	BadAddresses = "description" // its description names addresses that are no https
	NoKeys       = "keys"        // its keys cannot be read, or none of them can sign
	BadFile      = "file"        // the client's secret or the authorities cannot be read here
)

// Reasons are those words.
var Reasons = []string{NotPublic, TooSlow, Unreachable, Untrusted, OtherIssuer, BadAddresses, NoKeys, BadFile}

// State is how an organization's provider was when a node last looked at it.
type State struct {
	// LookedAt is when that was; zero: nobody has looked at this provider yet.
	LookedAt time.Time
	Reached  bool
	Since    time.Time // when it began to be so
	Reason   string    // one of Reasons; empty: it was reached
	SignsOut bool      // people can be signed out there (RP-Initiated Logout 1.0)
}

// State tells how the organization's provider was last. It asks nobody.
func (s *Service) State(ctx context.Context, tx *store.Tx, o *org.Organization) (State, error) {
	found, err := selectState(ctx, tx, o.ID, o.IdentityProvider.Issuer)
	if errors.Is(err, store.ErrNoRows) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("state of the provider: %w", err)
	}
	return found, nil
}

const (
	// turn is how long one round of looking takes at most, beside the last look.
	turn = 8 * time.Second
	// notedFor spares a statement for every sign-in while nothing changes.
	notedFor = time.Minute
)

// Look looks at the providers of organizations, those first that nobody looked at for
// the longest, and notes how they are. What a round does not reach waits for the next.
func (s *Service) Look(ctx context.Context, all []*org.Organization) error {
	type one struct {
		*org.Organization
		at time.Time
	}
	var due []one
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		due = nil
		for _, o := range all {
			if !o.IdentityProvider.On() {
				continue
			}
			state, err := s.State(ctx, tx, o)
			if err != nil {
				return err
			}
			due = append(due, one{o, state.LookedAt})
		}
		return nil
	})
	slices.SortStableFunc(due, func(a, b one) int { return cmp.Compare(store.Micros(a.at), store.Micros(b.at)) })
	begun := time.Now()
	for _, o := range due {
		if ctx.Err() != nil || time.Since(begun) > turn {
			return errors.Join(err, ctx.Err())
		}
		k, _, failed := s.examine(ctx, o.Organization)
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		err = errors.Join(err, s.note(ctx, o.Organization, k, failed))
	}
	return err
}

// notedState is what this node last wrote about a provider.
type notedState struct {
	issuer, reason string
	at             time.Time
}

// note writes down how a provider is. The time since when it is so stays as long as
// it is reached, or not.
func (s *Service) note(ctx context.Context, o *org.Organization, k *known, failed error) error {
	now := notedState{issuer: o.IdentityProvider.Issuer, reason: Reason(failed), at: s.d.DB.Now()}
	s.mu.Lock()
	last := s.noted[o.ID]
	fresh := last.issuer == now.issuer && last.reason == now.reason && now.at.Sub(last.at) < notedFor
	s.mu.Unlock()
	if fresh {
		return nil
	}
	state := State{LookedAt: now.at, Reached: failed == nil, Since: now.at, Reason: now.reason, SignsOut: k != nil && k.meta.EndSession != ""}
	if err := s.d.DB.Write(ctx, func(tx *store.Tx) error { return upsertState(ctx, tx, o.ID, now.issuer, state) }); err != nil {
		return fmt.Errorf("state of the provider: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted[o.ID] = now
	return nil
}

// Reason is why a provider was not reached, one of Reasons, without a word of the
// provider's or the name of a file. Empty: it was.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	if reason := reasonOf(err); slices.Contains(Reasons, reason) {
		return reason
	}
	return BadFile // the only reason that says which
}

// Found is what a provider offers.
type Found struct {
	Keys     int  // that can sign an ID token
	SignsOut bool // people can be signed out there
}

// Check reads the provider's description, keys and the client's secret, and says
// what keeps people from signing in there. It writes nothing down.
func (s *Service) Check(ctx context.Context, o *org.Organization) (Found, error) {
	_, found, err := s.examine(ctx, o)
	return found, err
}

func (s *Service) examine(ctx context.Context, o *org.Organization) (*known, Found, error) {
	k, err := describe(ctx, o.IdentityProvider, s.d.DB.Now())
	if err != nil {
		return nil, Found{}, err
	}
	found := Found{SignsOut: k.meta.EndSession != ""}
	if found.Keys, err = k.usable(ctx); err != nil {
		return nil, Found{}, err
	}
	if _, err = s.client(k, o); err != nil {
		return nil, Found{}, err
	}
	return k, found, nil
}

// usable reads the keys that the provider publishes, and counts those that an ID
// token can be signed with. None is as bad as no answer.
func (k *known) usable(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.meta.JWKS, nil)
	if err != nil {
		return 0, fault(NoKeys)
	}
	response, err := k.client.Do(request)
	if err != nil {
		return 0, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(text, &set) != nil {
		return 0, fault(NoKeys)
	}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey // a kind that nobody knows here is nothing wrong
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && key.Use != "enc" &&
			(key.Algorithm == "" || slices.Contains(algorithms, key.Algorithm)) {
			n++
		}
	}
	if n == 0 {
		return 0, fault(NoKeys)
	}
	return n, nil
}
