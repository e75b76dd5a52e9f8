package securityinfo

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// View is what a person sees of their security info.
type View struct {
	Methods []Row           // strongest first
	Deleted []method.Method // last deleted first; each can be brought back until UndoUntil
	Kinds   []Offer         // what can be added, strongest first
	Tokens  []method.Token  // handed to the person and not activated
	Reset   Reset
	// Outside tells that nothing can be registered or changed from where the person is.
	Outside bool
	// Passkeys tells the browser which passkeys still count, as JSON.
	Passkeys string
}

// Row is one method of the list.
type Row struct {
	method.Method
	// Why says why it cannot prove a reset, as a key below "reset.why." with Args; empty: it can.
	Why  string
	Args map[string]any
	// CanBeDefault: a sign-in could offer it first, and there is something to choose between.
	CanBeDefault bool
	// Given: the organization entered it, and the person has not confirmed it.
	// CanConfirm: a code can be sent to it now.
	Given, CanConfirm bool
	// Early: codes that were made when the password alone was enough to make them.
	Early bool
}

// Offer is a kind that could be added.
type Offer struct {
	Kind    method.Kind
	Have    int // how many the person has of what shares the limit
	Full    bool
	Pending bool // one was begun in this session
}

// Reset says whether the person could reset a forgotten password.
type Reset struct {
	// Off: the organization does not let this account reset at all.
	Off bool
	// Elsewhere: the password is kept elsewhere and cannot be reset here, however
	// many methods there are.
	Elsewhere bool
	// Enough: the methods are enough now.
	Enough bool
	// From is when they are enough, where they only have to wait; zero: adding is needed.
	From time.Time
	// Gates is how many methods of different sorts a reset asks for.
	Gates int
	// Missing is how many of them are not there yet.
	Missing int
	// Add are the kinds of which one is enough to complete it; empty: more than one is missing.
	Add []method.Kind
}

// UndoUntil is until when a deleted method can be brought back.
func UndoUntil(m method.Method) time.Time { return m.DeletedAt.Add(method.UndoFor) }

// View gives what the page shows. Problem SignedOut.
func (s *Service) View(ctx context.Context, who Who) (View, error) {
	var v View
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		v = View{Outside: f.inside() != nil, Methods: f.rows(), Kinds: f.kinds(), Tokens: f.waiting(), Reset: f.reset()}
		gone, err := s.d.Methods.ListDeleted(ctx, tx, f.org.ID, f.account.ID)
		if err != nil {
			return err
		}
		for _, m := range gone {
			if m.DeletedBy != method.ByAdministrator {
				v.Deleted = append(v.Deleted, m)
			}
		}
		v.Passkeys, err = s.d.Challenges.Kept(f.account, f.methods, gone)
		return err
	})
	return v, err
}

func (f facts) rows() []Row {
	var all []Row
	// Codes on paper are the last thing to ask for, not the first.
	asked := func(m method.Method) bool {
		return m.Usable() && m.ProvesSignIn() && m.Kind != method.RecoveryCode
	}
	choices := 0
	for _, m := range f.methods {
		if asked(m) {
			choices++
		}
	}
	for _, k := range method.Kinds() {
		for _, m := range f.methods {
			if m.Kind != k || !m.Proved {
				continue
			}
			r := Row{Method: m, CanBeDefault: choices > 1 && asked(m) && !m.Default, Early: f.early(m), Given: given(m)}
			r.CanConfirm = r.Given && f.reachable(m)
			r.Why, r.Args = f.need.Refusal(m, f.now)
			all = append(all, r)
		}
	}
	return all
}

// early tells whether codes are older than everything else that proves a sign-in
// and were made in another session than the first of it: whoever knew only the
// password may have made and kept them. The page says to renew them. Where their
// person registers the first other factor they end at once (outgrown); this is
// for those whose first other factor was given to them.
func (f facts) early(m method.Method) bool {
	if m.Kind != method.RecoveryCode {
		return false
	}
	var first method.Method
	for _, o := range f.factors("") {
		if !o.ProvedAt.After(m.ProvedAt) {
			return false
		}
		if first.ID == "" || o.ProvedAt.Before(first.ProvedAt) {
			first = o
		}
	}
	return first.ID != "" && (first.Owner == "" || first.Owner != m.Owner)
}

// factors are what proves a sign-in beside paper and passes, without one method.
func (f facts) factors(without string) []method.Method {
	var all []method.Method
	for _, o := range f.methods {
		if o.ID != without && o.Proved && o.Kind != method.RecoveryCode && o.ProvesSignIn() && o.Kind.Class() != method.Pass {
			all = append(all, o)
		}
	}
	return all
}

func (f facts) kinds() []Offer {
	var all []Offer
	for _, k := range method.Kinds() {
		if !f.offers(k) {
			continue
		}
		o := Offer{Kind: k}
		for _, m := range f.methods {
			if m.Usable() && m.Kind.SharesLimit(k) {
				o.Have++
			}
		}
		o.Full = o.Have >= k.Limit() && !k.Replaced()
		_, o.Pending = f.pending(k)
		all = append(all, o)
	}
	return all
}

func (f facts) reset() Reset {
	e, p := f.account.Entry, f.org.Policy
	r := Reset{
		Off:       !p.InScope(e.Groups) || e.Privileged && p.Reset.Privileged == org.PrivilegedExclude,
		Elsewhere: e.Source == directory.External,
		Gates:     f.need.Gates(), Enough: f.need.Sufficient(f.methods, f.now),
	}
	if r.Enough {
		return r
	}
	if f.need.Registered(f.methods, f.now) {
		r.From = f.settledAt()
		return r
	}
	usable := f.need.Lasting(f.methods, f.need.Settled(f.now))
	r.Missing = r.Gates - f.need.Reach(usable)
	if r.Missing == 1 {
		for _, k := range method.Kinds() {
			if f.offers(k) && f.need.Enough(nil, append(append([]method.Kind{}, usable...), k)) {
				r.Add = append(r.Add, k)
			}
		}
	}
	return r
}

// settledAt is the first moment at which the methods of now are enough.
func (f facts) settledAt() time.Time {
	wait := f.need.Settled(f.now).Sub(f.now)
	first := f.need.Settled(f.now)
	for _, m := range f.methods {
		if at := m.ProvedAt.Add(wait); m.Usable() && at.Before(first) && f.need.Sufficient(f.methods, at) {
			first = at
		}
	}
	return first
}
