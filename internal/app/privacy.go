package app

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/directory"
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
	err := a.Privacy.Erase(ctx, operator, p.Org, p.Account)
	if problem.Has(err, problem.NotFound) {
		return errors.New("somebody else erased them at the same moment")
	}
	return err
}
