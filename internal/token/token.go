package token

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Deps is what the room needs.
type Deps struct {
	DB         *store.DB
	Accounts   *account.Service
	Methods    *method.Service
	Challenges *challenge.Service
	Audit      *audit.Service
	Messages   challenge.Messages
}

// Service hands out tokens.
type Service struct{ d Deps }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	for name, missing := range map[string]bool{
		"database": d.DB == nil, "accounts": d.Accounts == nil, "methods": d.Methods == nil,
		"challenges": d.Challenges == nil, "audit log": d.Audit == nil, "messages": d.Messages == nil,
	} {
		if missing {
			return nil, errors.New("token: no " + name)
		}
	}
	return &Service{d}, nil
}

// List gives the tokens of an organization by serial number.
func (s *Service) List(ctx context.Context, o *org.Organization) (all []method.Token, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = s.d.Methods.Tokens(ctx, tx, o.ID, "")
		return err
	})
	return all, err
}

// change runs do with the token of a serial number.
func (s *Service) change(ctx context.Context, o *org.Organization, serial string, do func(tx *store.Tx, t method.Token) error) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "tokens:"+o.ID); err != nil {
			return fmt.Errorf("lock tokens: %w", err)
		}
		t, err := s.d.Methods.TokenBySerial(ctx, tx, o.ID, serial)
		if err != nil {
			return err
		}
		return do(tx, t)
	})
}

// Assign hands a token to somebody. Handing it to who has it changes nothing.
// Problems: NotFound (no such serial number), Conflict (somebody else's),
// Forbidden (nobody hands themselves a token).
func (s *Service) Assign(ctx context.Context, by audit.Actor, o *org.Organization, serial string, a account.Account) error {
	if by.Account != "" && by.Account == a.ID {
		return problem.New(problem.Forbidden)
	}
	return s.change(ctx, o, serial, func(tx *store.Tx, t method.Token) error {
		if t.AccountID == a.ID {
			return nil
		}
		if err := s.d.Methods.AssignToken(ctx, tx, o.ID, t.ID, a.ID); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.MethodChanged, "token_assigned", t, a)
	})
}

// Take takes a token back. Its person can no longer prove anything with it, and
// is told when they could. Problems: NotFound, Conflict (nobody has it).
func (s *Service) Take(ctx context.Context, by audit.Actor, o *org.Organization, serial string) error {
	var holder account.Account
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		t, err := s.d.Methods.TokenBySerial(ctx, tx, o.ID, serial)
		holder.ID = t.AccountID
		return err
	})
	if err != nil {
		return err
	}
	if holder.ID == "" {
		return problem.New(problem.Conflict)
	}
	known, err := s.d.Accounts.Load(ctx, o, holder.ID)
	switch {
	case err == nil:
		holder = known
	case !problem.Has(err, problem.NotFound): // of somebody who left it is taken back all the same
		return err
	}
	return s.change(ctx, o, serial, func(tx *store.Tx, t method.Token) error {
		if t.AccountID != holder.ID {
			return problem.New(problem.Conflict)
		}
		if err := challenge.Lock(ctx, tx, o.ID, t.AccountID); err != nil {
			return err
		}
		if err := s.d.Methods.TakeToken(ctx, tx, t); err != nil {
			return err
		}
		if t.Active {
			if err := s.tell(ctx, tx, by, o, notify.MethodDeleted, holder, t); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, by, audit.MethodDeleted, "token_taken", t, holder)
	})
}

// Drop forgets a token that nobody has. Problems: NotFound, Conflict.
func (s *Service) Drop(ctx context.Context, by audit.Actor, o *org.Organization, serial string) error {
	return s.change(ctx, o, serial, func(tx *store.Tx, t method.Token) error {
		if err := s.d.Methods.DropToken(ctx, tx, o.ID, t.ID); err != nil {
			return err
		}
		return s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.DirectoryChanged, Org: o.ID, Outcome: audit.Success, Reason: "token_dropped", MethodKind: string(method.HardwareToken),
			Detail: map[string]string{"serial": t.Serial},
		})
	})
}

func (s *Service) record(ctx context.Context, tx *store.Tx, by audit.Actor, kind audit.Kind, reason string, t method.Token, a account.Account) error {
	return s.d.Audit.Record(ctx, tx, by, audit.Event{
		Kind: kind, Org: t.OrgID, Target: a.ID, TargetUserID: a.Entry.UserID, Outcome: audit.Success, Reason: reason,
		MethodID: t.MethodID, MethodKind: string(method.HardwareToken), Detail: map[string]string{"serial": t.Serial},
	})
}

// tell writes to every address of the person.
func (s *Service) tell(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, action string, a account.Account, t method.Token) error {
	all, err := s.d.Methods.List(ctx, tx, o.ID, a.ID)
	if err != nil {
		return err
	}
	for _, to := range all {
		if to.Kind != method.Email || !to.Proved {
			continue
		}
		_, err := s.d.Messages.Queue(ctx, tx, notify.Message{
			Org: o, AccountID: a.ID, To: to.Value, Lang: a.Entry.Language, Key: "token:" + action + ":" + t.ID + ":" + store.NewID(),
			Body: notify.MethodNotice{
				Action: action, Kind: string(method.HardwareToken), UserID: a.Entry.UserID, SupportCode: by.Correlation, At: tx.Now(),
			},
		})
		if err != nil {
			return fmt.Errorf("tell about a token: %w", err)
		}
	}
	return nil
}
