package admin

import (
	"context"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// Sessions gives in how many browsers a person is signed in, the last used first
// (ASVS 7.4.5). Problem Forbidden.
func (s *Service) Sessions(ctx context.Context, as Authority, o *org.Organization, p Person) (all []session.Session, err error) {
	if err := s.mayLook(as, o, p, RevokeSessions); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = s.d.Sessions.Living(ctx, tx, o.ID, p.Account.ID)
		return err
	})
	return all, err
}

// EndSession signs a person out in one browser. Problems: Forbidden, CallerUnverified,
// NotFound.
func (s *Service) EndSession(ctx context.Context, as Authority, o *org.Organization, p Person, id string) error {
	if err := s.mayAct(ctx, as, o, p, RevokeSessions); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return s.d.Sessions.EndOf(ctx, tx, as.By, o.ID, p.Account.ID, id)
	})
}

// DeletedFactor stands for a method that proved a session and is gone.
const DeletedFactor = "deleted"

// FactorOf is the kind of method that a session of the person was proved with;
// session.ByProvider and DeletedFactor are possible, empty: nothing was.
func (p Person) FactorOf(s session.Session) string {
	if s.FactorID == "" || s.FactorID == session.ByProvider {
		return s.FactorID
	}
	for _, m := range p.Methods {
		if m.ID == s.FactorID {
			return string(m.Kind)
		}
	}
	return DeletedFactor
}
