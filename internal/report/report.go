package report

import (
	"context"
	"errors"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/store"
)

// Deps is what the room needs.
type Deps struct {
	DB    *store.DB
	Audit *audit.Service
	Orgs  *org.Service
	// Roster has the lists of directories that cannot be listed at once.
	Roster *roster.Service
	// Directories opens the directory of an organization as it is configured now.
	Directories func(o *org.Organization) (directory.Directory, error)
}

// Service counts.
type Service struct{ d Deps }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Audit == nil || d.Orgs == nil || d.Roster == nil || d.Directories == nil {
		return nil, errors.New("report: DB, Audit, Orgs, Roster and Directories are needed")
	}
	return &Service{d}, nil
}

// Day is a day of UTC, in days since 1970-01-01.
type Day int64

const day = 24 * time.Hour

// DayOf is the day of a time.
func DayOf(t time.Time) Day { return Day(t.Unix() / int64(day/time.Second)) }

// Time is when the day begins.
func (d Day) Time() time.Time { return time.Unix(int64(d)*int64(day/time.Second), 0).UTC() }

// String is the day as 2026-11-25.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// Run brings the counts of what happened up to the end of the log. It is called
// again and again; each batch is one transaction.
func (s *Service) Run(ctx context.Context) error {
	for {
		n, err := s.count(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
}
