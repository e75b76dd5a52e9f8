package signin

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// byProvider is what events call a proof that an identity provider gave.
const byProvider = session.ByProvider

// errTaken rolls back what was begun for an identity that is not the account's.
var errTaken = errors.New("signin: the account is another identity's")

// ToProvider begins a sign-in at the identity provider of the organization whose
// person signs in, and gives what the browser keeps until they come back. again
// has the provider ask who it is. Nothing is looked up about the account.
// Problems: NotFound (there is no provider), ProviderUnavailable, Blocked (the address).
func (s *Service) ToProvider(ctx context.Context, by audit.Actor, p Pending, again bool) (cookie string, err error) {
	if p.Org == nil || !p.Org.IdentityProvider.On() {
		return "", problem.New(problem.NotFound)
	}
	if err := s.admit(ctx, by, p.Org); err != nil {
		return "", err
	}
	cookie, err = s.d.Provider.Begin(ctx, p.Org, provider.Ask{UserID: p.UserID, Next: p.Next, Again: again})
	if err != nil {
		return "", s.notJudged(ctx, by, err)
	}
	return cookie, nil
}

// ProvesByProvider tells whether somebody who is in can prove again at the
// identity provider who they are: where they have no second factor, or where the
// organization trusts the provider's.
func (s Signed) ProvesByProvider() bool {
	p := s.Org.IdentityProvider
	return p.On() && s.purpose() == challenge.StepUp && (!s.HasFactor() || p.Trusted())
}

// ToProviderAgain is ToProvider for a step-up. Problems: SignedOut,
// MethodNotAllowed, ProviderUnavailable.
func (s *Service) ToProviderAgain(ctx context.Context, token, next string) (cookie string, err error) {
	signed, err := s.Current(ctx, token)
	if err != nil {
		return "", err
	}
	if !signed.ProvesByProvider() {
		return "", problem.New(problem.MethodNotAllowed)
	}
	return s.d.Provider.Begin(ctx, signed.Org, provider.Ask{UserID: signed.Account.Entry.UserID, Next: next, SessionID: signed.Session.ID})
}

// AtProvider is a sign-in under way: where the browser goes, and whose it is.
type AtProvider struct {
	Org     *org.Organization
	UserID  string
	Address string
	// StepUp tells that somebody who is in proves it again.
	StepUp bool
	Next   string
}

// AtProvider gives the sign-in under way of a browser and changes nothing.
// Problems: Expired, ProviderUnavailable.
func (s *Service) AtProvider(ctx context.Context, cookie string) (AtProvider, error) {
	ask, err := s.d.Provider.Waiting(ctx, cookie)
	if err != nil {
		return AtProvider{}, err
	}
	at := AtProvider{UserID: ask.UserID, StepUp: ask.SessionID != "", Next: ask.Next}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		at.Org, err = s.d.Orgs.Get(ctx, tx, ask.OrgID)
		return err
	})
	if problem.Has(err, problem.NotFound) {
		return at, problem.New(problem.Expired)
	}
	if err == nil {
		at.Address, err = s.d.Provider.Address(ctx, at.Org, cookie)
	}
	return at, err
}

// FromProvider judges what a browser brings back from the organization's identity
// provider, and begins the session or proves it again. The Ask is given whenever
// it is known. Problems: Expired, SignedOut (there is no session to prove again),
// SignInLocked, Disabled, those of provider.Finish, and ProviderUnknown,
// ProviderOther, ProviderTaken; DirectoryUnavailable, DirectoryRefused.
func (s *Service) FromProvider(ctx context.Context, by audit.Actor, token, cookie, slug string, back provider.Back) (In, provider.Ask, error) {
	var o *org.Organization
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = s.d.Orgs.BySlug(ctx, tx, slug)
		return err
	})
	if problem.Has(err, problem.NotFound) {
		err = problem.New(problem.Expired)
	}
	if err != nil {
		return In{}, provider.Ask{}, err
	}
	j := judged{org: o, at: s.d.DB.Now(), result: directory.OK}
	identity, ask, err := s.d.Provider.Finish(ctx, o, cookie, back)
	if err == nil {
		err = s.recognize(ctx, &j, ask, identity)
	}
	if err != nil {
		return In{}, ask, s.refusedThere(ctx, by, j, ask, err)
	}
	j.vouched = &vouched{identity, session.Vouched{At: identity.AuthTime, Factor: o.IdentityProvider.Trusted() && identity.SeveralFactors}}
	if ask.SessionID != "" {
		in, err := s.proveByProvider(ctx, by, token, ask, j)
		return in, ask, err
	}
	if err := s.refusal(ctx, by, j); err != nil {
		return In{}, ask, err
	}
	in, err := s.begin(ctx, by, token, j)
	if errors.Is(err, errTaken) {
		err = s.refusedThere(ctx, by, j, ask, s.taken(o))
	}
	return in, ask, err
}

// vouched is what an identity provider says about who signs in.
type vouched struct {
	identity provider.Identity
	proof    session.Vouched
}

func (s *Service) taken(o *org.Organization) error {
	return problem.New(problem.ProviderTaken, "name", o.IdentityProvider.Name)
}

// recognize finds the account of an identity, which has to be the one that was
// asked about, and what its directory says about it.
func (s *Service) recognize(ctx context.Context, j *judged, ask provider.Ask, id provider.Identity) error {
	o, args := j.org, []any{"name", j.org.IdentityProvider.Name, "org", j.org.Name}
	domain := org.DomainOf(id.UserID)
	if domain != "" && !o.HasDomain(domain) {
		return problem.New(problem.ProviderUnknown, args...)
	}
	a, err := s.d.Accounts.Find(ctx, o, id.UserID)
	if problem.Has(err, problem.NotFound) {
		return problem.New(problem.ProviderUnknown, args...)
	}
	if err != nil {
		return known(err)
	}
	asked := a
	if directory.NormalizeUserID(id.UserID) != ask.UserID {
		asked, err = s.d.Accounts.Look(ctx, o, ask.UserID)
	}
	switch {
	case problem.Has(err, problem.NotFound), err == nil && asked.Entry.Key != a.Entry.Key:
		return problem.New(problem.ProviderOther, args...)
	case err != nil:
		return known(err)
	}
	j.account, j.id = a, a.ID
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return err
	}
	e := a.Entry
	switch {
	case e.Disabled:
		j.result = directory.Disabled
	case e.LockedUntil.After(s.d.DB.Now()):
		j.result, j.wait = directory.Locked, e.LockedUntil.Sub(s.d.DB.Now())
	case e.MustChange && e.Source == directory.Managed && d.Capabilities().Change:
		j.result = directory.MustChange
	}
	return s.orphan(ctx, o, a, id)
}

// orphan lets an identity go that belongs to an account which left the directory:
// a person who was deleted and made again is the same person there.
func (s *Service) orphan(ctx context.Context, o *org.Organization, a account.Account, id provider.Identity) error {
	var holder string
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		holder, err = s.d.Provider.Holder(ctx, tx, o.ID, id)
		return err
	})
	if err != nil || holder == "" || holder == a.ID {
		return err
	}
	if _, err = s.d.Accounts.Load(ctx, o, holder); !problem.Has(err, problem.NotFound) {
		return known(err)
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := s.d.Provider.Release(ctx, tx, o.ID, holder)
		return err
	})
}

// refusedThere records why an answer of the provider let nobody in.
func (s *Service) refusedThere(ctx context.Context, by audit.Actor, j judged, ask provider.Ask, cause error) error {
	refused, ours := problem.As(cause)
	if !ours || ask.OrgID == "" {
		return cause // a fault of ours, or no sign-in of this browser's
	}
	if refused.Code == problem.ProviderUnavailable || refused.Code == problem.DirectoryUnavailable || refused.Code == problem.DirectoryRefused {
		return s.notJudged(ctx, by, cause)
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		e := j.event(audit.SignInFailed, audit.Failure, string(refused.Code))
		e.MethodKind, e.Detail = byProvider, make(map[string]string)
		if why := provider.Why(cause); why != "" {
			e.Detail["why"] = why
		}
		if ask.SessionID != "" {
			e.Detail["for"] = string(challenge.StepUp)
		}
		return s.d.Audit.Record(ctx, tx, by, e)
	})
	return errors.Join(cause, err)
}

// bind gives the account its identity, or finds that it has it. errTaken: it has
// another, or another account has this one.
func (s *Service) bind(ctx context.Context, tx *store.Tx, by audit.Actor, signed Signed, v *vouched) error {
	bound, err := s.d.Provider.Bind(ctx, tx, signed.Org.ID, signed.Account.ID, v.identity)
	switch {
	case err != nil:
		return err
	case bound == provider.Taken:
		return errTaken
	case bound == provider.Before:
		return nil
	}
	return s.d.Audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.MethodAdded, Org: signed.Org.ID, Target: signed.Account.ID, TargetUserID: signed.Account.Entry.UserID,
		Outcome: audit.Success, Reason: "identity-bound", MethodKind: byProvider,
	})
}

// keep notes what signing out at the provider takes, for as long as the session may live.
func (s *Service) keep(ctx context.Context, tx *store.Tx, signed Signed, v *vouched) error {
	return s.d.Provider.Keep(ctx, tx, signed.Org.ID, signed.Account.ID, signed.Session.ID, v.identity, signed.Session.CreatedAt.Add(session.Overall))
}

// LeftAtProvider is somebody who signed out here of a session that began at their
// organization's identity provider.
type LeftAtProvider struct {
	Org *org.Organization
	// Provider is what people call it, also where the organization has it no more.
	Provider string
	// Address is where they sign out there; empty: that cannot be done from here.
	Address string
}

// LeftAtProvider gives who signed out in a browser a moment ago, and changes nothing.
// Problem Expired: nobody did, of such a session.
func (s *Service) LeftAtProvider(ctx context.Context, cookie string) (LeftAtProvider, error) {
	o, err := s.left(ctx, cookie)
	if err != nil {
		return LeftAtProvider{}, err
	}
	left := LeftAtProvider{Org: o, Provider: o.IdentityProvider.Name}
	left.Address, err = s.d.Provider.SignOutAddress(ctx, o, cookie)
	return left, err
}

// OutAtProvider tells whether the provider sent this browser back because it was
// signed out there, and gives its organization. It changes nothing. Problem Expired.
func (s *Service) OutAtProvider(ctx context.Context, cookie, slug, state string) (*org.Organization, error) {
	o, err := s.left(ctx, cookie)
	if err != nil {
		return nil, err
	}
	back := false
	if o.Slug == slug {
		back, err = s.d.Provider.CameBack(ctx, o, cookie, state)
	}
	if err == nil && !back {
		err = problem.New(problem.Expired)
	}
	return o, err
}

func (s *Service) left(ctx context.Context, cookie string) (o *org.Organization, err error) {
	orgID, err := s.d.Provider.Left(ctx, cookie)
	if err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = s.d.Orgs.Get(ctx, tx, orgID)
		return err
	})
	if problem.Has(err, problem.NotFound) {
		err = problem.New(problem.Expired)
	}
	return o, err
}

// proveByProvider renews the proof of a session that is still the browser's. The
// account is the session's own: who it is, the provider said.
func (s *Service) proveByProvider(ctx context.Context, by audit.Actor, token string, ask provider.Ask, j judged) (In, error) {
	signed, err := s.Current(ctx, token)
	if err == nil && (signed.Session.ID != ask.SessionID || signed.Org.ID != j.org.ID) {
		err = problem.New(problem.SignedOut)
	}
	if err != nil {
		return In{}, err
	}
	if signed.Account.ID != j.account.ID {
		return In{}, s.refusedThere(ctx, by, j, ask, problem.New(problem.ProviderOther, "name", j.org.IdentityProvider.Name))
	}
	by = signed.Actor(by)
	if err := s.refusal(ctx, by, j); err != nil {
		return In{}, err
	}
	var r Reply
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		now, err := s.again(ctx, tx, token, signed)
		if err != nil {
			return err
		}
		if !now.ProvesByProvider() || now.HasFactor() && !j.vouched.proof.Factor {
			return problem.New(problem.MethodNotAllowed)
		}
		if err := s.bind(ctx, tx, by, now, j.vouched); err != nil {
			return err
		}
		if err := s.keep(ctx, tx, now, j.vouched); err != nil {
			return err
		}
		if r.Token, err = s.d.Sessions.ProveByProvider(ctx, tx, now.Session.ID, j.vouched.proof); err != nil {
			return err
		}
		return s.proved(ctx, tx, by, now, byProvider, "", &r)
	})
	switch {
	case errors.Is(err, errTaken):
		return In{}, s.refusedThere(ctx, by, j, ask, s.taken(j.org))
	case problem.Has(err, problem.MethodNotAllowed):
		return In{}, s.refusedThere(ctx, by, j, ask, err)
	case err != nil:
		return In{}, fmt.Errorf("prove at the provider: %w", err)
	}
	return r.In, nil
}
