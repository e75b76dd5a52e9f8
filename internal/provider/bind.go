package provider

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

func (s *Service) issuer(id Identity) []byte { return s.d.Keys.Index("provider issuer", id.Issuer) }

func (s *Service) subject(id Identity) []byte {
	return s.d.Keys.Index("provider subject", id.Issuer+"\n"+id.Subject)
}

// Bound is what became of binding an account to an identity.
type Bound int

// The outcomes.
const (
	Taken  Bound = iota // the account is another identity's, or the identity another account's
	Before              // it was so before
	First               // it is so from now on
)

// Holder gives the account of the organization that an identity belongs to; empty: none.
func (s *Service) Holder(ctx context.Context, tx *store.Tx, orgID string, id Identity) (string, error) {
	holder, err := selectHolder(ctx, tx, orgID, s.subject(id))
	if errors.Is(err, store.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("identity at the provider: %w", err)
	}
	return holder, nil
}

// Bind gives an account the identity that it is used with for the first time, and
// tells afterwards whether it is the same.
func (s *Service) Bind(ctx context.Context, tx *store.Tx, orgID, accountID string, id Identity) (Bound, error) {
	first, err := insertIdentity(ctx, tx, orgID, accountID, s.issuer(id), s.subject(id))
	if err != nil {
		return Taken, fmt.Errorf("bind to the provider: %w", err)
	}
	if first {
		return First, nil
	}
	holder, err := s.Holder(ctx, tx, orgID, id)
	if err != nil || holder != accountID {
		return Taken, err
	}
	return Before, nil
}

// IsBound tells whether an account belongs to an identity at a provider.
func (s *Service) IsBound(ctx context.Context, tx *store.Tx, orgID, accountID string) (bool, error) {
	n, err := countIdentities(ctx, tx, orgID, accountID)
	if err != nil {
		return false, fmt.Errorf("identity at the provider: %w", err)
	}
	return n > 0, nil
}

// Release lets an account belong to whoever next signs in with its user ID there, and
// forgets what its sessions there began with. It tells whether it belonged to anybody.
func (s *Service) Release(ctx context.Context, tx *store.Tx, orgID, accountID string) (bool, error) {
	n, err := deleteIdentities(ctx, tx, orgID, accountID)
	if err == nil {
		err = deleteSessionsOf(ctx, tx, orgID, accountID)
	}
	if err != nil {
		return false, fmt.Errorf("release from the provider: %w", err)
	}
	return n > 0, nil
}
