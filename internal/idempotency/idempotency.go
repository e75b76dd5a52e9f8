package idempotency

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

const (
	// Kept is how long a key stands for its request.
	Kept = 24 * time.Hour
	// Longest is how long a request may take before it counts as lost. No answer of
	// ours takes as long; a process that died gives none at all.
	Longest = 2 * time.Minute
	retry   = 2 * time.Second
)

// Service keeps keys. It is safe for concurrent use.
type Service struct {
	db   *store.DB
	keys *secret.Keyset
}

// New refuses missing parts.
func New(db *store.DB, keys *secret.Keyset) (*Service, error) {
	if db == nil || keys == nil {
		return nil, errors.New("idempotency: a part is missing")
	}
	return &Service{db, keys}, nil
}

// Claim is the right to act, of one request.
type Claim struct{ id, claim string }

// Begin claims a key of an owner for a request, given as its parts. With a nil
// claim there is nothing to do: the answer is that of the request before. Problems:
// IdempotencyMismatch (the key stands for another request), IdempotencyRunning (the
// same one is under way), IdempotencyLost (its process died), IdempotencyOnce (it
// acted, and its answer is not kept).
func (s *Service) Begin(ctx context.Context, owner, key string, request ...[]byte) (*Claim, []byte, error) {
	c := &Claim{id: hex.EncodeToString(s.keys.Derive("idempotency key", []byte(owner), []byte(key))), claim: store.NewID()}
	fingerprint := s.keys.Derive("idempotency request", request...)
	var r row
	claimed := false
	err := s.db.Write(ctx, func(tx *store.Tx) (err error) {
		if claimed, err = claim(ctx, tx, c, fingerprint); err != nil || claimed {
			return err
		}
		r, err = selectRow(ctx, tx, c.id)
		if errors.Is(err, store.ErrNoRows) { // given back just now
			r, err = row{fingerprint: fingerprint, claimedAt: tx.Now()}, nil
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("claim an idempotency key: %w", err)
	}
	switch {
	case claimed:
		return c, nil, nil
	case subtle.ConstantTimeCompare(r.fingerprint, fingerprint) != 1:
		return nil, nil, problem.New(problem.IdempotencyMismatch)
	case !r.done && s.db.Now().Sub(r.claimedAt) > Longest:
		return nil, nil, problem.New(problem.IdempotencyLost)
	case !r.done:
		return nil, nil, problem.New(problem.IdempotencyRunning).After(retry)
	case len(r.sealed) == 0:
		return nil, nil, problem.New(problem.IdempotencyOnce)
	}
	answer, err := s.keys.Open(r.sealed, sealedAs(c.id))
	if err != nil {
		return nil, nil, fmt.Errorf("open an answer: %w", err)
	}
	return nil, answer, nil
}

// Finish keeps the answer for requests that come after; nil: that there was one.
func (s *Service) Finish(ctx context.Context, c *Claim, answer []byte) (err error) {
	var sealed []byte
	if answer != nil {
		if sealed, err = s.keys.Seal(answer, sealedAs(c.id)); err != nil {
			return err
		}
	}
	err = s.db.Write(ctx, func(tx *store.Tx) error { return finish(ctx, tx, c, sealed) })
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	return nil
}

// Release gives the key back: the request did nothing and may be sent again.
func (s *Service) Release(ctx context.Context, c *Claim) error {
	err := s.db.Write(ctx, func(tx *store.Tx) error { return release(ctx, tx, c) })
	if err != nil {
		return fmt.Errorf("release an idempotency key: %w", err)
	}
	return nil
}

// Purge forgets what is older than a day.
func (*Service) Purge(ctx context.Context, tx *store.Tx) error { return purge(ctx, tx) }

func sealedAs(id string) string { return "idempotency|" + id }
