package org

import (
	"context"
	"slices"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// DomainTaken is the code of the fault of a domain that is another organization's.
// Whose it is, it does not say.
const DomainTaken = "domain_taken"

// IsDomain tells whether a text is a domain as it is kept: ASCII, in lower case.
func IsDomain(name string) bool { return len(name) <= 253 && domainForm.MatchString(name) }

// AddDomain gives an organization a domain that it has proved, whatever version it
// is at, and tells what it is then. Problems: NotFound; config.Faults, with DomainTaken where the
// domain is another's.
func (s *Service) AddDomain(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, domain string) (*Organization, error) {
	o, err := s.Get(ctx, tx, orgID)
	if err != nil {
		return nil, err
	}
	if err := tx.Lock(ctx, "org:"+o.Slug); err != nil {
		return nil, err
	}
	if o, err = s.Get(ctx, tx, orgID); err != nil {
		return nil, err
	}
	err = s.edit(ctx, tx, by, orgID, o.Version, func(d *Document) error {
		if !slices.Contains(d.Domains, domain) {
			d.Domains = append(d.Domains, domain)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, tx, orgID)
}

// RemoveDomain takes a domain away while the organization is at the expected
// version: from then on its user IDs lead nowhere. Problems: Conflict, NotFound;
// config.Faults where it is the last, or administrators are in it.
func (s *Service) RemoveDomain(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, domain string, expectedVersion int64) error {
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		i := slices.Index(d.Domains, domain)
		if i < 0 {
			return problem.New(problem.NotFound)
		}
		d.Domains = slices.Delete(d.Domains, i, i+1)
		return nil
	})
}
