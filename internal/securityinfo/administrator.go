package securityinfo

import (
	"context"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// byAdministrator is why something changed that its person did not change.
const byAdministrator = "administrator"

// Enter registers an address or number that an administrator vouches for. It
// counts at once and is marked as the administrator's; the person's other
// addresses are told. Who may, the caller has judged. Problems: MethodKind,
// EmailInvalid, EmailOwnDomain, PhoneInvalid, PhoneCost, PhoneNotMobile,
// PhoneCountry, MethodLimit, MethodDuplicate.
func (s *Service) Enter(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, k method.Kind, typed string) (added method.Method, err error) {
	err = s.administer(ctx, o, a, func(tx *store.Tx, f facts) error {
		value, err := f.contact(k, typed)
		if err != nil {
			return err
		}
		added, err = s.d.Methods.Add(ctx, tx, method.Method{
			OrgID: f.org.ID, AccountID: f.account.ID, Kind: k, Value: value, Proved: true, ProvedBy: method.ByAdministrator,
		})
		if err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, f, added, audit.MethodAdded, byAdministrator, nil); err != nil {
			return err
		}
		return s.tell(ctx, tx, unseen(by), f, notice{action: addedAction, about: added, to: addresses(f.methods, added.ID)})
	})
	return added, err
}

// Exchange gives an address or number another value, as Enter does; the one that
// counted before is told too. Problems: NotFound and those of Enter.
func (s *Service) Exchange(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, id, typed string) (fresh method.Method, err error) {
	err = s.administer(ctx, o, a, func(tx *store.Tx, f facts) error {
		before, err := f.proved(id)
		if err != nil {
			return err
		}
		value, err := f.contact(before.Kind, typed)
		if err != nil {
			return err
		}
		old, next, changed, err := s.d.Methods.Exchange(ctx, tx, f.org.ID, f.account.ID, id, value)
		if fresh = next; err != nil || !changed {
			return err
		}
		if err := s.d.Sessions.Unprove(ctx, tx, f.org.ID, f.account.ID, id); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, f, fresh, audit.MethodChanged, byAdministrator, map[string]string{"replaced": id}); err != nil {
			return err
		}
		return s.tell(ctx, tx, unseen(by), f, notice{action: changedAction, about: fresh, to: addresses(f.methods, id), also: old})
	})
	return fresh, err
}

// Withdraw deletes a method of any kind for an administrator, who alone brings it
// back: what was lost or stolen must not come back by whoever has it. What its
// person deleted becomes final in the same way. A pass is revoked instead, with
// what it let in. Problem NotFound.
func (s *Service) Withdraw(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, id string) error {
	return s.administer(ctx, o, a, func(tx *store.Tx, f facts) error {
		m, err := f.proved(id)
		if problem.Has(err, problem.NotFound) {
			return s.bar(ctx, tx, by, f, id)
		}
		if err == nil && m.Kind.Class() == method.Pass {
			err = problem.New(problem.NotFound)
		}
		if err != nil {
			return err
		}
		if _, err := s.d.Methods.Withdraw(ctx, tx, f.org.ID, f.account.ID, id); err != nil {
			return err
		}
		if err := s.d.Sessions.Unprove(ctx, tx, f.org.ID, f.account.ID, id); err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, f, m, audit.MethodDeleted, byAdministrator, nil); err != nil {
			return err
		}
		return s.tell(ctx, tx, unseen(by), f, notice{action: deletedAction, about: m, to: addresses(f.methods, m.ID), also: m, final: true})
	})
}

// bar keeps a person from bringing back what they deleted, or what somebody deleted
// in their name to bring it back later.
func (s *Service) bar(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, id string) error {
	m, changed, err := s.d.Methods.Bar(ctx, tx, f.org.ID, f.account.ID, id)
	if err == nil && !changed {
		err = problem.New(problem.NotFound)
	}
	if err != nil {
		return err
	}
	if err := s.record(ctx, tx, by, f, m, audit.MethodDeleted, "made-final", nil); err != nil {
		return err
	}
	return s.tell(ctx, tx, unseen(by), f, notice{action: deletedAction, about: m, to: addresses(f.methods, m.ID), also: m, final: true})
}

// Restore brings a deleted method back for an administrator, whoever deleted it. One
// that is there already stays as it is. Problems: NotFound, UndoExpired, MethodLimit,
// MethodDuplicate.
func (s *Service) Restore(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, id string) error {
	return s.administer(ctx, o, a, func(tx *store.Tx, f facts) error {
		if _, err := f.proved(id); err == nil {
			return nil
		}
		back, err := s.d.Methods.Restore(ctx, tx, f.org.ID, f.account.ID, id)
		if err != nil {
			return err
		}
		if err := s.record(ctx, tx, by, f, back, audit.MethodAdded, "undone", nil); err != nil {
			return err
		}
		return s.tell(ctx, tx, unseen(by), f, notice{action: addedAction, about: back, to: addresses(f.methods, id), also: back})
	})
}

// administer runs a change of somebody else's methods, with the account locked.
func (s *Service) administer(ctx context.Context, o *org.Organization, a account.Account, do func(tx *store.Tx, f facts) error) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := challenge.Lock(ctx, tx, o.ID, a.ID); err != nil {
			return err
		}
		f := facts{now: tx.Now()}
		var err error
		if f.org, err = s.d.Orgs.Get(ctx, tx, o.ID); err != nil {
			return err
		}
		if f.account, err = s.d.Accounts.Refresh(ctx, tx, a); err != nil {
			return err
		}
		if f.methods, err = s.d.Methods.List(ctx, tx, o.ID, a.ID); err != nil {
			return err
		}
		return do(tx, f)
	})
}

// contact judges what an administrator typed as the person's own would be judged.
// A number stands with its country's code: nobody guesses what a script means.
func (f facts) contact(k method.Kind, typed string) (string, error) {
	switch k {
	case method.Email:
		return method.ValidateEmail(typed, f.org.Domains)
	case method.MobilePhone, method.OfficePhone:
		number, err := method.ParsePhone(k, typed, "")
		if err == nil && !method.PhoneAllowed(number, f.org.Policy.Phone.Countries) {
			err = problem.New(problem.PhoneCountry).On("phone")
		}
		return number, err
	}
	return "", problem.New(problem.MethodKind).On("kind")
}

// unseen leaves the administrator's address and program out of what the person is
// sent; the support code finds them in the log.
func unseen(by audit.Actor) audit.Actor { return audit.Actor{Correlation: by.Correlation} }
