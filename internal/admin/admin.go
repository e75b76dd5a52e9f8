package admin

import (
	"context"
	"errors"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/privacy"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// Deps is what the room needs.
type Deps struct {
	DB           *store.DB
	Accounts     *account.Service
	Methods      *method.Service
	Challenges   *challenge.Service
	Sessions     *session.Service
	Provider     *provider.Service
	Reset        *reset.Service
	Helpdesk     *helpdesk.Service
	Report       *report.Service
	Audit        *audit.Service
	Orgs         *org.Service
	Jobs         *jobs.Service
	Messages     *notify.Service
	Privacy      *privacy.Service
	SecurityInfo *securityinfo.Service
	LDAP         *ldap.Service
	Roster       *roster.Service
}

// Service acts for administrators.
type Service struct{ d Deps }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Accounts == nil || d.Methods == nil || d.Challenges == nil || d.Sessions == nil || d.Provider == nil ||
		d.Reset == nil || d.Helpdesk == nil || d.Report == nil || d.Audit == nil || d.Orgs == nil || d.Jobs == nil || d.Messages == nil || d.Privacy == nil || d.LDAP == nil || d.Roster == nil || d.SecurityInfo == nil {
		return nil, errors.New("admin: a part is missing")
	}
	return &Service{d}, nil
}

// Person is one account as an administrator sees it.
type Person struct {
	Account account.Account
	Role    org.Role // empty: no administrator
	Methods []Method
	// Deleted can be brought back, until securityinfo.UndoUntil.
	Deleted []Method
	// Linked tells that the account belongs to an identity at the organization's provider.
	Linked bool
	// Rules are the answers to "can this person reset, and if not, why".
	Rules []reset.Rule

	can directory.Capabilities
}

// Method is a method as an administrator sees it: neither secret nor whole value.
type Method struct {
	method.Method
	Masked string
}

// CanReset tells whether every rule is answered with yes.
func (p Person) CanReset() bool {
	for _, r := range p.Rules {
		if !r.OK {
			return false
		}
	}
	return true
}

// Acts are what the authority may do to this person now.
func (a Authority) Acts(p Person) []Action {
	var all []Action
	for _, what := range []Action{Unlock, ClearLimits, RequireRegistration, RevokeSessions, RevokePass, Unlink, Freeze, Unfreeze} {
		if what == RevokePass && !p.HasPass() || what == Unlink && !p.Linked || what == Freeze && p.Account.Frozen() || what == Unfreeze && !p.Account.Frozen() {
			continue
		}
		if a.refuse(what, p.Account.ID, p.Role) == nil {
			all = append(all, what)
		}
	}
	return all
}

// ByKey gives a person by the directory's stable key. Problems: NotFound, Forbidden, DirectoryUnavailable.
func (s *Service) ByKey(ctx context.Context, as Authority, o *org.Organization, key string) (Person, error) {
	if !as.May(SeePeople) {
		return Person{}, problem.New(problem.Forbidden)
	}
	a, err := s.d.Accounts.ByKey(ctx, o, key)
	if err != nil {
		return Person{}, err
	}
	return s.person(ctx, o, a)
}

// ByUserID is ByKey for what a person is called.
func (s *Service) ByUserID(ctx context.Context, as Authority, o *org.Organization, userID string) (Person, error) {
	if !as.May(SeePeople) {
		return Person{}, problem.New(problem.Forbidden)
	}
	a, err := s.d.Accounts.Find(ctx, o, userID)
	if err != nil {
		return Person{}, err
	}
	return s.person(ctx, o, a)
}

func (s *Service) person(ctx context.Context, o *org.Organization, a account.Account) (Person, error) {
	p := Person{Account: a}
	p.Role, _ = o.RoleOf(a.Entry.UserID, a.Entry.Groups)
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return p, err
	}
	p.can = d.Capabilities()
	if p.Rules, err = s.d.Reset.Explain(ctx, o, a.Entry.UserID); err != nil {
		return p, err
	}
	var all, gone []method.Method
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if p.Linked, err = s.d.Provider.IsBound(ctx, tx, o.ID, a.ID); err != nil {
			return err
		}
		if all, err = s.d.Methods.List(ctx, tx, o.ID, a.ID); err != nil {
			return err
		}
		gone, err = s.d.Methods.ListDeleted(ctx, tx, o.ID, a.ID)
		return err
	})
	p.Methods, p.Deleted = seen(all), seen(gone)
	return p, err
}

func seen(all []method.Method) (shown []Method) {
	for _, m := range all {
		one := Method{m, m.Masked()}
		one.Value, one.Secret = "", nil
		shown = append(shown, one)
	}
	return shown
}

// Do acts on one person. Problems: Forbidden, CallerUnverified, NotFound,
// DirectoryUnavailable, DirectoryRefused (the directory does not let Kunci unlock).
func (s *Service) Do(ctx context.Context, as Authority, o *org.Organization, p Person, what Action) error {
	if err := s.mayAct(ctx, as, o, p, what); err != nil {
		return err
	}
	if what == Unlock {
		if err := s.unlock(ctx, o, p); err != nil {
			return errors.Join(err, s.d.DB.Write(ctx, func(tx *store.Tx) error {
				return s.record(ctx, tx, as, o, p, audit.AccountUnlocked, audit.Failure)
			}))
		}
	}
	id := p.Account.ID
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		switch what {
		case Unlock:
			if err := s.record(ctx, tx, as, o, p, audit.AccountUnlocked, audit.Success); err != nil {
				return err
			}
			return s.clear(ctx, tx, as, o, p)
		case ClearLimits:
			return s.clear(ctx, tx, as, o, p)
		case RequireRegistration:
			return s.d.Accounts.RequireRegistration(ctx, tx, as.By, o.ID, id)
		case RevokeSessions:
			return s.d.Sessions.EndAll(ctx, tx, as.By, o.ID, id)
		case Freeze:
			return s.d.Accounts.Freeze(ctx, tx, as.By, o.ID, id)
		case Unfreeze:
			return s.d.Accounts.Unfreeze(ctx, tx, as.By, o.ID, id)
		case RevokePass:
			return s.d.Helpdesk.RevokePass(ctx, tx, as.By, as.Role, o, p.Account)
		case Unlink:
			return s.unlink(ctx, tx, as, o, p)
		}
		return problem.New(problem.BadInput).On("act")
	})
}

// unlink lets the account belong to whoever next signs in with its user ID at the
// organization's provider. What the identity before opened ends: it may have been
// the wrong one. Problem NotFound: it belongs to none.
func (s *Service) unlink(ctx context.Context, tx *store.Tx, as Authority, o *org.Organization, p Person) error {
	had, err := s.d.Provider.Release(ctx, tx, o.ID, p.Account.ID)
	if err != nil {
		return err
	}
	if !had {
		return problem.New(problem.NotFound)
	}
	if err := s.d.Sessions.EndAll(ctx, tx, as.By, o.ID, p.Account.ID); err != nil {
		return err
	}
	return s.d.Audit.Record(ctx, tx, as.By, audit.Event{
		Kind: audit.MethodDeleted, Org: o.ID, Target: p.Account.ID, TargetUserID: p.Account.Entry.UserID,
		Outcome: audit.Success, Reason: "administrator", MethodKind: session.ByProvider,
	})
}

// unlock lifts the directory's own lock; no transaction is open.
func (s *Service) unlock(ctx context.Context, o *org.Organization, p Person) error {
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return err
	}
	if !d.Capabilities().Unlock {
		return problem.New(problem.DirectoryRefused)
	}
	if err := d.Unlock(ctx, p.Account.Entry.Key); err != nil {
		return account.Refusal(err, "unlock")
	}
	return nil
}

// clear forgets every limit on the person's resets and methods.
func (s *Service) clear(ctx context.Context, tx *store.Tx, as Authority, o *org.Organization, p Person) error {
	if err := s.d.Challenges.ClearLimits(ctx, tx, o.ID, p.Account.ID); err != nil {
		return err
	}
	if err := s.d.Reset.ClearLimits(ctx, tx, o.ID, p.Account.ID); err != nil {
		return err
	}
	return s.record(ctx, tx, as, o, p, audit.ThrottleCleared, audit.Success)
}

func (s *Service) record(ctx context.Context, tx *store.Tx, as Authority, o *org.Organization, p Person, k audit.Kind, outcome audit.Outcome) error {
	reason := "administrator"
	if as.operator() {
		reason = "operator"
	}
	return s.d.Audit.Record(ctx, tx, as.By, audit.Event{
		Kind: k, Org: o.ID, Target: p.Account.ID, TargetUserID: p.Account.Entry.UserID, Outcome: outcome, Reason: reason,
	})
}
