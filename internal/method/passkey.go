package method

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Credential is the secret part of a passkey's row: what WebAuthn calls a
// credential record. It is sealed with the row; only its public key could be
// shown to anybody.
type Credential struct {
	// ID is empty while the passkey waits to be made.
	ID        []byte `json:"id,omitempty"`
	PublicKey []byte `json:"key,omitempty"` // COSE_Key (RFC 9052, section 7)
	// Handle is the user.id that the authenticator keeps and gives back.
	Handle []byte `json:"user"`
	// RelyingParty is the host name the passkey was made for; it works at no other.
	RelyingParty string `json:"rp"`
	SignCount    uint32 `json:"count,omitempty"`
	// BackupEligible never changes; BackedUp tells that it is synchronized now.
	BackupEligible bool     `json:"be,omitempty"`
	BackedUp       bool     `json:"bs,omitempty"`
	AAGUID         []byte   `json:"aaguid,omitempty"`
	Transports     []string `json:"transports,omitempty"`
	Attestation    string   `json:"attestation,omitempty"` // format of the statement
}

// Encode gives the credential as a row's Secret.
func (c Credential) Encode() ([]byte, error) {
	secret, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	return secret, nil
}

// Credential reads the secret of a passkey.
func (m Method) Credential() (Credential, error) {
	var c Credential
	if m.Kind != Passkey {
		return c, fmt.Errorf("method %s is no passkey", m.ID)
	}
	if err := json.Unmarshal(m.Secret, &c); err != nil {
		return Credential{}, fmt.Errorf("passkey %s: damaged", m.ID)
	}
	return c, nil
}

// RelyingParty is the host name a passkey was made for, empty for other kinds.
func (m Method) RelyingParty() string {
	c, err := m.Credential()
	if err != nil {
		return ""
	}
	return c.RelyingParty
}

// handleBytes is the longest user.id there can be (WebAuthn Level 3, 5.4.3).
const handleBytes = 64

// UserHandle is the user.id of an account: the one its passkeys have, so that
// an authenticator replaces its old passkey instead of keeping two; for the
// first passkey one that tells nothing without the keyset.
func (s *Service) UserHandle(orgID, accountID string, mine []Method) []byte {
	for _, m := range mine {
		if c, err := m.Credential(); err == nil && len(c.Handle) == handleBytes {
			return c.Handle
		}
	}
	var handle []byte
	for _, half := range []string{"1", "2"} {
		handle = append(handle, s.keys.Derive("passkey user", []byte(orgID), []byte(accountID), []byte(half))...)
	}
	return handle
}

// NewPasskey is a passkey that waits to be made on the person's device. Problem
// MethodKind: there are none at this address.
func (s *Service) NewPasskey(orgID, accountID string, mine []Method) (Method, error) {
	if s.host == "" {
		return Method{}, problem.New(problem.MethodKind).On("kind")
	}
	secret, err := Credential{Handle: s.UserHandle(orgID, accountID, mine), RelyingParty: s.host}.Encode()
	return Method{OrgID: orgID, AccountID: accountID, Kind: Passkey, Secret: secret}, err
}

// Enroll keeps the credential that a device made for a waiting passkey. Only the
// room challenge calls it, after it verified what the device said. Problem
// MethodDuplicate: somebody, here or in another account, has this credential.
func (s *Service) Enroll(ctx context.Context, tx *store.Tx, m Method, c Credential) error {
	if m.Kind != Passkey || len(c.ID) == 0 || len(c.PublicKey) == 0 || len(c.Handle) == 0 || c.RelyingParty == "" {
		return errors.New("enroll passkey: not a whole credential")
	}
	if err := s.lock(ctx, tx, m.OrgID, m.AccountID); err != nil {
		return err
	}
	index := s.credentialIndex(c.ID)
	// Two accounts at once would otherwise both find it free.
	if err := tx.Lock(ctx, "passkey:"+hex.EncodeToString(index)); err != nil {
		return fmt.Errorf("enroll passkey: %w", err)
	}
	n, err := countCredential(ctx, tx, index)
	if err != nil {
		return fmt.Errorf("enroll passkey: %w", err)
	}
	if n > 0 {
		return problem.New(problem.MethodDuplicate)
	}
	r, err := selectOne(ctx, tx, m.OrgID, m.AccountID, m.ID)
	if err != nil {
		return found(err, "enroll passkey")
	}
	m, err = s.open(tx, r)
	if err != nil {
		return err
	}
	if m.Secret, err = c.Encode(); err != nil {
		return err
	}
	if m.Name == "" {
		m.Name = keeper(c.AAGUID)
	}
	sealed, err := s.seal(m)
	if err != nil {
		return err
	}
	if n, err := updateEnrolled(ctx, tx, m.ID, r.sealed, sealed, s.same(m), index); err != nil || n != 1 {
		return gone(n, err, "enroll passkey")
	}
	return nil
}

// UpdateCredential keeps what a verified answer told about a passkey: its count
// and whether it is backed up. Problem Conflict: another answer was quicker.
func (s *Service) UpdateCredential(ctx context.Context, tx *store.Tx, m Method, c Credential) error {
	if err := s.lock(ctx, tx, m.OrgID, m.AccountID); err != nil {
		return err
	}
	r, err := selectOne(ctx, tx, m.OrgID, m.AccountID, m.ID)
	if err != nil {
		return found(err, "update passkey")
	}
	stored, err := s.open(tx, r)
	if err != nil {
		return err
	}
	if !bytes.Equal(stored.Secret, m.Secret) {
		return problem.New(problem.Conflict)
	}
	if stored.Secret, err = c.Encode(); err != nil {
		return err
	}
	sealed, err := s.seal(stored)
	if err != nil {
		return err
	}
	if n, err := updateSealed(ctx, tx, m.ID, r.sealed, sealed); err != nil || n != 1 {
		return gone(n, err, "update passkey")
	}
	return nil
}

// ByCredential finds whose passkey a credential id names. Problem NotFound.
func (s *Service) ByCredential(ctx context.Context, tx *store.Tx, credentialID []byte) (Method, error) {
	r, err := selectCredential(ctx, tx, s.credentialIndex(credentialID))
	if err != nil {
		return Method{}, found(err, "find passkey")
	}
	return s.open(tx, r)
}

// Disable switches a method off until it is registered again.
func (s *Service) Disable(ctx context.Context, tx *store.Tx, m Method) error {
	if err := s.lock(ctx, tx, m.OrgID, m.AccountID); err != nil {
		return err
	}
	if n, err := updateDisabled(ctx, tx, m.ID); err != nil || n != 1 {
		return gone(n, err, "disable method")
	}
	return nil
}

func (s *Service) credentialIndex(id []byte) []byte {
	return s.keys.Index("passkey credential", string(id))
}

// identity is what makes two methods with a secret the same one: all of the
// secret, of a passkey the credential id, since the rest of it changes.
func identity(m Method) string {
	if c, err := m.Credential(); err == nil && len(c.ID) > 0 {
		return string(c.ID)
	}
	return string(m.Secret)
}

// Offered leaves one of several passkeys, the oldest that can be used: people do
// not know which of them is on the device in their hand, so any answers for all.
// The order stays.
func Offered(all []Method) []Method {
	first := -1
	for i, m := range all {
		if m.Kind == Passkey && (first < 0 || m.Usable() && !all[first].Usable()) {
			first = i
		}
	}
	i := -1
	return slices.DeleteFunc(slices.Clone(all), func(m Method) bool {
		i++
		return m.Kind == Passkey && i != first
	})
}
