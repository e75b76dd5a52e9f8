package challenge

import (
	"context"
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// A sealed challenge is shown by a page that may only be looked at, so it writes no
// row: 16 random bytes, when it ends, and a seal over both and over what it is
// for. That it is answered once is held where the answer is judged.
const (
	sealedRandom = 16
	sealedHead   = sealedRandom + 8
	sealedSize   = sealedHead + 32
)

// sealedOnce keeps an answered challenge known for longer than it lives.
var sealedOnce = throttle.Limit{Limit: 1, Per: 2 * passkeyLife}

// sealed makes a challenge for one use that the parts of of name.
func (s *Service) sealed(now time.Time, of ...string) ([]byte, error) {
	head, err := newNonce()
	if err != nil {
		return nil, err
	}
	head = binary.BigEndian.AppendUint64(head, uint64(now.Add(passkeyLife).Unix()))
	return append(head, s.sealOf(head, of)...), nil
}

func (s *Service) sealOf(head []byte, of []string) []byte {
	parts := [][]byte{head}
	for _, part := range of {
		parts = append(parts, []byte(part))
	}
	return s.keys.Derive("challenge sealed", parts...)
}

// unsealed tells whether a challenge is one of ours for this use, and lives.
func (s *Service) unsealed(challenge []byte, now time.Time, of ...string) bool {
	if len(challenge) != sealedSize {
		return false
	}
	head := challenge[:sealedHead]
	ends := time.Unix(int64(binary.BigEndian.Uint64(head[sealedRandom:])), 0)
	return hmac.Equal(challenge[sealedHead:], s.sealOf(head, of)) && ends.After(now)
}

// useSealed gives true to the one answer that comes first.
func (s *Service) useSealed(ctx context.Context, tx *store.Tx, challenge []byte) (bool, error) {
	v, err := throttle.Take(ctx, tx, "passkey_used:"+hex.EncodeToString(s.keys.Index("passkey used", string(challenge))), sealedOnce)
	return v.Allowed, err
}

// sessionUse names what a sealed challenge of a sign-in or of a step-up is for.
func sessionUse(c Challenge) []string {
	return []string{string(c.Purpose), c.OrgID, c.AccountID, c.Owner}
}

// stale tells whether a passkey's answer is to a challenge of another session, or
// to one that is too old: nothing is judged then.
func (s *Service) stale(c Challenge, a Answer, now time.Time) bool {
	return a.passkey != nil && named(c.Purpose, a) && !s.unsealed(a.passkey.challenge(), now, sessionUse(c)...)
}

// Greeting gives what the sign-in page's script hands to the browser to let
// somebody in by passkey alone; empty where passkeys cannot work. browser is the
// value of a cookie that this browser keeps.
func (s *Service) Greeting(browser string, now time.Time) (string, error) {
	if s.passkeys == nil || browser == "" {
		return "", nil
	}
	challenge, err := s.sealed(now, greeting, browser)
	if err != nil {
		return "", err
	}
	return encode(request{Challenge: text(challenge), Timeout: asked, RPID: s.RelyingParty(), UserVerification: "required"})
}

// greeting is the use of a challenge by which people say who they are.
const greeting = "greeting"

// Claim is whose passkey an answer to a greeting says it is of. Nothing of it is
// proved before PassClaim.
type Claim struct {
	OrgID, AccountID, MethodID string

	answer Answer
}

// Recognize reads the answer to a greeting. Problems: CodeFormat, CodeExpired
// (too old, or of another browser), CodeWrong (nobody's passkey).
func (s *Service) Recognize(ctx context.Context, tx *store.Tx, browser, raw string) (Claim, error) {
	p, ok := readAssertion(raw)
	if !ok || s.passkeys == nil {
		return Claim{}, problem.New(problem.CodeFormat).On("code")
	}
	if browser == "" || !s.unsealed(p.challenge(), tx.Now(), greeting, browser) {
		return Claim{}, problem.New(problem.CodeExpired).On("code")
	}
	p.greeted = true
	m, err := s.methods.ByCredential(ctx, tx, p.used.RawID)
	if errors.Is(err, problem.New(problem.NotFound)) {
		return Claim{}, problem.New(problem.CodeWrong).On("code")
	}
	if err != nil {
		return Claim{}, err
	}
	return Claim{m.OrgID, m.AccountID, m.ID, Answer{kind: method.Passkey, method: m.ID, passkey: p}}, nil
}

// PassClaim judges a claim, as Pass does an answer: same counts, same verifier.
// owner is the session that begins if it passes. Commit whatever the result is.
func (s *Service) PassClaim(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, claim Claim, owner string) (Result, error) {
	if o == nil || o.ID != claim.OrgID || owner == "" || claim.answer.passkey == nil || !claim.answer.passkey.greeted {
		return Result{}, errors.New("judge claim: organization, owner and a claim are needed")
	}
	if err := Lock(ctx, tx, claim.OrgID, claim.AccountID); err != nil {
		return Result{}, err
	}
	c := Challenge{
		ID: store.NewID(), OrgID: claim.OrgID, AccountID: claim.AccountID, Kind: method.Passkey, Purpose: SignIn, Owner: owner, Gate: 1,
		State: Open, BegunAt: tx.Now(), ExpiresAt: tx.Now().Add(passkeyLife), nonce: claim.answer.passkey.challenge()[:sealedRandom],
	}
	m, err := s.methods.Get(ctx, tx, c.OrgID, c.AccountID, claim.MethodID)
	if errors.Is(err, problem.New(problem.NotFound)) || err == nil && !serves(m, SignIn) {
		return Result{Outcome: OutcomeWrong, Code: problem.CodeWrong, Challenge: c}, nil
	}
	if err != nil {
		return Result{}, err
	}
	// The row names no method yet: one with it would meet an open one of a reset.
	if err := insert(ctx, tx, c); err != nil {
		return Result{}, fmt.Errorf("judge claim: %w", err)
	}
	r, err := s.countAndJudge(ctx, tx, by, o, c, m, claim.answer)
	if err != nil || r.Outcome == OutcomePassed {
		return r, err
	}
	if err := end(ctx, tx, c.ID); err != nil {
		return Result{}, fmt.Errorf("judge claim: %w", err)
	}
	return r, nil
}
