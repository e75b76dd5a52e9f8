package method

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// The shortest and longest secret of a token, in bytes (RFC 4226, section 4, R6).
const (
	MinSeed = 16
	MaxSeed = 128
)

// Token is a hardware token of an organization. What it has used up is kept
// here and not with the method that a person registered: whoever holds it next,
// and through whatever door, no code of it passes twice.
type Token struct {
	ID, OrgID           string
	Serial              string
	Manufacturer, Model string
	OATH                OATH
	Seed                []byte
	AccountID           string // empty: nobody's yet
	MethodID            string // the method that used it last
	Active              bool   // a person proved it and can use it
	LastStep            int64  // highest accepted step; -1: none
	Drift               int64  // steps its clock is ahead
	Resync              int64  // the step that would bring it back; 0: none
	CreatedAt           time.Time
	AssignedAt          time.Time
}

// String keeps a token's secret out of logs.
func (t Token) String() string { return "token " + t.ID }

// GoString keeps a token's secret out of logs.
func (t Token) GoString() string { return t.String() }

// Name is what a token is called on its person's list.
func (t Token) Name() string {
	name := strings.Join(strings.Fields(t.Manufacturer+" "+t.Model+" "+t.Serial), " ")
	if r := []rune(name); len(r) > MaxName {
		return string(r[len(r)-MaxName:])
	}
	return name
}

// Method is the row with which an account holds a token. It refers to the token
// and has no copy of its secret.
func (t Token) Method() Method {
	return Method{
		OrgID: t.OrgID, AccountID: t.AccountID, Kind: HardwareToken, Name: t.Name(), Secret: []byte(t.ID), OATH: t.OATH,
	}
}

type tokenContent struct {
	Manufacturer string `json:"m,omitempty"`
	Model        string `json:"t,omitempty"`
	OATH         OATH   `json:"o"`
	Seed         []byte `json:"s"`
}

func tokenBinding(t Token) string {
	return strings.Join([]string{"token", t.OrgID, t.ID, t.Serial}, "|")
}

func (s *Service) tokenSame(t Token) []byte {
	return s.keys.Index("token.same", t.OrgID+"\x00"+string(t.Seed))
}

// AddToken stores a token that belongs to nobody yet. LastStep is the highest
// step that counts as used; for a time-based token it is 0. Problem Conflict:
// there is one with its serial number or its secret.
func (s *Service) AddToken(ctx context.Context, tx *store.Tx, t Token) (Token, error) {
	if err := t.OATH.Check(); err != nil {
		return Token{}, err
	}
	if t.OrgID == "" || t.Serial == "" || len(t.Seed) < MinSeed || len(t.Seed) > MaxSeed || t.LastStep < -1 {
		return Token{}, errors.New("add token: organization, serial number and a secret of 128 bits are needed")
	}
	if err := tx.Lock(ctx, "tokens:"+t.OrgID); err != nil {
		return Token{}, fmt.Errorf("add token: %w", err)
	}
	same := s.tokenSame(t)
	if n, err := countTokens(ctx, tx, t.OrgID, t.Serial, same); err != nil || n > 0 {
		if err != nil {
			return Token{}, fmt.Errorf("add token: %w", err)
		}
		return Token{}, problem.New(problem.Conflict)
	}
	t.ID, t.CreatedAt = store.NewID(), tx.Now()
	t.AccountID, t.MethodID, t.Drift, t.Resync = "", "", 0, 0
	plain, err := json.Marshal(tokenContent{t.Manufacturer, t.Model, t.OATH, t.Seed})
	if err != nil {
		return Token{}, fmt.Errorf("seal token: %w", err)
	}
	sealed, err := s.keys.Seal(plain, tokenBinding(t))
	if err != nil {
		return Token{}, fmt.Errorf("seal token: %w", err)
	}
	if err := insertToken(ctx, tx, t, sealed, same); err != nil {
		return Token{}, fmt.Errorf("add token: %w", err)
	}
	return t, nil
}

// Token gives one token. Problem NotFound, also for another organization's.
func (s *Service) Token(ctx context.Context, tx *store.Tx, orgID, id string) (Token, error) {
	return s.oneToken(selectToken(ctx, tx, orgID, id))
}

// TokenBySerial gives the token with a serial number. Problem NotFound.
func (s *Service) TokenBySerial(ctx context.Context, tx *store.Tx, orgID, serial string) (Token, error) {
	return s.oneToken(selectTokenBySerial(ctx, tx, orgID, serial))
}

// Tokens gives an organization's tokens by serial number; with an account only
// those that are assigned to it.
func (s *Service) Tokens(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Token, error) {
	rows, err := selectTokens(ctx, tx, orgID, accountID)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	all := make([]Token, len(rows))
	for i, r := range rows {
		if all[i], err = s.openToken(r); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Service) oneToken(r tokenRow, err error) (Token, error) {
	if err != nil {
		return Token{}, found(err, "get token")
	}
	return s.openToken(r)
}

func (s *Service) openToken(r tokenRow) (Token, error) {
	plain, err := s.keys.Open(r.sealed, tokenBinding(r.t))
	if err != nil {
		return Token{}, fmt.Errorf("open token %s: %w", r.t.ID, err)
	}
	var c tokenContent
	if err := json.Unmarshal(plain, &c); err != nil || c.OATH.Check() != nil {
		return Token{}, fmt.Errorf("open token %s: damaged", r.t.ID)
	}
	t := r.t
	t.Manufacturer, t.Model, t.OATH, t.Seed = c.Manufacturer, c.Model, c.OATH, c.Seed
	return t, nil
}

// SeedKnown tells whether an organization has a token with this secret.
func (s *Service) SeedKnown(ctx context.Context, tx *store.Tx, t Token) (bool, error) {
	n, err := countTokens(ctx, tx, t.OrgID, "", s.tokenSame(t))
	if err != nil {
		return false, fmt.Errorf("find token: %w", err)
	}
	return n > 0, nil
}

// SameSeed tells whether a token has a secret.
func (t Token) SameSeed(seed []byte) bool { return string(t.Seed) == string(seed) }

// AssignToken hands a token that is nobody's to an account. Problem Conflict: it
// is somebody's.
func (s *Service) AssignToken(ctx context.Context, tx *store.Tx, orgID, id, accountID string) error {
	n, err := updateTokenOwner(ctx, tx, orgID, id, "", accountID)
	if err != nil {
		return fmt.Errorf("assign token: %w", err)
	}
	if n != 1 {
		return problem.New(problem.Conflict)
	}
	return nil
}

// TakeToken takes a token back from an account: the method goes for good, what
// the token has used up stays. Problem Conflict: it is not that account's.
func (s *Service) TakeToken(ctx context.Context, tx *store.Tx, t Token) error {
	if err := s.lock(ctx, tx, t.OrgID, t.AccountID); err != nil {
		return err
	}
	n, err := updateTokenOwner(ctx, tx, t.OrgID, t.ID, t.AccountID, "")
	if err != nil {
		return fmt.Errorf("take token: %w", err)
	}
	if n != 1 {
		return problem.New(problem.Conflict)
	}
	if t.MethodID == "" {
		return nil
	}
	if _, err := deleteOne(ctx, tx, t.OrgID, t.AccountID, t.MethodID); err != nil {
		return fmt.Errorf("take token: %w", err)
	}
	return nil
}

// DropToken forgets a token that is nobody's. Problem Conflict: it is somebody's.
func (s *Service) DropToken(ctx context.Context, tx *store.Tx, orgID, id string) error {
	n, err := deleteToken(ctx, tx, orgID, id)
	if err != nil {
		return fmt.Errorf("drop token: %w", err)
	}
	if n != 1 {
		return problem.New(problem.Conflict)
	}
	return nil
}

// UseToken accepts a step of an account's token once, and notes how far its
// clock is off: true for the one caller who was first.
func (s *Service) UseToken(ctx context.Context, tx *store.Tx, t Token, methodID string, step, drift int64) (bool, error) {
	n, err := updateTokenUsed(ctx, tx, t, methodID, step, drift)
	if err != nil {
		return false, fmt.Errorf("use token: %w", err)
	}
	return n == 1, nil
}

// AwaitToken notes the step whose code would bring a token back in step.
func (s *Service) AwaitToken(ctx context.Context, tx *store.Tx, t Token, step int64) error {
	if err := updateTokenResync(ctx, tx, t, step); err != nil {
		return fmt.Errorf("await token: %w", err)
	}
	return nil
}
