package session

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// How long a session lives.
const (
	Idle    = time.Hour
	Overall = 24 * time.Hour
	// touchAfter spares a write for every page: the last use is noted this often.
	touchAfter = time.Minute
	// ahead is how far another node's clock may be ahead of this one's. What is later
	// than that was written while a clock was wrong: it would never grow old.
	ahead = 5 * time.Minute
	// Remembered is how long an account stays in the picker without use.
	Remembered = 90 * 24 * time.Hour
)

// Level is what was proved.
type Level string

// The levels.
const (
	Partial Level = "partial" // the password is right, a second factor is asked for
	Full    Level = "full"
)

// Browser is one browser with its cookie.
type Browser struct {
	ID      string
	Current string // the current session's id, empty when none
}

// Session is one account signed in in one browser.
type Session struct {
	ID, BrowserID, OrgID, AccountID string
	Level                           Level
	// MustChange tells that the password has to be changed before anything else.
	MustChange bool
	PasswordAt time.Time // when the password was typed, or an identity provider's answer came instead
	// ProvedAt is when that was proved: a provider may have asked the person long
	// before it sends them here. Zero: it does not say.
	ProvedAt  time.Time
	FactorAt  time.Time // when a second factor was proved; zero: never
	FactorID  string    // which method that was
	PassID    string    // the Temporary Access Pass that let the person in, empty: none did
	CreatedAt time.Time
	SeenAt    time.Time
}

// Fresh tells whether the strongest proof the account can give is younger than
// d: the second factor where it has one, else the password, or what stood in for
// it: a pass, or an identity provider.
func (s Session) Fresh(now time.Time, hasFactor bool, d time.Duration) bool {
	at := s.ProvedAt
	if hasFactor || s.FactorAt.After(at) {
		at = s.FactorAt
	}
	age := now.Sub(at)
	return s.Level == Full && !at.IsZero() && age <= d && age >= -ahead
}

// Account is one account in the picker.
type Account struct {
	ID        string // opaque, of this browser only
	OrgID     string
	AccountID string
	UserID    string
	Name      string
	// SessionID is the living session of the account in this browser, empty when signed out.
	SessionID string
}

// Deps are what the room stands on.
type Deps struct {
	Keys  *secret.Keyset
	Audit *audit.Service
}

// Service keeps sessions.
type Service struct {
	keys  *secret.Keyset
	audit *audit.Service
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.Keys == nil || d.Audit == nil {
		return nil, errors.New("session: Keys and Audit are needed")
	}
	return &Service{d.Keys, d.Audit}, nil
}

func hash(token string) []byte {
	sum := sha256.Sum256([]byte(token)) // the token has 130 random bits: nothing slower is needed
	return sum[:]
}

// Browser finds the browser of a cookie's token. Problem SignedOut when there is none.
func (s *Service) Browser(ctx context.Context, tx *store.Tx, token string) (Browser, error) {
	if token == "" {
		return Browser{}, problem.New(problem.SignedOut)
	}
	b, err := selectBrowser(ctx, tx, hash(token))
	if errors.Is(err, store.ErrNoRows) {
		return Browser{}, problem.New(problem.SignedOut)
	}
	if err != nil {
		return Browser{}, fmt.Errorf("session: %w", err)
	}
	return b, nil
}

// Open is Browser for somebody who is about to sign in: an unknown token gets
// a new browser. The token to set is a new one either way.
func (s *Service) Open(ctx context.Context, tx *store.Tx, token string) (Browser, string, error) {
	b, err := s.Browser(ctx, tx, token)
	if problem.Has(err, problem.SignedOut) {
		b = Browser{ID: store.NewID()}
		err = insertBrowser(ctx, tx, b.ID, hash(store.NewToken()))
	}
	if err != nil {
		return Browser{}, "", err
	}
	fresh, err := s.Rotate(ctx, tx, b.ID)
	return b, fresh, err
}

// Rotate gives the browser a new token; the old one is dead.
func (s *Service) Rotate(ctx context.Context, tx *store.Tx, browserID string) (string, error) {
	token := store.NewToken()
	if err := updateToken(ctx, tx, browserID, hash(token)); err != nil {
		return "", fmt.Errorf("session: %w", err)
	}
	return token, nil
}

// Begin is a sign-in to begin.
type Begin struct {
	OrgID, AccountID string
	UserID, Name     string // shown in the picker
	Level            Level
	MustChange       bool
	// PasswordAt is when the password was asked for judging; zero means now. What
	// happens to the password while it is judged is then later than the session.
	PasswordAt time.Time
	// Provider is what an identity provider said; nil: the password was typed here.
	Provider *Vouched
}

// ByProvider stands for the method that an identity provider is, where a session
// says what proved it. No method of Kunci has this id.
const ByProvider = "identity_provider"

// Vouched is what an identity provider says about a proof.
type Vouched struct {
	At time.Time // when it asked the person; zero: it does not say
	// Factor tells that what was proved there counts as a second factor here.
	Factor bool
}

// OwnFactor tells whether a second factor of Kunci's own was proved in the session.
func (s Session) OwnFactor() bool { return !s.FactorAt.IsZero() && s.FactorID != ByProvider }

// Begin makes the session of an account whose password was right, the current
// one of the browser. An older session of the same account in it ends.
func (s *Service) Begin(ctx context.Context, tx *store.Tx, browserID string, in Begin) (Session, error) {
	now := tx.Now()
	if in.PasswordAt.IsZero() {
		in.PasswordAt = now
	}
	created := Session{
		ID: store.NewID(), BrowserID: browserID, OrgID: in.OrgID, AccountID: in.AccountID, Level: in.Level,
		MustChange: in.MustChange, PasswordAt: in.PasswordAt, ProvedAt: in.PasswordAt, CreatedAt: now, SeenAt: now,
	}
	if v := in.Provider; v != nil {
		created.ProvedAt = v.At
		if v.Factor {
			created.FactorAt, created.FactorID = v.At, ByProvider
		}
	}
	if err := endInBrowser(ctx, tx, browserID, in.AccountID); err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	if err := insertSession(ctx, tx, created); err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	if err := setCurrent(ctx, tx, browserID, created.ID); err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	return created, s.remember(ctx, tx, browserID, in)
}

// sealedAccount is what the picker shows, as it is sealed.
type sealedAccount struct {
	UserID string `json:"u"`
	Name   string `json:"n"`
}

func binding(browserID, id string) string { return "browser-account|" + browserID + "|" + id }

func (s *Service) remember(ctx context.Context, tx *store.Tx, browserID string, in Begin) error {
	plain, err := json.Marshal(sealedAccount{in.UserID, in.Name})
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := deleteRemembered(ctx, tx, browserID, in.AccountID); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	id := store.NewID()
	sealed, err := s.keys.Seal(plain, binding(browserID, id))
	if err != nil {
		return err
	}
	if err := insertRemembered(ctx, tx, id, browserID, in.OrgID, in.AccountID, sealed); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// Current gives the living current session of a browser. Problem SignedOut.
func (s *Service) Current(ctx context.Context, tx *store.Tx, token string) (Session, error) {
	b, err := s.Browser(ctx, tx, token)
	if err != nil {
		return Session{}, err
	}
	return s.Get(ctx, tx, b.Current)
}

// Get gives a living session. Problem SignedOut when it ended or is too old.
func (s *Service) Get(ctx context.Context, tx *store.Tx, id string) (Session, error) {
	found, err := selectSession(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) || err == nil && !alive(found, tx.Now()) {
		return Session{}, problem.New(problem.SignedOut)
	}
	if err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	return found, nil
}

func alive(s Session, now time.Time) bool {
	seen, created := now.Sub(s.SeenAt), now.Sub(s.CreatedAt)
	return seen < Idle && created < Overall && seen >= -ahead && created >= -ahead
}

// Ends is when a session ends if it is not used any more.
func (s Session) Ends() time.Time {
	idle, overall := s.SeenAt.Add(Idle), s.CreatedAt.Add(Overall)
	if idle.After(overall) {
		return overall
	}
	return idle
}

// Stale tells that the last use should be noted with Touch.
func (s Session) Stale(now time.Time) bool { return now.Sub(s.SeenAt) >= touchAfter }

// Touch notes that a session is used now.
func (s *Service) Touch(ctx context.Context, tx *store.Tx, id string) error {
	if err := touch(ctx, tx, id); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// Prove notes a second factor that was proved now: the session is full, and
// the browser has a new token.
func (s *Service) Prove(ctx context.Context, tx *store.Tx, sessionID, methodID string) (string, error) {
	current, err := s.Get(ctx, tx, sessionID)
	if err != nil {
		return "", err
	}
	if err := prove(ctx, tx, sessionID, methodID); err != nil {
		return "", fmt.Errorf("session: %w", err)
	}
	return s.Rotate(ctx, tx, current.BrowserID)
}

// ProvePass is Prove for a Temporary Access Pass, which the session remembers.
func (s *Service) ProvePass(ctx context.Context, tx *store.Tx, sessionID, passID string) (string, error) {
	if err := passed(ctx, tx, sessionID, passID); err != nil {
		return "", fmt.Errorf("session: %w", err)
	}
	return s.Prove(ctx, tx, sessionID, passID)
}

// EndByPass ends the sessions that a pass let in, whatever was proved in them
// since: whoever took the pass away may have meant somebody else.
func (s *Service) EndByPass(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID, passID string) error {
	if passID == "" {
		return errors.New("session: no pass")
	}
	n, err := endByPass(ctx, tx, orgID, accountID, passID)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if n == 0 {
		return nil
	}
	return s.record(ctx, tx, by, orgID, accountID, "pass")
}

// ProveByProvider notes what an identity provider says about the person of this
// session: when it asked them, and whether that is a second factor here.
func (s *Service) ProveByProvider(ctx context.Context, tx *store.Tx, sessionID string, v Vouched) (string, error) {
	current, err := s.Get(ctx, tx, sessionID)
	if err != nil {
		return "", err
	}
	if v.At.IsZero() {
		return "", errors.New("session: a proof without its time")
	}
	if err := vouched(ctx, tx, sessionID, v); err != nil {
		return "", fmt.Errorf("session: %w", err)
	}
	return s.Rotate(ctx, tx, current.BrowserID)
}

// PasswordTyped notes that the right password was typed again now. One that has
// to be changed still has to be.
func (s *Service) PasswordTyped(ctx context.Context, tx *store.Tx, sessionID string) (string, error) {
	current, err := s.Get(ctx, tx, sessionID)
	if err != nil {
		return "", err
	}
	return s.typed(ctx, tx, current, current.MustChange)
}

// PasswordChanged notes that the person of this session chose a new password.
func (s *Service) PasswordChanged(ctx context.Context, tx *store.Tx, sessionID string) (string, error) {
	current, err := s.Get(ctx, tx, sessionID)
	if err != nil {
		return "", err
	}
	return s.typed(ctx, tx, current, false)
}

func (s *Service) typed(ctx context.Context, tx *store.Tx, current Session, mustChange bool) (string, error) {
	if err := passwordTyped(ctx, tx, current.ID, mustChange); err != nil {
		return "", fmt.Errorf("session: %w", err)
	}
	return s.Rotate(ctx, tx, current.BrowserID)
}

// End signs one session out.
func (s *Service) End(ctx context.Context, tx *store.Tx, by audit.Actor, sessionID string) error {
	ended, err := endOne(ctx, tx, sessionID)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	for _, e := range ended {
		if err := s.record(ctx, tx, by, e.orgID, e.accountID, "signed-out"); err != nil {
			return err
		}
	}
	return nil
}

// Living lists the sessions of an account that go on, the last used first.
func (s *Service) Living(ctx context.Context, tx *store.Tx, orgID, accountID string) (all []Session, err error) {
	found, err := selectSessions(ctx, tx, orgID, accountID)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	for _, one := range found {
		if alive(one, tx.Now()) {
			all = append(all, one)
		}
	}
	return all, nil
}

// EndOf is End for a session of one account. Problem NotFound: the account has no
// such session, or it is over.
func (s *Service) EndOf(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID, sessionID string) error {
	current, err := s.Get(ctx, tx, sessionID)
	if problem.Has(err, problem.SignedOut) || err == nil && (current.OrgID != orgID || current.AccountID != accountID) {
		return problem.New(problem.NotFound)
	}
	if err != nil {
		return err
	}
	ended, err := endOne(ctx, tx, sessionID)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if len(ended) == 0 { // somebody was faster
		return problem.New(problem.NotFound)
	}
	return s.record(ctx, tx, by, orgID, accountID, "one")
}

// EndAll ends every session of an account, in every browser.
func (s *Service) EndAll(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) error {
	return s.EndOthers(ctx, tx, by, orgID, accountID, "")
}

// EndOthers is EndAll but for one session.
func (s *Service) EndOthers(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID, keep string) error {
	n, err := endAll(ctx, tx, orgID, accountID, keep)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if n == 0 {
		return nil
	}
	return s.record(ctx, tx, by, orgID, accountID, "all")
}

func (s *Service) record(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID, reason string) error {
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.SessionRevoked, Org: orgID, Target: accountID, Outcome: audit.Success, Reason: reason,
	})
}

// Accounts lists what the picker of a browser shows, the last used first.
func (s *Service) Accounts(ctx context.Context, tx *store.Tx, browserID string) ([]Account, error) {
	rows, err := selectRemembered(ctx, tx, browserID)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	accounts := make([]Account, 0, len(rows))
	for _, r := range rows {
		plain, err := s.keys.Open(r.sealed, binding(browserID, r.ID))
		if err != nil {
			return nil, fmt.Errorf("session: %w", err)
		}
		var shown sealedAccount
		if err := json.Unmarshal(plain, &shown); err != nil {
			return nil, fmt.Errorf("session: %w", err)
		}
		r.UserID, r.Name = shown.UserID, shown.Name
		if current, err := s.Get(ctx, tx, r.SessionID); err != nil || current.Level != Full {
			r.SessionID = ""
		}
		accounts = append(accounts, r.Account)
	}
	return accounts, nil
}

// Choose makes a remembered account's living session the current one. Problem
// SignedOut when it has none: the person signs in again.
func (s *Service) Choose(ctx context.Context, tx *store.Tx, browserID string, chosen Account) (Session, error) {
	current, err := s.Get(ctx, tx, chosen.SessionID)
	if err != nil {
		return Session{}, err
	}
	if current.BrowserID != browserID {
		return Session{}, problem.New(problem.SignedOut)
	}
	if err := setCurrent(ctx, tx, browserID, current.ID); err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	return current, nil
}

// Forget signs a remembered account out in this browser and removes it.
func (s *Service) Forget(ctx context.Context, tx *store.Tx, browserID string, chosen Account) error {
	if err := endInBrowser(ctx, tx, browserID, chosen.AccountID); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := deleteRemembered(ctx, tx, browserID, chosen.AccountID); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// Unprove takes back what a method proved, in every session of the account: a
// proof is worth something only as long as its method. The sessions go on.
func (s *Service) Unprove(ctx context.Context, tx *store.Tx, orgID, accountID, methodID string) error {
	if methodID == "" {
		return errors.New("session: no method")
	}
	if err := unprove(ctx, tx, orgID, accountID, methodID); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// Purge drops what is over: ended and old sessions, accounts long unused, and
// browsers with neither.
func (s *Service) Purge(ctx context.Context, tx *store.Tx) error {
	if err := purge(ctx, tx, tx.Now().Add(-Overall), tx.Now().Add(-Remembered)); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}
