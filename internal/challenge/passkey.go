package challenge

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

const (
	// passkeyLife is how long a passkey's challenge can be answered; Level 3
	// recommends five to ten minutes (13.4.3).
	passkeyLife = 10 * time.Minute
	// maxPasskey bounds an answer, in bytes. The longest honest one has a
	// credential id of 1,023 bytes four times in base64.
	maxPasskey = 12 << 10
	// maxPublicKey is above an RSA key of 8,192 bits.
	maxPublicKey = 1100
)

// signed is what a browser sent for a passkey, read but not believed.
type signed struct {
	made *protocol.ParsedCredentialCreationData  // of a new passkey
	used *protocol.ParsedCredentialAssertionData // of one that exists
	// greeted tells that it answers a greeting whose seal was checked.
	greeted bool
}

// challenge is what a passkey says that it signed; nothing checked that yet.
func (p *signed) challenge() []byte {
	if p.used == nil {
		return nil
	}
	said, err := base64.RawURLEncoding.DecodeString(p.used.Response.CollectedClientData.Challenge)
	if err != nil {
		return nil
	}
	return said
}

// RelyingParty is the host name that passkeys are bound to, empty where they
// cannot work.
func (s *Service) RelyingParty() string {
	if s.passkeys == nil {
		return ""
	}
	return s.passkeys.Config.RPID
}

// challengeOf is what the device signs. It is derived from the row, so it is
// stored nowhere in the open, and bound to everything that the row is bound to.
func (s *Service) challengeOf(c Challenge) []byte {
	return s.keys.Derive("challenge "+string(c.Purpose)+" passkey", c.nonce,
		[]byte(c.ID), []byte(c.OrgID), []byte(c.AccountID), []byte(c.MethodID), []byte(c.Owner))
}

func preparePasskey(s *Service, _ context.Context, m method.Method, raw string) (Answer, error) {
	if s.passkeys == nil {
		return Answer{}, problem.New(problem.MethodNotAllowed).On("method")
	}
	c, err := m.Credential()
	if err != nil {
		return Answer{}, err
	}
	read := readAssertion
	if len(c.ID) == 0 {
		read = readCreation
	}
	p, ok := read(raw)
	if !ok {
		return Answer{}, problem.New(problem.CodeFormat).On("code")
	}
	return Answer{passkey: p}, nil
}

// readAssertion reads the PublicKeyCredential that navigator.credentials.get gave.
func readAssertion(raw string) (*signed, bool) {
	if len(raw) > maxPasskey {
		return nil, false
	}
	p, err := protocol.ParseCredentialRequestResponseBytes([]byte(raw))
	if err != nil || len(p.RawID) > 1023 || len(p.Response.Signature) == 0 {
		return nil, false
	}
	return &signed{used: p}, true
}

// readCreation reads the PublicKeyCredential that navigator.credentials.create gave.
func readCreation(raw string) (*signed, bool) {
	if len(raw) > maxPasskey {
		return nil, false
	}
	p, err := protocol.ParseCredentialCreationResponseBytes([]byte(raw))
	if err != nil || len(p.RawID) > 1023 || len(p.Response.AttestationObject.AuthData.AttData.CredentialPublicKey) > maxPublicKey {
		return nil, false
	}
	return &signed{made: p}, true
}

// Among restricts which passkeys the answer may be of: the policy of a reset may
// leave some out. Other kinds are of the one method they were prepared for.
func (a Answer) Among(ids []string) Answer {
	a.among = append([]string{}, ids...)
	return a
}

// meant gives the method that an answer is judged by. Whoever proves a passkey
// may use any of theirs: which one is on this device, they cannot know before.
func (s *Service) meant(ctx context.Context, tx *store.Tx, c Challenge, m method.Method, a Answer) (method.Method, error) {
	if a.passkey == nil || a.passkey.used == nil {
		return m, nil
	}
	mine, err := s.methods.List(ctx, tx, c.OrgID, c.AccountID)
	if err != nil {
		return m, err
	}
	for _, other := range mine {
		if other.Kind != method.Passkey || !serves(other, c.Purpose) || a.among != nil && !slices.Contains(a.among, other.ID) {
			continue
		}
		if cred, err := other.Credential(); err == nil && bytes.Equal(cred.ID, a.passkey.used.RawID) {
			return other, nil
		}
	}
	return m, nil // whose credential this is not: the judge says wrong
}

func judgePasskey(s *Service, ctx context.Context, tx *store.Tx, c Challenge, m method.Method, a Answer) (problem.Code, error) {
	if s.passkeys == nil {
		return problem.CodeWrong, nil
	}
	if c.Purpose == Register {
		return s.judgeCreation(ctx, tx, c, m, a)
	}
	return s.judgeAssertion(ctx, tx, c, m, a)
}

// session is what the library holds an answer against.
func (s *Service) session(challenge []byte, handle []byte) webauthn.SessionData {
	return webauthn.SessionData{
		Challenge: base64.RawURLEncoding.EncodeToString(challenge), RelyingPartyID: s.RelyingParty(), UserID: handle,
		UserVerification: protocol.VerificationRequired, CredParams: algorithms,
	}
}

func (s *Service) judgeCreation(ctx context.Context, tx *store.Tx, c Challenge, m method.Method, a Answer) (problem.Code, error) {
	record, err := m.Credential()
	if err != nil {
		return "", err
	}
	if a.passkey.made == nil || record.RelyingParty != s.RelyingParty() {
		return problem.CodeWrong, nil
	}
	made, err := s.passkeys.CreateCredential(person{handle: record.Handle}, s.session(s.challengeOf(c), record.Handle), a.passkey.made)
	if err != nil {
		return problem.CodeWrong, nil //nolint:nilerr // which check failed is nobody's to know
	}
	record.ID, record.PublicKey, record.SignCount = made.ID, made.PublicKey, made.Authenticator.SignCount
	record.BackupEligible, record.BackedUp = made.Flags.BackupEligible, made.Flags.BackupState
	record.AAGUID, record.Attestation, record.Transports = made.Authenticator.AAGUID, made.AttestationFormat, transports(made.Transport)
	err = s.methods.Enroll(ctx, tx, m, record)
	if problem.Has(err, problem.MethodDuplicate) {
		return problem.MethodDuplicate, nil
	}
	return "", err
}

// transports keeps the known ones; they only help the browser to ask the right device.
func transports(said []protocol.AuthenticatorTransport) []string {
	var known []string
	for _, t := range []protocol.AuthenticatorTransport{protocol.Internal, protocol.Hybrid, protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard} {
		if slices.Contains(said, t) {
			known = append(known, string(t))
		}
	}
	return known
}

func (s *Service) judgeAssertion(ctx context.Context, tx *store.Tx, c Challenge, m method.Method, a Answer) (problem.Code, error) {
	used := a.passkey.used
	record, err := m.Credential()
	if err != nil {
		return "", err
	}
	if used == nil || record.RelyingParty != s.RelyingParty() || !bytes.Equal(record.ID, used.RawID) {
		return problem.CodeWrong, nil
	}
	challenge := s.challengeOf(c)
	if c.Purpose != Reset {
		challenge = a.passkey.challenge() // its seal was checked before
		if first, err := s.useSealed(ctx, tx, challenge); err != nil || !first {
			return problem.CodeUsed, err
		}
	}
	// Where the browser was not told which passkeys to look for, the device has to
	// say whose it is (WebAuthn Level 3, 7.2, step 6).
	if !named(c.Purpose, a) && len(used.Response.UserHandle) == 0 {
		return problem.CodeWrong, nil
	}
	who := person{record.Handle, webauthn.Credential{
		ID: record.ID, PublicKey: record.PublicKey, AttestationFormat: record.Attestation,
		Flags:         webauthn.CredentialFlags{BackupEligible: record.BackupEligible, BackupState: record.BackedUp, UserVerified: true},
		Authenticator: webauthn.Authenticator{AAGUID: record.AAGUID, SignCount: record.SignCount},
	}}
	if _, err := s.passkeys.ValidateLogin(who, s.session(challenge, record.Handle), used); err != nil {
		return problem.CodeWrong, nil //nolint:nilerr // which check failed is nobody's to know
	}
	// Only from here on is anything that the answer says believed or kept.
	data := used.Response.AuthenticatorData
	if (data.Counter != 0 || record.SignCount != 0) && data.Counter <= record.SignCount {
		if c.BegunAt.Before(m.LastUsedAt) {
			return problem.CodeUsed, nil // signed before the last one that was accepted
		}
		return problem.PasskeyCopied, nil
	}
	record.SignCount, record.BackedUp = data.Counter, data.Flags.HasBackupState()
	return "", s.methods.UpdateCredential(ctx, tx, m, record)
}

// named tells whether the browser was given the passkeys to look for: after the
// password. In a reset anybody can ask, so there it is not.
func named(p Purpose, a Answer) bool {
	return (p == SignIn || p == StepUp) && !a.passkey.greeted
}

// passkeyFailed makes a challenge good for one answer only, and acts on a copy.
func (s *Service) passkeyFailed(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c *Challenge, m method.Method, wrong problem.Code) (err error) {
	if c.nonce, err = newNonce(); err != nil {
		return err
	}
	if err := updateNonce(ctx, tx, c.ID, c.nonce); err != nil {
		return fmt.Errorf("renew challenge: %w", err)
	}
	if wrong == problem.PasskeyCopied {
		return s.copied(ctx, tx, by, o, *c, m)
	}
	return nil
}

// copied switches a passkey off whose count went backwards: two devices hold its
// key, and nobody can tell which of them is the person's.
func (s *Service) copied(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge, m method.Method) error {
	if err := s.methods.Disable(ctx, tx, m); err != nil {
		return err
	}
	err := s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.MethodChanged, Org: c.OrgID, Target: c.AccountID, Outcome: audit.Denied,
		Reason: "copied", MethodID: m.ID, MethodKind: string(m.Kind),
	})
	if err != nil {
		return err
	}
	return s.tell(ctx, tx, by, o, m, notify.MethodCopied)
}
