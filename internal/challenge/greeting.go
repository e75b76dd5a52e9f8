package challenge

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
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

// A greeting is the challenge of a sign-in in which nobody has said yet who they
// are: 16 random bytes, when it ends, and a seal over both and over the browser
// that it was made for. A page that everybody opens thus writes no row; that a
// greeting is answered once is held where the answer is judged.
const (
	greetingRandom = 16
	greetingHead   = greetingRandom + 8
	greetingSize   = greetingHead + 32
)

// greetOnce keeps a used greeting known for longer than it lives.
var greetOnce = throttle.Limit{Limit: 1, Per: 2 * passkeyLife}

// Greeting gives what the sign-in page's script hands to the browser to let
// somebody in by passkey alone; empty where passkeys cannot work. browser is the
// value of a cookie that this browser keeps.
func (s *Service) Greeting(browser string, now time.Time) (string, error) {
	if s.passkeys == nil || browser == "" {
		return "", nil
	}
	head, err := newNonce()
	if err != nil {
		return "", err
	}
	head = binary.BigEndian.AppendUint64(head, uint64(now.Add(passkeyLife).Unix()))
	return encode(request{
		Challenge: text(append(head, s.sealOf(browser, head)...)), Timeout: asked, RPID: s.RelyingParty(), UserVerification: "required",
	})
}

func (s *Service) sealOf(browser string, head []byte) []byte {
	return s.keys.Derive("challenge greeting", []byte(browser), head)
}

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
	greeting, err := base64.RawURLEncoding.DecodeString(p.used.Response.CollectedClientData.Challenge)
	if err != nil || len(greeting) != greetingSize || browser == "" {
		return Claim{}, problem.New(problem.CodeWrong).On("code")
	}
	head := greeting[:greetingHead]
	ends := time.Unix(int64(binary.BigEndian.Uint64(head[greetingRandom:])), 0)
	if !hmac.Equal(greeting[greetingHead:], s.sealOf(browser, head)) || !ends.After(tx.Now()) {
		return Claim{}, problem.New(problem.CodeExpired).On("code")
	}
	p.greeting = greeting
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
	if o == nil || o.ID != claim.OrgID || owner == "" || claim.answer.passkey == nil || claim.answer.passkey.greeting == nil {
		return Result{}, errors.New("judge claim: organization, owner and a claim are needed")
	}
	if err := Lock(ctx, tx, claim.OrgID, claim.AccountID); err != nil {
		return Result{}, err
	}
	c := Challenge{
		ID: store.NewID(), OrgID: claim.OrgID, AccountID: claim.AccountID, Kind: method.Passkey, Purpose: SignIn, Owner: owner, Gate: 1,
		State: Open, BegunAt: tx.Now(), ExpiresAt: tx.Now().Add(passkeyLife), nonce: claim.answer.passkey.greeting[:greetingRandom],
	}
	m, err := s.methods.Get(ctx, tx, c.OrgID, c.AccountID, claim.MethodID)
	if errors.Is(err, problem.New(problem.NotFound)) || err == nil && !serves(m, SignIn) {
		return Result{Outcome: OutcomeWrong, Code: problem.CodeWrong, Challenge: c}, nil
	}
	if err != nil {
		return Result{}, err
	}
	used := "passkey_greeting:" + hex.EncodeToString(s.keys.Index("passkey greeting", string(claim.answer.passkey.greeting)))
	first, err := throttle.Take(ctx, tx, used, greetOnce)
	if err != nil {
		return Result{}, err
	}
	if !first.Allowed {
		return Result{Outcome: OutcomeExpired, Code: problem.CodeExpired, Challenge: c}, nil
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
