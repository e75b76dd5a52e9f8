package securityinfo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// Disputes makes the "this wasn't me" links of notices. Whoever keeps them
// stands above this room.
type Disputes interface {
	DisputeLink(ctx context.Context, tx *store.Tx, id, orgID, accountID, userID string) (string, error)
}

// Deliveries tells what became of a message.
type Deliveries interface {
	Progress(ctx context.Context, tx *store.Tx, id string) (notify.Progress, error)
}

// Deps is what the room needs.
type Deps struct {
	DB         *store.DB
	Keys       *secret.Keyset
	Orgs       *org.Service
	Accounts   *account.Service
	Methods    *method.Service
	Challenges *challenge.Service
	Sessions   *session.Service
	Audit      *audit.Service
	Messages   challenge.Messages
	Disputes   Disputes
	Deliveries Deliveries // may be nil
	PublicURL  string     // links of notices begin with it
	// How old the session's strongest proof may be, for all kinds and for passkeys.
	FreshFor, FreshForPasskey time.Duration
}

// Service keeps security info.
type Service struct {
	d Deps
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	for name, missing := range map[string]bool{
		"database": d.DB == nil, "keyset": d.Keys == nil, "organizations": d.Orgs == nil, "accounts": d.Accounts == nil, "methods": d.Methods == nil,
		"challenges": d.Challenges == nil, "sessions": d.Sessions == nil, "audit log": d.Audit == nil, "messages": d.Messages == nil, "disputes": d.Disputes == nil,
		"public URL": d.PublicURL == "", "freshness": d.FreshFor <= 0 || d.FreshForPasskey <= 0,
	} {
		if missing {
			return nil, errors.New("securityinfo: no " + name)
		}
	}
	d.PublicURL = strings.TrimSuffix(d.PublicURL, "/")
	return &Service{d}, nil
}

// Who is the person and the session in which they are signed in, as loaded at
// the beginning of the request. What the directory says of the account is taken
// from here; everything else is read again in each step.
type Who struct {
	Account account.Account
	Session session.Session
	IP      string // where the request came from
}

// facts is what a step is judged by, read in its transaction.
type facts struct {
	org     *org.Organization
	account account.Account
	session session.Session
	ip      string
	need    account.Requirement
	methods []method.Method // proved and pending ones
	tokens  []method.Token  // handed to the person
	now     time.Time
	// noPasskeys tells that they cannot work at this installation's address.
	noPasskeys bool
	// device are the tokens of the browser, replaces is what the new method takes
	// the place of: where a registration begins.
	device, replaces string
}

func (s *Service) read(ctx context.Context, tx *store.Tx, who Who) (facts, error) {
	f := facts{now: tx.Now(), ip: who.IP, noPasskeys: s.d.Challenges.RelyingParty() == ""}
	var err error
	if f.session, err = s.d.Sessions.Get(ctx, tx, who.Session.ID); err != nil {
		return f, err
	}
	if f.session.AccountID != who.Account.ID || f.session.OrgID != who.Account.OrgID || f.session.Level != session.Full {
		return f, problem.New(problem.SignedOut)
	}
	if f.org, err = s.d.Orgs.Get(ctx, tx, who.Account.OrgID); err != nil {
		return f, err
	}
	if f.account, err = s.d.Accounts.Refresh(ctx, tx, who.Account); err != nil {
		return f, err
	}
	f.need = account.RequirementOf(f.org, f.account)
	if f.methods, err = s.d.Methods.List(ctx, tx, f.org.ID, f.account.ID); err != nil {
		return f, err
	}
	f.tokens, err = s.d.Methods.Tokens(ctx, tx, f.org.ID, f.account.ID)
	return f, err
}

// step runs one change with the account locked and the proof fresh.
func (s *Service) step(ctx context.Context, who Who, do func(tx *store.Tx, f facts) error) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := challenge.Lock(ctx, tx, who.Account.OrgID, who.Account.ID); err != nil {
			return err
		}
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		if err := s.fresh(f, ""); err != nil {
			return err
		}
		return do(tx, f)
	})
}

// fresh refuses a session whose strongest proof is too old for a kind.
func (s *Service) fresh(f facts, k method.Kind) error {
	most := s.d.FreshFor
	if k == method.Passkey {
		most = s.d.FreshForPasskey
	}
	if !f.session.Fresh(f.now, f.hasFactor(), most) {
		return problem.New(problem.StepUp)
	}
	return nil
}

// inside refuses to register from outside the networks that the policy names. A
// pass was handed out by somebody who made sure whose it is: it counts anywhere.
func (f facts) inside() error {
	if f.org.Policy.Registration.From(f.ip) || f.session.PassID != "" {
		return nil
	}
	return problem.New(problem.RegisterElsewhere)
}

// Fresh refuses, with problem StepUp, somebody who would be refused at the next
// step anyway: pages ask before they let anything be typed.
func (s *Service) Fresh(ctx context.Context, who Who, k method.Kind) error {
	return s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		return s.fresh(f, k)
	})
}

func (f facts) hasFactor() bool { return method.AskForFactor(f.methods, f.org.Offers) }

// proved gives a method of the account that counts, or did before it was
// disabled. Problem NotFound for every other id.
func (f facts) proved(id string) (method.Method, error) {
	for _, m := range f.methods {
		if m.ID == id && m.Proved {
			return m, nil
		}
	}
	return method.Method{}, problem.New(problem.NotFound)
}

// pending gives the method that this session registers, the newest of a kind;
// "" is any kind. Only kinds of this version are found.
func (f facts) pending(k method.Kind) (method.Method, bool) {
	for _, m := range slices.Backward(f.methods) {
		if _, ok := registrars[m.Kind]; ok && !m.Proved && m.Owner == f.session.ID && (k == "" || m.Kind == k) {
			return m, true
		}
	}
	return method.Method{}, false
}

// offers tells whether the account may register a kind: this version can, the
// policy allows it to prove a reset, and, of tokens, there is one to activate.
func (f facts) offers(k method.Kind) bool {
	_, ok := registrars[k]
	return ok && f.need.Allows(k) && !(k == method.Passkey && f.noPasskeys) && (k != method.HardwareToken || len(f.waiting()) > 0)
}

// steady refuses to delete or change a method in the hours after a reset, unless
// this session proved a method that the reset did not use and that was there
// before it: whoever took over a mailbox cannot push the others out with it, nor
// with a method added since.
func (f facts) steady() error {
	until := f.account.LastResetAt.Add(time.Duration(f.org.Policy.AfterResetHours) * time.Hour)
	if f.account.LastResetAt.IsZero() || !until.After(f.now) {
		return nil
	}
	for _, m := range f.methods {
		if m.ID == f.session.FactorID && m.Usable() && m.ProvedAt.Before(f.account.LastResetAt) &&
			f.session.FactorAt.After(f.account.LastResetAt) && !slices.Contains(f.account.LastResetMethods, m.ID) {
			return nil
		}
	}
	return problem.New(problem.AfterReset).After(until.Sub(f.now))
}

// record notes an event about one method of the person.
func (s *Service) record(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, m method.Method, k audit.Kind, reason string, detail map[string]string) error {
	err := s.d.Audit.Record(ctx, tx, by, audit.Event{
		Kind: k, Org: f.org.ID, Target: f.account.ID, TargetUserID: f.account.Entry.UserID, Outcome: audit.Success,
		Reason: reason, MethodID: m.ID, MethodKind: string(m.Kind), Detail: detail,
	})
	if err != nil {
		return fmt.Errorf("record security info: %w", err)
	}
	return nil
}
