package app

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/privacy"
	"kunci.dev/kunci/internal/problem"
)

// ExportPerson gives everything that is kept of a person.
func (a *App) ExportPerson(ctx context.Context, p Person) (privacy.PersonData, error) {
	return a.Privacy.Export(ctx, operator, p.Org, p.Account)
}

// ErasePerson drops everything of a person for good; typed is the user ID again.
func (a *App) ErasePerson(ctx context.Context, p Person, typed string) error {
	userID := p.Account.Entry.UserID
	if p.Role != "" {
		return fmt.Errorf("%s is an administrator (%s) in the organization's file, which would name them still; take them out there and run: kunci org apply", userID, p.Role)
	}
	if directory.NormalizeUserID(typed) != directory.NormalizeUserID(userID) {
		return fmt.Errorf("nothing was erased: there is no way back, so repeat the user ID: --confirm %s", userID)
	}
	return a.erase(ctx, p.Org, p.Account)
}

// EraseLeft drops everything of a person whom the directory has no more, by the
// identifier of the account, which events have as their target.
func (a *App) EraseLeft(ctx context.Context, slug, id, typed string) error {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return err
	}
	left, err := a.Accounts.Left(ctx, o, id)
	switch {
	case problem.Has(err, problem.Conflict):
		return fmt.Errorf("the directory of %s still has this person; name the user ID, without --left", slug)
	case problem.Has(err, problem.NotFound):
		return fmt.Errorf("%s has no account with the identifier %q", slug, id)
	case problem.Has(err, problem.DirectoryUnavailable):
		return fmt.Errorf("the directory of %s does not answer; try again", slug)
	case err != nil:
		return err
	}
	if typed != id {
		return fmt.Errorf("nothing was erased: there is no way back, so repeat the identifier: --confirm %s", id)
	}
	return a.erase(ctx, o, left)
}

func (a *App) erase(ctx context.Context, o *org.Organization, of account.Account) error {
	err := a.Privacy.Erase(ctx, operator, o, of)
	if problem.Has(err, problem.NotFound) {
		return errors.New("somebody else erased them at the same moment")
	}
	return err
}
