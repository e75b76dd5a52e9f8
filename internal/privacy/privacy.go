package privacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// Keep is how many days what is kept longest is kept; 0: for ever.
type Keep struct {
	// Events is what identifies people in events, counted from the end of the month.
	Events int
	// Requests are those that are done.
	Requests int
}

// Deps is what the room needs.
type Deps struct {
	DB         *store.DB
	Audit      *audit.Service
	Accounts   *account.Service
	Methods    *method.Service
	Sessions   *session.Service
	Challenges *challenge.Service
	Provider   *provider.Service
	Reset      *reset.Service
	Helpdesk   *helpdesk.Service
	Notify     *notify.Service
	Roster     *roster.Service
	Log        *slog.Logger
	Keep       Keep
}

// Service shows, erases and forgets.
type Service struct{ d Deps }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Audit == nil || d.Accounts == nil || d.Methods == nil || d.Sessions == nil || d.Challenges == nil || d.Provider == nil ||
		d.Reset == nil || d.Helpdesk == nil || d.Notify == nil || d.Roster == nil || d.Log == nil {
		return nil, errors.New("privacy: a part is missing")
	}
	return &Service{d}, nil
}

// Erase drops everything of a person. Problem NotFound: somebody else did it in between.
func (s *Service) Erase(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account) error {
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.d.Accounts.Erase(ctx, tx, o, a); err != nil {
			return err
		}
		for _, erase := range []func(ctx context.Context, tx *store.Tx, orgID, accountID string) error{
			s.d.Sessions.Erase, s.d.Challenges.Erase, s.d.Reset.Erase, s.d.Methods.Erase, s.d.Helpdesk.Erase, s.d.Notify.Erase,
		} {
			if err := erase(ctx, tx, o.ID, a.ID); err != nil {
				return err
			}
		}
		if _, err := s.d.Provider.Release(ctx, tx, o.ID, a.ID); err != nil {
			return err
		}
		if err := s.d.Roster.Erase(ctx, tx, o.ID, a.Entry.Key); err != nil {
			return err
		}
		return s.d.Audit.Erase(ctx, tx, by, o.ID, a.ID)
	})
	if err != nil {
		return fmt.Errorf("erase a person: %w", err)
	}
	return s.d.DB.Scrub(ctx)
}

// AskErasure sends the organization's helpdesk a request of somebody who wants to be
// erased. A second one within a day says no more than the first. Problem TooLong.
func (s *Service) AskErasure(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, message string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return s.d.Helpdesk.Open(ctx, tx, by, helpdesk.In{
			Org: o, AccountID: a.ID, UserID: a.Entry.UserID, Problem: helpdesk.ProblemErasure, Message: message,
		})
	})
}

// steps bounds how many rows one transaction drops, turn one run: a queue's job has 20 seconds.
const (
	steps = 500
	turn  = 10 * time.Second
)

// Run drops what is older than it is kept. It is called again and again; what it
// does not reach waits for the next time.
func (s *Service) Run(ctx context.Context) error {
	end := time.Now().Add(turn)
	by := audit.Actor{Kind: audit.System}
	for _, what := range []struct {
		name string
		days int
		drop func(tx *store.Tx, before time.Time) (int, error)
	}{
		{"people in events", s.d.Keep.Events, func(tx *store.Tx, before time.Time) (int, error) {
			return s.d.Audit.EraseBefore(ctx, tx, by, before, steps)
		}},
		{"requests", s.d.Keep.Requests, func(tx *store.Tx, before time.Time) (int, error) {
			return s.d.Helpdesk.EraseResolved(ctx, tx, before, steps)
		}},
	} {
		all := 0
		for what.days > 0 && time.Now().Before(end) {
			n := 0
			err := s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
				n, err = what.drop(tx, tx.Now().AddDate(0, 0, -what.days))
				return err
			})
			if err != nil {
				return fmt.Errorf("erase old %s: %w", what.name, err)
			}
			if all += n; n < steps {
				break
			}
		}
		if all > 0 {
			s.d.Log.Info("erased what was older than it is kept", "what", what.name, "days", what.days, "count", all)
		}
	}
	return nil
}
