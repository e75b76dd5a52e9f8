package signin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// How old the proof may be with which security info is changed. The numbers are
// those of Microsoft Entra's credential management.
const (
	FreshFor        = 10 * time.Minute
	FreshForPasskey = 5 * time.Minute // to add, change or delete a passkey
)

// FactorFor is how long a session waits for its second factor.
const FactorFor = 15 * time.Minute

// Disputes makes the "this wasn't me" links of notices. Whoever keeps them
// freezes resets and opens a request when one is used.
type Disputes interface {
	DisputeLink(ctx context.Context, tx *store.Tx, id, orgID, accountID, userID string) (string, error)
}

// Deliveries tells what became of a message.
type Deliveries interface {
	Progress(ctx context.Context, tx *store.Tx, id string) (notify.Progress, error)
}

// Deps is what the room needs. Breached and Log may be nil.
type Deps struct {
	DB         *store.DB
	Keys       *secret.Keyset
	Orgs       *org.Service
	Accounts   *account.Service
	Methods    *method.Service
	Challenges *challenge.Service
	Sessions   *session.Service
	Provider   *provider.Service
	Audit      *audit.Service
	Messages   challenge.Messages
	Deliveries Deliveries // may be nil
	Disputes   Disputes
	// Nobody takes as long as judging a password, where no directory is to be asked.
	Nobody   func(ctx context.Context, password string) error
	Breached password.BreachFilter
	Log      *slog.Logger
}

// Service signs people in.
type Service struct {
	d Deps
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	for name, missing := range map[string]bool{
		"database": d.DB == nil, "keyset": d.Keys == nil, "organizations": d.Orgs == nil, "accounts": d.Accounts == nil,
		"methods": d.Methods == nil, "challenges": d.Challenges == nil, "sessions": d.Sessions == nil, "identity provider": d.Provider == nil, "audit log": d.Audit == nil,
		"messages": d.Messages == nil, "disputes": d.Disputes == nil, "hash for nobody": d.Nobody == nil,
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

// Factors are the methods that can be a second factor now, the person's default
// first, then the strongest.
func (s Signed) Factors() []method.Method {
	var all []method.Method
	for _, m := range s.Methods {
		// A phone that nothing can be sent to here cannot answer, and still asks
		// unless nobody ever used it.
		if m.Usable() && factor(m) && s.Org.Offers(m.Kind) {
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b method.Method) int {
		if a.Default != b.Default {
			if a.Default {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Kind.Strength(), b.Kind.Strength())
	})
	return all
}

// HasFactor tells whether the account asks for a second factor, which may be one
// that nobody can prove any more.
func (s Signed) HasFactor() bool {
	return method.AskForFactor(s.Methods, s.Org.Offers)
}

// HasPassword tells whether the person can type a password at all. Only our own
// directory says; every other account is taken to have one.
func (s Signed) HasPassword() bool {
	return s.Org.Directory.Kind != org.Embedded || s.Account.Entry.HasPassword
}

func factor(m method.Method) bool {
	return m.Kind.Built() && m.ProvesSignIn() && (m.Kind != method.RecoveryCode || m.CodesLeft() > 0)
}

// Fresh tells whether the strongest proof the account can give is younger than d.
func (s Signed) Fresh(d time.Duration) bool { return s.Session.Fresh(s.Now, s.HasFactor(), d) }

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
		if found.Session, err = s.session(ctx, tx, token); err != nil {
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
	if problem.Has(err, problem.NotFound) || err == nil && out(found) {
		return Signed{}, problem.New(problem.SignedOut)
	}
	if err != nil {
		return Signed{}, err
	}
	return found, s.step(ctx, &found)
}

// session gives the living session of a token. One that still waits for its
// second factor does so for FactorFor.
func (s *Service) session(ctx context.Context, tx *store.Tx, token string) (session.Session, error) {
	found, err := s.d.Sessions.Current(ctx, tx, token)
	if err == nil && found.Level != session.Full && tx.Now().Sub(found.CreatedAt) > FactorFor {
		return session.Session{}, problem.New(problem.SignedOut)
	}
	return found, err
}

// out tells whether the account's entry ends the session: it was disabled, or
// its password is another one than the session began with. The embedded
// directory has our own clock, so that its time of the last change can be
// compared; of others, resets and changes here end the sessions.
func out(s Signed) bool {
	e := s.Account.Entry
	return e.Disabled || s.Org.Directory.Kind == org.Embedded && e.PasswordChangedAt.After(s.Session.PasswordAt)
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
	if p := found.pass(); found.OnPass() && !p.ValidUntil.After(found.Now) {
		return problem.New(problem.SignedOut) // what a pass opened closes with it
	}
	if !found.Session.Stale(found.Now) {
		return nil
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error { return s.d.Sessions.Touch(ctx, tx, found.Session.ID) })
}

// again reads, inside a transaction and with the account locked, whether the
// token is still the browser's and what is stored about the person now.
func (s *Service) again(ctx context.Context, tx *store.Tx, token string, before Signed) (Signed, error) {
	if err := challenge.Lock(ctx, tx, before.Org.ID, before.Account.ID); err != nil {
		return Signed{}, err
	}
	now, err := s.session(ctx, tx, token)
	if err == nil && now.ID != before.Session.ID {
		err = problem.New(problem.SignedOut)
	}
	if err != nil {
		return Signed{}, err
	}
	before.Session, before.Now = now, tx.Now()
	return before, s.refresh(ctx, tx, &before)
}

func (s *Service) refresh(ctx context.Context, tx *store.Tx, signed *Signed) (err error) {
	if signed.Account, err = s.d.Accounts.Refresh(ctx, tx, signed.Account); err != nil {
		return err
	}
	signed.Methods, err = s.d.Methods.List(ctx, tx, signed.Org.ID, signed.Account.ID)
	return err
}
