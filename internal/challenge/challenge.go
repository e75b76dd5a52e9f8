package challenge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// Purpose is what a proof is for. A challenge of one purpose proves nothing for another.
type Purpose string

// The purposes.
const (
	Reset    Purpose = notify.PurposeReset
	SignIn   Purpose = notify.PurposeSignIn
	Register Purpose = notify.PurposeRegister
	StepUp   Purpose = notify.PurposeStepUp
	// Caller is who calls the helpdesk: the person reads a code out, the agent types it.
	Caller Purpose = notify.PurposeCaller
)

// State of a challenge.
type State string

// The states.
const (
	Open   State = "open"
	Passed State = "passed"
	Ended  State = "ended"
)

// Life is how long a challenge that sends nothing stays open.
const Life = 15 * time.Minute

// Challenge is one attempt to prove one method.
type Challenge struct {
	ID, OrgID, AccountID, MethodID string
	Kind                           method.Kind
	Purpose                        Purpose
	Owner                          string // id of the flow or session
	Gate                           int    // 1 or 2 in a reset
	State                          State
	BegunAt                        time.Time
	SentAt                         time.Time // zero: nothing was sent
	ExpiresAt                      time.Time
	PassedAt                       time.Time
	MessageID                      string         // of the last message, for notify.Status
	Channel                        notify.Channel // of the last message to a phone
	TypedAt                        time.Time      // when the whole number was typed rightly; zero: it was not

	nonce     []byte
	digits    int
	countedAt time.Time // when the code that lives was first sent to a phone
	tries     int       // wrong numbers typed for a request on a device
	asked     []byte    // who made it, sealed
}

// Start is whom and what a challenge is for.
type Start struct {
	Org     *org.Organization
	Account account.Account
	Method  method.Method
	Purpose Purpose
	Owner   string
	Gate    int
	Lang    string         // of the message; empty: the organization's
	Channel notify.Channel // for a mobile phone: by text or by call; empty: as before, or by text
}

// Messages queues a message in the caller's transaction.
type Messages interface {
	Queue(ctx context.Context, tx *store.Tx, m notify.Message) (string, error)
}

// Deps is what the room needs.
type Deps struct {
	Keys     *secret.Keyset
	Methods  *method.Service
	Audit    *audit.Service
	Messages Messages
	Pushes   Pushes // nil: devices have to look for themselves
	// PublicURL is the address passkeys are bound to; without one there are none.
	PublicURL string
	// RelatedOrigins are other origins at which they are believed too.
	RelatedOrigins []string
}

// Service proves methods.
type Service struct {
	keys     *secret.Keyset
	methods  *method.Service
	audit    *audit.Service
	messages Messages
	pushes   Pushes
	passkeys *webauthn.WebAuthn // nil: they cannot work at this address
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	switch {
	case d.Keys == nil:
		return nil, errors.New("challenge: no keyset")
	case d.Methods == nil:
		return nil, errors.New("challenge: no methods")
	case d.Audit == nil:
		return nil, errors.New("challenge: no audit log")
	case d.Messages == nil:
		return nil, errors.New("challenge: no messages")
	}
	passkeys, err := webAuthn(d.PublicURL, d.RelatedOrigins)
	if err != nil {
		return nil, err
	}
	return &Service{keys: d.Keys, methods: d.Methods, audit: d.Audit, messages: d.Messages, pushes: d.Pushes, passkeys: passkeys}, nil
}

// Lock makes changes to the proofs of one account follow one another.
func Lock(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if err := tx.Lock(ctx, "account:"+orgID+":"+accountID); err != nil {
		return fmt.Errorf("lock account: %w", err)
	}
	return nil
}

// Begin opens a challenge, or gives the owner's own that is still open; the
// owner's own for another purpose or gate is ended, and other owners' live beside
// it. Of requests on a device there is one: another owner's is ended. Nothing is sent.
// Problems: MethodNotAllowed (the kind cannot be verified, or the method cannot be
// used for this), SendLimit (a request waits on the device that this may not end).
func (s *Service) Begin(ctx context.Context, tx *store.Tx, _ audit.Actor, in Start) (Challenge, error) {
	if in.Org == nil || in.Owner == "" || in.Account.ID == "" || in.Method.ID == "" {
		return Challenge{}, errors.New("begin challenge: organization, account, method and owner are needed")
	}
	if err := Lock(ctx, tx, in.Org.ID, in.Account.ID); err != nil {
		return Challenge{}, err
	}
	m, err := s.methods.Get(ctx, tx, in.Org.ID, in.Account.ID, in.Method.ID)
	if err != nil {
		return Challenge{}, err
	}
	if _, ok := verifiers[m.Kind]; !ok || !serves(m, in.Purpose) {
		return Challenge{}, problem.New(problem.MethodNotAllowed).On("method")
	}
	live, err := s.inTheWay(ctx, tx, in, m)
	switch {
	case err == nil:
		if live.Owner == in.Owner && live.Purpose == in.Purpose && live.Gate == in.Gate && live.ExpiresAt.After(tx.Now()) {
			return live, nil
		}
		if wait := yields(in.Purpose, live, tx.Now()); wait > 0 {
			return Challenge{}, problem.New(problem.SendLimit).After(wait)
		}
		if err := end(ctx, tx, live.ID); err != nil {
			return Challenge{}, fmt.Errorf("begin challenge: %w", err)
		}
	case !errors.Is(err, store.ErrNoRows):
		return Challenge{}, fmt.Errorf("begin challenge: %w", err)
	}
	c := Challenge{
		ID: store.NewID(), OrgID: in.Org.ID, AccountID: in.Account.ID, MethodID: m.ID, Kind: m.Kind,
		Purpose: in.Purpose, Owner: in.Owner, Gate: in.Gate, State: Open,
		BegunAt: tx.Now(), ExpiresAt: tx.Now().Add(Life), digits: length(in, m.Kind),
	}
	if m.Kind == method.Passkey {
		c.ExpiresAt = tx.Now().Add(passkeyLife)
	}
	if c.nonce, err = newNonce(); err != nil {
		return Challenge{}, err
	}
	if err := insert(ctx, tx, c); err != nil {
		return Challenge{}, fmt.Errorf("begin challenge: %w", err)
	}
	return c, nil
}

// inTheWay gives the open challenge that a new one on this method would meet.
func (s *Service) inTheWay(ctx context.Context, tx *store.Tx, in Start, m method.Method) (Challenge, error) {
	if m.Kind == method.AuthenticatorPush {
		return selectAsking(ctx, tx, in.Org.ID, in.Account.ID, m.ID)
	}
	return selectOpen(ctx, tx, in.Org.ID, in.Account.ID, m.ID, in.Owner)
}

// serves tells whether a method may be proved for a purpose. Registering proves
// a method that is not proved yet; everything else needs one that is.
func serves(m method.Method, p Purpose) bool {
	if p == Register {
		return m.Kind != method.TemporaryAccessPass && m.DeletedAt.IsZero() && m.DisabledAt.IsZero()
	}
	m.Spent = false // a pass that is spent is judged, and is wrong
	if !m.Usable() {
		return false
	}
	switch p {
	case Reset:
		return m.Kind.ProvesReset()
	case Caller:
		return Sends(m.Kind) && m.Kind.ProvesReset() // what else a person has is not for reading out
	case SignIn, StepUp:
		return m.ProvesSignIn() || p == StepUp && !m.FromDirectory() && m.Kind.ProvesReset() && m.Kind.Class() != method.Knowledge
	}
	return false
}

func newNonce() ([]byte, error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("challenge nonce: %w", err)
	}
	return nonce, nil
}

// Get gives a challenge as it is now. Problem NotFound.
func (s *Service) Get(ctx context.Context, tx *store.Tx, id string) (Challenge, error) {
	c, err := selectOne(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return Challenge{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return Challenge{}, fmt.Errorf("get challenge: %w", err)
	}
	return c, nil
}

// Current gives the owner's open challenge on a method. Problem NotFound.
func (s *Service) Current(ctx context.Context, tx *store.Tx, owner, orgID, accountID, methodID string) (Challenge, error) {
	c, err := selectOpen(ctx, tx, orgID, accountID, methodID, owner)
	if errors.Is(err, store.ErrNoRows) {
		return Challenge{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return Challenge{}, fmt.Errorf("current challenge: %w", err)
	}
	return c, nil
}

// Passed gives what an owner has proved, by gate.
func (s *Service) Passed(ctx context.Context, tx *store.Tx, owner string) ([]Challenge, error) {
	all, err := selectPassed(ctx, tx, owner)
	if err != nil {
		return nil, fmt.Errorf("passed challenges: %w", err)
	}
	return all, nil
}

// EndOwner ends every challenge of a flow or session, passed ones included: a
// proof is worth something only while its owner lives.
func (s *Service) EndOwner(ctx context.Context, tx *store.Tx, owner string) error {
	if err := endOwner(ctx, tx, owner); err != nil {
		return fmt.Errorf("end challenges: %w", err)
	}
	return nil
}

// EndAccount ends every challenge of an account, whoever owns it.
func (s *Service) EndAccount(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if err := Lock(ctx, tx, orgID, accountID); err != nil {
		return err
	}
	if err := endAccount(ctx, tx, orgID, accountID); err != nil {
		return fmt.Errorf("end challenges: %w", err)
	}
	return nil
}

// Purge drops challenges begun more than a day ago.
func (s *Service) Purge(ctx context.Context, tx *store.Tx) (int64, error) {
	n, err := purge(ctx, tx, tx.Now().Add(-24*time.Hour))
	if err != nil {
		return 0, fmt.Errorf("purge challenges: %w", err)
	}
	if err := purgePhones(ctx, tx, slotOf(tx.Now().Add(-24*time.Hour))); err != nil {
		return 0, fmt.Errorf("purge challenges: %w", err)
	}
	return n, nil
}
