package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// Registration is how many people could help themselves at a moment. The words
// are those of Entra's registration report: enabled by the policy, registered
// with enough methods, capable when both.
type Registration struct {
	At time.Time `json:"-"`
	// People are the accounts of the directory, as old as its list where one is
	// read from time to time; where nothing lists it, those that Kunci has met, and
	// Partial is true.
	People  int  `json:"people"`
	Partial bool `json:"partial"`
	// Counting tells that nobody has counted yet but the people: a large organization is
	// counted in the background, from its first quarter of an hour on.
	Counting bool `json:"-"`

	Enabled    int `json:"enabled"`
	Registered int `json:"registered"`
	Capable    int `json:"capable"`
	// ByKind is how many people have at least one usable method of a kind.
	ByKind map[method.Kind]int `json:"by_kind"`
}

// live is up to how many people figures are counted when somebody looks;
// beyond, they are those of the last background count.
const live = 5000

// Registration gives the figures of an organization: of now in a small one, of
// the last background count in a large one. No transaction may be open.
func (s *Service) Registration(ctx context.Context, o *org.Organization) (Registration, error) {
	// In a large one nothing is counted now, not even how many there are.
	var last Registration
	kept := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		last, err = selectLast(ctx, tx, o.ID)
		return err
	})
	if kept == nil && last.People > live {
		return last, nil
	}
	d, err := s.d.Directories(o)
	if err != nil {
		return Registration{}, fmt.Errorf("report registration: %w", err)
	}
	n, listed, err := s.size(ctx, o, d)
	if err != nil {
		return Registration{}, fmt.Errorf("report registration: %w", err)
	}
	if listed && n <= live {
		return s.register(ctx, o, d)
	}
	if errors.Is(kept, store.ErrNoRows) && listed {
		none := s.empty()
		none.People, none.Counting = n, true
		return none, nil
	}
	if errors.Is(kept, store.ErrNoRows) {
		return s.register(ctx, o, d)
	}
	return last, kept
}

// Snapshot counts every organization and keeps the figures as those of today.
func (s *Service) Snapshot(ctx context.Context) error {
	var all []*org.Organization
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = s.d.Orgs.List(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	var failed []error
	for _, o := range all {
		// One organization's directory being away must not stop the others.
		failed = append(failed, s.snapshot(ctx, o))
	}
	return errors.Join(failed...)
}

func (s *Service) snapshot(ctx context.Context, o *org.Organization) error {
	d, err := s.d.Directories(o)
	if err != nil {
		return fmt.Errorf("report registration: %w", err)
	}
	figures, err := s.register(ctx, o, d)
	if err != nil {
		return err
	}
	text, err := json.Marshal(figures)
	if err != nil {
		return fmt.Errorf("report registration: %w", err)
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return upsertRegistration(ctx, tx, o.ID, DayOf(tx.Now()), string(text))
	})
}

// History gives the kept figures of a span of days, the first one first. A day
// on which nothing ran has none.
func (s *Service) History(ctx context.Context, tx *store.Tx, orgID string, from, to Day) ([]Registration, error) {
	all, err := selectHistory(ctx, tx, orgID, from, to)
	if err != nil {
		return nil, fmt.Errorf("report history: %w", err)
	}
	return all, nil
}

func (s *Service) empty() Registration {
	return Registration{At: s.d.DB.Now(), ByKind: make(map[method.Kind]int)}
}

func (s *Service) register(ctx context.Context, o *org.Organization, d directory.Directory) (Registration, error) {
	figures, can := s.empty(), d.Capabilities()
	partial, err := s.walk(ctx, o, d, func(e directory.Entry, h held, known bool) {
		figures.add(o, e, h.kinds(), known || Enabled(o, e, can))
	})
	figures.Partial = partial
	return figures, err
}

// size is how many people a directory has; false where nothing lists them.
func (s *Service) size(ctx context.Context, o *org.Organization, d directory.Directory) (n int, listed bool, err error) {
	if lister, ok := d.(directory.Lister); ok {
		n, err = lister.Count(ctx)
		return n, true, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		n, listed, err = s.d.Roster.Count(ctx, tx, o)
		return err
	})
	return n, listed, err
}

// page gives the people after one, the zero Entry for the first, in an order that
// stays: from the directory itself, or from the list that was read of it.
func (s *Service) page(ctx context.Context, o *org.Organization, d directory.Directory, after directory.Entry) (page []directory.Entry, err error) {
	if lister, ok := d.(directory.Lister); ok {
		return lister.List(ctx, directory.Page{After: after.UserID, Limit: directory.MaxPage})
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Roster.Page(ctx, tx, o, after.Key, directory.MaxPage)
		return err
	})
	return page, err
}

// walk goes through the directory a page at a time. One that nothing lists gives
// the accounts that Kunci has met, known, of which nothing else is known.
func (s *Service) walk(ctx context.Context, o *org.Organization, d directory.Directory, fn func(e directory.Entry, h held, known bool)) (partial bool, err error) {
	_, listed, err := s.size(ctx, o, d)
	if err != nil {
		return false, fmt.Errorf("report registration: %w", err)
	}
	if !listed {
		err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
			return eachKnown(ctx, tx, o.ID, func(h held) { fn(directory.Entry{}, h, true) })
		})
		return true, err
	}
	for after := (directory.Entry{}); ; {
		page, err := s.page(ctx, o, d, after)
		if err != nil {
			return false, fmt.Errorf("report registration: %w", err)
		}
		var methods map[string]holding
		err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			methods, err = selectHeld(ctx, tx, o.ID, page)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("report registration: %w", err)
		}
		for _, e := range page {
			fn(e, methods[e.Key].held, false)
		}
		if len(page) < directory.MaxPage {
			return false, nil
		}
		after = page[len(page)-1]
	}
}

// Enabled tells whether the policy and the directory let somebody reset at all,
// whatever they have registered.
func Enabled(o *org.Organization, e directory.Entry, can directory.Capabilities) bool {
	return o.Policy.InScope(e.Groups) && !e.Disabled && e.Source == directory.Managed && can.SetPassword &&
		(!e.Privileged || o.Policy.Reset.Privileged == org.PrivilegedTwoStrongGates)
}

// held are the kinds of which somebody has a usable method, as bits in the
// order of method.Kinds.
type held int64

func (h held) kinds() []method.Kind {
	var all []method.Kind
	for i, k := range method.Kinds() {
		if h&(1<<i) != 0 {
			all = append(all, k)
		}
	}
	return all
}

// add counts one person, and tells whether they could reset.
func (r *Registration) add(o *org.Organization, e directory.Entry, kinds []method.Kind, enabled bool) (capable bool) {
	r.People++
	for _, k := range kinds {
		r.ByKind[k]++
	}
	registered := Registered(o, e, kinds)
	if enabled {
		r.Enabled++
	}
	if registered {
		r.Registered++
	}
	if enabled && registered {
		r.Capable++
	}
	return enabled && registered
}

// Registered tells whether methods of these kinds are enough for somebody's reset.
// A pass is for the moment: it makes nobody registered.
func Registered(o *org.Organization, e directory.Entry, kinds []method.Kind) bool {
	r := account.RequirementOf(o, account.Account{OrgID: o.ID, Entry: e})
	var usable []method.Kind
	for _, k := range kinds {
		if r.Allows(k) && k != method.TemporaryAccessPass {
			usable = append(usable, k)
		}
	}
	return r.Enough(nil, usable)
}

// Holding is what somebody can prove who they are by.
type Holding struct {
	// Kinds are those of which they have a usable method.
	Kinds []method.Kind
	// Default is the kind of the method that a sign-in offers first; empty: of none.
	Default method.Kind
}

// Held gives what the people of a page have, by the directory's key.
func (s *Service) Held(ctx context.Context, tx *store.Tx, orgID string, page []directory.Entry) (map[string]Holding, error) {
	found, err := selectHeld(ctx, tx, orgID, page)
	if err != nil {
		return nil, fmt.Errorf("methods of a page of people: %w", err)
	}
	all := make(map[string]Holding, len(found))
	for key, h := range found {
		all[key] = Holding{h.kinds(), h.first}
	}
	return all, nil
}

// Holders gives the directory's keys of those who have a usable method of a kind;
// false where they are more than most.
func (s *Service) Holders(ctx context.Context, tx *store.Tx, orgID string, kind method.Kind, most int) (keys []string, all bool, err error) {
	keys, err = selectHolders(ctx, tx, orgID, kind, most+1)
	if err != nil {
		return nil, false, fmt.Errorf("people with a kind of method: %w", err)
	}
	return keys, len(keys) <= most, nil
}

// Effect is what another policy would do to people.
type Effect struct {
	Before, After Registration
	// Stranded are people who could reset and could no more.
	Stranded int
}

// Try tells what a policy would do if it were the organization's. No
// transaction may be open.
func (s *Service) Try(ctx context.Context, o *org.Organization, p org.Policy) (Effect, error) {
	d, err := s.d.Directories(o)
	if err != nil {
		return Effect{}, fmt.Errorf("report effect: %w", err)
	}
	with := o.WithPolicy(p)
	effect := Effect{Before: s.empty(), After: s.empty()}
	can := d.Capabilities()
	effect.Before.Partial, err = s.walk(ctx, o, d, func(e directory.Entry, h held, known bool) {
		kinds := h.kinds()
		could := effect.Before.add(o, e, kinds, known || Enabled(o, e, can))
		still := effect.After.add(with, e, kinds, known || Enabled(with, e, can))
		if could && !still {
			effect.Stranded++
		}
	})
	effect.After.Partial = effect.Before.Partial
	return effect, err
}
