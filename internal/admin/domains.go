package admin

import (
	"context"

	"kunci.dev/kunci/internal/org"
)

// domainCounter is a directory that can count the user IDs of a domain.
type domainCounter interface {
	CountIn(ctx context.Context, domain string) (int, error)
}

// PeopleIn is how many people would lose their way in if an organization gave a
// domain up, and whether that can be told: a directory of somebody else's is not
// counted.
func (s *Service) PeopleIn(ctx context.Context, o *org.Organization, domain string) (n int, known bool, err error) {
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return 0, false, err
	}
	counter, known := d.(domainCounter)
	if !known {
		return 0, false, nil
	}
	n, err = counter.CountIn(ctx, domain)
	return n, true, err
}
