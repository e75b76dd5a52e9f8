package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// APIKey lets a program act in one organization with one role.
type APIKey struct {
	ID        string
	OrgID     string
	Name      string // what it is for, in the words of who made it
	Role      org.Role
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero: never; noted once a minute
	RevokedAt time.Time // zero: not revoked
}

// Lives tells whether the key opens anything.
func (k APIKey) Lives(now time.Time) bool { return k.RevokedAt.IsZero() && k.ExpiresAt.After(now) }

const (
	// LongestKey is how long a key may live: a key nobody renews is a key nobody remembers.
	LongestKey = 366 * 24 * time.Hour
	keyPrefix  = "kunci_"
	maxKeyName = 60
	usedAfter  = time.Minute
)

// NewKey makes a key. The text to hand over is given once and never again: only
// its hash is kept; it has 130 random bits, so nothing slower is needed (ASVS
// 6.5.2). Whoever holds the machine makes keys, and a person who may; a key makes
// none, so that revoking it ends what it opened. No key stands higher than who made
// it. Problems: Forbidden, Required, TooLong, BadInput.
func (s *Service) NewKey(ctx context.Context, as Authority, o *org.Organization, name string, role org.Role, life time.Duration) (APIKey, string, error) {
	name = strings.TrimSpace(name)
	switch {
	case !as.mayManageKeys():
		return APIKey{}, "", problem.New(problem.Forbidden)
	case name == "":
		return APIKey{}, "", problem.New(problem.Required).On("name")
	case utf8.RuneCountInString(name) > maxKeyName || strings.ContainsFunc(name, unicode.IsControl):
		return APIKey{}, "", problem.New(problem.TooLong).On("name")
	case role != FrontEnd && !slices.Contains(org.Roles, role):
		return APIKey{}, "", problem.New(problem.BadInput).On("role")
	case !as.operator() && rank(role) > rank(as.Role):
		return APIKey{}, "", problem.New(problem.Forbidden).On("role")
	case life <= 0 || life > LongestKey:
		return APIKey{}, "", problem.New(problem.BadInput).On("life")
	}
	secret := store.NewToken()
	k := APIKey{ID: store.NewID(), OrgID: o.ID, Name: name, Role: role}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		k.CreatedAt, k.ExpiresAt = tx.Now(), tx.Now().Add(life)
		if err := insertKey(ctx, tx, k, hashOf(secret)); err != nil {
			return err
		}
		return s.recordKey(ctx, tx, as, k, "api-key-created")
	})
	if err != nil {
		return APIKey{}, "", fmt.Errorf("new API key: %w", err)
	}
	return k, keyPrefix + strings.ReplaceAll(k.ID, "-", "") + "_" + secret, nil
}

func (s *Service) recordKey(ctx context.Context, tx *store.Tx, as Authority, k APIKey, reason string) error {
	return s.d.Audit.Record(ctx, tx, as.By, audit.Event{
		Kind: audit.AdministratorChanged, Org: k.OrgID, Outcome: audit.Success, Reason: reason,
		Detail: map[string]string{"api_key": k.ID, "role": string(k.Role)},
	})
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte("api key " + secret))
	return sum[:]
}

func (a Authority) mayManageKeys() bool {
	return a.May(ManageKeys) && !strings.HasPrefix(a.By.Account, audit.ByKey)
}

// Keys lists the keys of an organization, the newest first.
func (s *Service) Keys(ctx context.Context, as Authority, o *org.Organization) (all []APIKey, err error) {
	if !as.May(SeeSettings) {
		return nil, problem.New(problem.Forbidden)
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = selectKeys(ctx, tx, o.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return all, nil
}

// RevokeKey ends a key at once. Problem NotFound.
func (s *Service) RevokeKey(ctx context.Context, as Authority, o *org.Organization, id string) error {
	if !as.mayManageKeys() {
		return problem.New(problem.Forbidden)
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := updateRevoked(ctx, tx, o.ID, id)
		if err != nil {
			return fmt.Errorf("revoke API key: %w", err)
		}
		if n == 0 {
			return problem.New(problem.NotFound)
		}
		return s.recordKey(ctx, tx, as, APIKey{ID: id, OrgID: o.ID}, "api-key-revoked")
	})
}

// ByAPIKey gives what a key's text opens. Problem SignedOut for every key that
// opens nothing: unknown, expired, revoked, or not one at all.
func (s *Service) ByAPIKey(ctx context.Context, text string) (APIKey, error) {
	refused := problem.New(problem.SignedOut)
	id, secret, ok := strings.Cut(strings.TrimPrefix(text, keyPrefix), "_")
	if !ok || !strings.HasPrefix(text, keyPrefix) || len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return APIKey{}, refused
	}
	id = strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
	var k APIKey
	var hash []byte
	now := s.d.DB.Now()
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		k, hash, err = selectKey(ctx, tx, id)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNoRows):
		return APIKey{}, refused
	case err != nil:
		return APIKey{}, fmt.Errorf("find API key: %w", err)
	case subtle.ConstantTimeCompare(hash, hashOf(secret)) != 1 || !k.Lives(now):
		return APIKey{}, refused
	}
	if now.Sub(k.UsedAt) >= usedAfter {
		err = s.d.DB.Write(ctx, func(tx *store.Tx) error { return updateUsed(ctx, tx, k.ID) })
	}
	return k, err
}

// Authority is what the key may do; from says from where it was used.
func (k APIKey) Authority(from audit.Actor) Authority {
	from.Kind, from.Account, from.UserID = audit.Admin, audit.ByKey+k.ID, k.Name
	return Authority{By: from, Role: k.Role}
}
