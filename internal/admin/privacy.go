package admin

import (
	"context"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/privacy"
	"kunci.dev/kunci/internal/problem"
)

// DataOf gives everything that is kept of a person. Problem Forbidden.
func (s *Service) DataOf(ctx context.Context, as Authority, o *org.Organization, p Person) (privacy.PersonData, error) {
	if err := s.mayLook(as, o, p, ExportPerson); err != nil {
		return privacy.PersonData{}, err
	}
	return s.d.Privacy.Export(ctx, as.By, o, p.Account)
}

// Erase drops everything of a person for good. typed is the user ID again: there is
// no way back. Whoever is an administrator is first taken out of the organization's
// file, which would name them still. Problems: Forbidden, CallerUnverified, BadInput,
// NotFound.
func (s *Service) Erase(ctx context.Context, as Authority, o *org.Organization, p Person, typed string) error {
	if err := s.mayAct(ctx, as, o, p, ErasePerson); err != nil {
		return err
	}
	if !MayBeErased(o, p) {
		return problem.New(problem.Forbidden)
	}
	if directory.NormalizeUserID(typed) != directory.NormalizeUserID(p.Account.Entry.UserID) {
		return problem.New(problem.ConfirmWrong).On("confirm")
	}
	return s.d.Privacy.Erase(ctx, as.By, o, p.Account)
}

// MayBeErased tells whether no file names the person.
func MayBeErased(o *org.Organization, p Person) bool {
	_, named := o.RoleOf(p.Account.Entry.UserID, p.Account.Entry.Groups)
	return !named
}
