package domain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Resolver asks the DNS. A *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Deps are what the room stands on.
type Deps struct {
	DB       *store.DB
	Orgs     *org.Service
	Audit    *audit.Service
	Resolver Resolver
	Log      *slog.Logger
}

// Service keeps proofs. It is safe for concurrent use.
type Service struct{ d Deps }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Orgs == nil || d.Audit == nil || d.Resolver == nil || d.Log == nil {
		return nil, errors.New("domain: a part is missing")
	}
	return &Service{d}, nil
}

// State is how far a proof is.
type State string

// The states.
const (
	Pending  State = "pending"  // nobody has looked yet
	Verified State = "verified" // user IDs of the domain lead to the organization
	Failed   State = "failed"   // it was looked for and not found
)

// States lists every state.
var States = []State{Pending, Verified, Failed}

// Reason is why a record does not prove a domain.
type Reason string

// The reasons.
const (
	NotFound    Reason = "not-found"   // the name has no TXT record
	Other       Reason = "other"       // it has records, and none of them is this organization's
	Unreachable Reason = "unreachable" // the DNS gave no answer
	Taken       Reason = "taken"       // it is there, and the domain is another organization's
)

// Reasons lists every reason.
var Reasons = []Reason{NotFound, Other, Unreachable, Taken}

// Domain is a domain of an organization, or one that it wants to have.
type Domain struct {
	Name  string
	State State
	// ByOperator: the operator's file names it; it has no record.
	ByOperator bool
	// Record and Value are what to put into the DNS: a TXT record's name and text.
	Record, Value string
	Reason        Reason // of the last look
	CheckedAt     time.Time
	VerifiedAt    time.Time
	GoneAt        time.Time // since when the record of a verified domain is missing
}

const (
	label  = "_kunci-challenge."
	before = "kunci-domain-verification="
	// most is how many domains an organization can wait for.
	most = 50
	// patience is how long the DNS is waited for.
	patience = 5 * time.Second
	// Every verified domain is looked for once a day, one whose record has gone once an hour.
	daily, hourly = 24 * time.Hour, time.Hour
	// once bounds the proofs of one run.
	once = 200
)

// looks is how often an organization can have the DNS asked.
var looks = throttle.Limit{Limit: 30, Per: 10 * time.Minute}

func (p proof) domain(o *org.Organization) Domain {
	d := Domain{
		Name: p.Name, State: Pending, Record: label + p.Name, Value: before + p.Token, Reason: p.Reason,
		CheckedAt: p.CheckedAt, VerifiedAt: p.VerifiedAt, GoneAt: p.GoneAt,
	}
	switch {
	case o.HasDomain(p.Name) && p.VerifiedAt.IsZero():
		return operators(p.Name)
	case o.HasDomain(p.Name):
		d.State = Verified
	case p.Reason != "":
		d.State = Failed
	}
	return d
}

func operators(name string) Domain { return Domain{Name: name, State: Verified, ByOperator: true} }

// List gives the organization's domains, in the order of its document, and those it
// waits for, by name.
func (s *Service) List(ctx context.Context, tx *store.Tx, o *org.Organization) ([]Domain, error) {
	proofs, err := selectProofs(ctx, tx, o.ID)
	if err != nil {
		return nil, fmt.Errorf("domains: %w", err)
	}
	all := make([]Domain, 0, len(o.Domains)+len(proofs))
	for _, name := range o.Domains {
		d := operators(name)
		if i := slices.IndexFunc(proofs, func(p proof) bool { return p.Name == name }); i >= 0 {
			d = proofs[i].domain(o)
		}
		all = append(all, d)
	}
	for _, p := range proofs {
		if !o.HasDomain(p.Name) {
			all = append(all, p.domain(o))
		}
	}
	return all, nil
}

// One gives one of the domains that List gives. Problem NotFound.
func (s *Service) One(ctx context.Context, tx *store.Tx, o *org.Organization, name string) (Domain, error) {
	all, err := s.List(ctx, tx, o)
	if err != nil {
		return Domain{}, err
	}
	i := slices.IndexFunc(all, func(d Domain) bool { return d.Name == normal(name) })
	if i < 0 {
		return Domain{}, problem.New(problem.NotFound).On("domain")
	}
	return all[i], nil
}

// Add begins a proof; a domain that is there already stays as it is, with the same
// text. Whose the domain is now plays no part. Problems: DomainInvalid, DomainLimit.
func (s *Service) Add(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, name string) (Domain, error) {
	name = normal(name)
	if !org.IsDomain(name) || len(label+name) > 253 {
		return Domain{}, problem.New(problem.DomainInvalid).On("domain")
	}
	if err := tx.Lock(ctx, "domains:"+o.ID); err != nil {
		return Domain{}, err
	}
	all, err := s.List(ctx, tx, o)
	if err != nil {
		return Domain{}, err
	}
	waiting := 0
	for _, d := range all {
		if d.Name == name {
			return d, nil
		}
		if d.State != Verified {
			waiting++
		}
	}
	if waiting >= most {
		return Domain{}, problem.New(problem.DomainLimit, "most", most).On("domain")
	}
	p := proof{OrgID: o.ID, Name: name, Token: store.NewToken()}
	if err := insertProof(ctx, tx, p); err != nil {
		return Domain{}, fmt.Errorf("domain %s: %w", name, err)
	}
	return p.domain(o), s.record(ctx, tx, by, o.ID, audit.Success, "domain-asked", name)
}

// Verify looks for the record and gives what came of it: a domain that is proved is
// the organization's from then on, whatever version it is at. Problems: NotFound,
// Blocked.
func (s *Service) Verify(ctx context.Context, by audit.Actor, o *org.Organization, name string) (Domain, error) {
	name = normal(name)
	var p proof
	var verdict throttle.Verdict
	err := s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if p, err = selectProof(ctx, tx, o.ID, name); errors.Is(err, store.ErrNoRows) {
			return problem.New(problem.NotFound).On("domain")
		}
		if err != nil {
			return err
		}
		verdict, err = throttle.Take(ctx, tx, "domains:"+o.ID, looks)
		return err
	})
	if err != nil {
		return Domain{}, err
	}
	if !verdict.Allowed {
		return Domain{}, problem.New(problem.Blocked).After(verdict.RetryAfter)
	}
	return s.settle(ctx, by, p, s.look(ctx, p))
}

// settle writes what a look came to.
func (s *Service) settle(ctx context.Context, by audit.Actor, p proof, reason Reason) (d Domain, err error) {
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		d, err = s.write(ctx, tx, by, p, reason)
		return err
	})
	if !isTaken(err) {
		return d, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		d, err = s.write(ctx, tx, by, p, Taken)
		return err
	})
	return d, err
}

func (s *Service) write(ctx context.Context, tx *store.Tx, by audit.Actor, looked proof, reason Reason) (Domain, error) {
	if err := tx.Lock(ctx, "domains:"+looked.OrgID); err != nil {
		return Domain{}, err
	}
	p, err := selectProof(ctx, tx, looked.OrgID, looked.Name)
	if errors.Is(err, store.ErrNoRows) || err == nil && p.Token != looked.Token {
		return Domain{}, problem.New(problem.NotFound).On("domain") // taken away while the DNS was asked
	}
	if err != nil {
		return Domain{}, err
	}
	o, err := s.d.Orgs.Get(ctx, tx, p.OrgID)
	if err != nil {
		return Domain{}, err
	}
	held, wasGone := o.HasDomain(p.Name) && !p.VerifiedAt.IsZero(), !p.GoneAt.IsZero()
	p.Reason, p.CheckedAt = reason, tx.Now()
	switch {
	case reason == "" && held:
		p.GoneAt = time.Time{}
	case reason == "":
		p.VerifiedAt, p.GoneAt = tx.Now(), time.Time{}
	case !held:
		p.VerifiedAt, p.GoneAt = time.Time{}, time.Time{}
	case reason != Unreachable && !wasGone: // no answer says nothing of the record
		p.GoneAt = tx.Now()
	}
	if err := updateProof(ctx, tx, p); err != nil {
		return Domain{}, fmt.Errorf("domain %s: %w", p.Name, err)
	}
	switch isGone := !p.GoneAt.IsZero(); {
	case reason == "" && !o.HasDomain(p.Name):
		o, err = s.d.Orgs.AddDomain(ctx, tx, by, o.ID, p.Name)
	case held && isGone && !wasGone:
		err = s.record(ctx, tx, by, o.ID, audit.Failure, "domain-record-gone", p.Name)
	case held && wasGone && !isGone:
		err = s.record(ctx, tx, by, o.ID, audit.Success, "domain-record-back", p.Name)
	}
	if err != nil {
		return Domain{}, err
	}
	return p.domain(o), nil
}

func isTaken(err error) bool {
	var faults config.Faults
	return errors.As(err, &faults) && slices.ContainsFunc(faults, func(f config.Fault) bool { return f.Code == org.DomainTaken })
}

// look asks the DNS; an empty reason is a proof. No transaction is open.
func (s *Service) look(ctx context.Context, p proof) Reason {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	// The dot keeps the machine's search list out of it.
	texts, err := s.d.Resolver.LookupTXT(ctx, label+p.Name+".")
	var refused *net.DNSError
	switch {
	case errors.As(err, &refused) && refused.IsNotFound:
		return NotFound
	case err != nil:
		s.d.Log.Warn("a domain cannot be looked up", "domain", p.Name, "error", err)
		return Unreachable
	case slices.ContainsFunc(texts, func(text string) bool { return strings.TrimSpace(text) == before+p.Token }):
		return ""
	case len(texts) == 0:
		return NotFound
	}
	return Other
}

// Remove takes a domain away, or stops waiting for it. One that is proved goes only
// while the organization is at the expected version; its text is not used again.
// Problems: NotFound, Conflict; config.Faults where it is the last domain or
// administrators are in it.
func (s *Service) Remove(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, name string, expectedVersion int64) error {
	name = normal(name)
	if err := tx.Lock(ctx, "domains:"+orgID); err != nil {
		return err
	}
	o, err := s.d.Orgs.Get(ctx, tx, orgID)
	if err != nil {
		return err
	}
	waited, err := deleteProof(ctx, tx, orgID, name)
	switch {
	case err != nil:
		return fmt.Errorf("domain %s: %w", name, err)
	case o.HasDomain(name):
		return s.d.Orgs.RemoveDomain(ctx, tx, by, orgID, name, expectedVersion)
	case waited == 0:
		return problem.New(problem.NotFound).On("domain")
	}
	return s.record(ctx, tx, by, orgID, audit.Success, "domain-dropped", name)
}

// Gone is how many of an organization's verified domains have lost their record.
func (s *Service) Gone(ctx context.Context, tx *store.Tx, o *org.Organization) (n int, err error) {
	all, err := s.List(ctx, tx, o)
	for _, d := range all {
		if d.State == Verified && !d.GoneAt.IsZero() {
			n++
		}
	}
	return n, err
}

// Run looks again for the records of verified domains whose time it is.
func (s *Service) Run(ctx context.Context) error {
	var due []proof
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		due, err = selectDue(ctx, tx, tx.Now().Add(-daily), tx.Now().Add(-hourly), once)
		return err
	})
	if err != nil {
		return fmt.Errorf("domains: %w", err)
	}
	for _, p := range due {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var held bool
		err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
			o, err := s.d.Orgs.Get(ctx, tx, p.OrgID)
			held = err == nil && o.HasDomain(p.Name)
			return err
		})
		if err != nil {
			return err
		}
		if !held { // a file took it away: only a new look by somebody brings it back
			err = s.d.DB.Write(ctx, func(tx *store.Tx) error { return updateForgotten(ctx, tx, p) })
		} else {
			_, err = s.settle(ctx, audit.Actor{Kind: audit.System}, p, s.look(ctx, p))
		}
		if err != nil && !problem.Has(err, problem.NotFound) {
			return fmt.Errorf("domain %s: %w", p.Name, err)
		}
	}
	return nil
}

func (s *Service) record(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, outcome audit.Outcome, reason, name string) error {
	return s.d.Audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.OrganizationChanged, Org: orgID, Outcome: outcome, Reason: reason, Detail: map[string]string{"domain": name},
	})
}

// normal is a domain as it is compared: without a dot at its end, in lower case.
func normal(name string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
}
