package signin

import (
	"context"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// nobodyFor is how long wrong passwords for nobody are remembered. Those of an
// account are until the right one comes; a month of patience tells them apart.
const nobodyFor = 30 * 24 * time.Hour

// Picker lists the accounts that a browser remembers, the last used first.
func (s *Service) Picker(ctx context.Context, token string) ([]session.Account, error) {
	var all []session.Account
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		_, all, err = s.picker(ctx, tx, token)
		return err
	})
	if problem.Has(err, problem.SignedOut) {
		return nil, nil
	}
	return all, err
}

func (s *Service) picker(ctx context.Context, tx *store.Tx, token string) (session.Browser, []session.Account, error) {
	browser, err := s.d.Sessions.Browser(ctx, tx, token)
	if err != nil {
		return browser, nil, err
	}
	all, err := s.d.Sessions.Accounts(ctx, tx, browser.ID)
	return browser, all, err
}

// Pick makes one of the browser's accounts the current one and gives the
// browser's new token; an account that is signed out gives its user ID instead,
// to sign in with. Problem NotFound: the browser does not know this account.
func (s *Service) Pick(ctx context.Context, token, id string) (fresh, userID string, err error) {
	err = s.of(ctx, token, id, func(tx *store.Tx, browser session.Browser, chosen session.Account) error {
		fresh, userID = "", chosen.UserID
		_, err := s.d.Sessions.Choose(ctx, tx, browser.ID, chosen)
		if problem.Has(err, problem.SignedOut) {
			return nil
		}
		if err != nil {
			return err
		}
		userID = ""
		fresh, err = s.d.Sessions.Rotate(ctx, tx, browser.ID)
		return err
	})
	return fresh, userID, err
}

// Forget signs one of the browser's accounts out and removes it. Problem NotFound.
func (s *Service) Forget(ctx context.Context, by audit.Actor, token, id string) error {
	return s.of(ctx, token, id, func(tx *store.Tx, browser session.Browser, chosen session.Account) error {
		if chosen.SessionID != "" {
			if err := s.d.Sessions.End(ctx, tx, ofAccount(by, chosen), chosen.SessionID); err != nil {
				return err
			}
			if err := s.d.Provider.Forget(ctx, tx, chosen.SessionID); err != nil {
				return err
			}
		}
		return s.d.Sessions.Forget(ctx, tx, browser.ID, chosen)
	})
}

func ofAccount(by audit.Actor, a session.Account) audit.Actor {
	by.Kind, by.Account, by.UserID = audit.Person, a.AccountID, a.UserID
	return by
}

func (s *Service) of(ctx context.Context, token, id string, do func(*store.Tx, session.Browser, session.Account) error) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		browser, all, err := s.picker(ctx, tx, token)
		if err != nil {
			return err
		}
		for _, a := range all {
			if a.ID == id {
				return do(tx, browser, a)
			}
		}
		return problem.New(problem.NotFound)
	})
}

// Out is a browser in which somebody signed out.
type Out struct {
	// Token is the browser's new token; empty: nobody knows the browser.
	Token string
	// AtProvider is what the browser keeps of a session that began at an identity
	// provider, where its person may be signed in still; empty: it did not.
	AtProvider string
}

// SignOut ends the current session of a browser, of any level. A browser that nobody
// knows is signed out already. No provider is asked.
func (s *Service) SignOut(ctx context.Context, by audit.Actor, token string) (out Out, err error) {
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		out = Out{}
		browser, err := s.d.Sessions.Browser(ctx, tx, token)
		if problem.Has(err, problem.SignedOut) {
			return nil
		}
		if err != nil {
			return err
		}
		current, err := s.d.Sessions.Get(ctx, tx, browser.Current)
		if err == nil {
			by.Kind, by.Account = audit.Person, current.AccountID
			if err := s.d.Challenges.EndOwner(ctx, tx, current.ID); err != nil {
				return err
			}
			err = s.d.Sessions.End(ctx, tx, by, current.ID)
		}
		if err != nil && !problem.Has(err, problem.SignedOut) {
			return err
		}
		// Also of a session that was over already: they may be signed in there still.
		if out.AtProvider, err = s.d.Provider.Leave(ctx, tx, browser.Current); err != nil {
			return err
		}
		out.Token, err = s.d.Sessions.Rotate(ctx, tx, browser.ID)
		return err
	})
	return out, err
}

// Purge drops what nothing can use any more.
func (s *Service) Purge(ctx context.Context, tx *store.Tx) error {
	if err := purge(ctx, tx, tx.Now().Add(-nobodyFor), tx.Now().Add(-session.Overall)); err != nil {
		return fmt.Errorf("purge sign-ins: %w", err)
	}
	return nil
}
