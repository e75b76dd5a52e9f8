package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// How old the proof may be with which security info is changed. The numbers are
// those of Microsoft Entra's credential management.
const (
	FreshFor        = 10 * time.Minute
	FreshForPasskey = 5 * time.Minute // to add, change or delete a passkey
)

// Deps is what the room needs. Log may be nil.
type Deps struct {
	DB         *store.DB
	Orgs       *org.Service
	Accounts   *account.Service
	Methods    *method.Service
	Challenges *challenge.Service
	Sessions   *session.Service
	Audit      *audit.Service
	Messages   challenge.Messages
	PublicURL  string // links of notices begin with it
	Log        *slog.Logger
}

// Service signs people in.
type Service struct {
	d Deps
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	for name, missing := range map[string]bool{
		"database": d.DB == nil, "organizations": d.Orgs == nil, "accounts": d.Accounts == nil, "methods": d.Methods == nil,
		"challenges": d.Challenges == nil, "sessions": d.Sessions == nil, "audit log": d.Audit == nil, "messages": d.Messages == nil,
		"public URL": d.PublicURL == "",
	} {
		if missing {
			return nil, errors.New("signin: no " + name)
		}
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{d}, nil
}

// Signed is who is signed in in a browser, in a session of any level.
type Signed struct {
	Session session.Session
	Org     *org.Organization
	Account account.Account
	// Methods are the account's methods as they are stored now.
	Methods []method.Method
	// Now is the time at which all this was read.
	Now time.Time
}

// Factors are the methods that can be a second factor now.
func (s Signed) Factors() []method.Method {
	var all []method.Method
	for _, m := range s.Methods {
		if m.Usable() && m.Kind.ProvesSignIn() {
			all = append(all, m)
		}
	}
	return all
}

// Fresh tells whether the strongest proof the account can give is younger than d.
func (s Signed) Fresh(d time.Duration) bool {
	return s.Session.Fresh(s.Now, len(s.Factors()) > 0, d)
}

// Actor is the signed-in person as who did it; from says from where.
func (s Signed) Actor(from audit.Actor) audit.Actor {
	from.Kind, from.Account, from.UserID = audit.Person, s.Account.ID, s.Account.Entry.UserID
	return from
}

// Current gives who is signed in in the browser of a cookie's token. The level
// is the caller's to look at. Problems: SignedOut (nobody, ended, too old,
// disabled, gone from the directory), DirectoryUnavailable, DirectoryRefused.
func (s *Service) Current(ctx context.Context, token string) (Signed, error) {
	var found Signed
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if found.Session, err = s.d.Sessions.Current(ctx, tx, token); err != nil {
			return err
		}
		found.Org, err = s.d.Orgs.Get(ctx, tx, found.Session.OrgID)
		return err
	})
	if problem.Has(err, problem.NotFound) {
		return Signed{}, problem.New(problem.SignedOut)
	}
	if err != nil {
		return Signed{}, fmt.Errorf("current session: %w", err)
	}
	found.Account, err = s.d.Accounts.Load(ctx, found.Org, found.Session.AccountID)
	if problem.Has(err, problem.NotFound) || err == nil && found.Account.Entry.Disabled {
		return Signed{}, problem.New(problem.SignedOut)
	}
	if err != nil {
		return Signed{}, err
	}
	return found, s.step(ctx, &found)
}

// step reads what the database says, and notes the use of the session.
func (s *Service) step(ctx context.Context, found *Signed) error {
	read := func(tx *store.Tx) (err error) {
		found.Now = tx.Now()
		found.Methods, err = s.d.Methods.List(ctx, tx, found.Org.ID, found.Account.ID)
		return err
	}
	if err := s.d.DB.Read(ctx, read); err != nil {
		return err
	}
	if !found.Session.Stale(found.Now) {
		return nil
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error { return s.d.Sessions.Touch(ctx, tx, found.Session.ID) })
}
