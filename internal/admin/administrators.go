package admin

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Grant gives an account, or everybody in a group of the directory, a role, in the
// place of the one it has. Only owners may, with a second factor proved moments ago;
// a key grants and revokes every role but owner (decision 0037). Nobody changes
// their own role, neither by name nor through a group that they are in. The other
// owners are told by mail. Problems: Forbidden, StepUp, UserUnknown, BadInput,
// Conflict, LastOwner, config.Faults, DirectoryUnavailable.
func (s *Service) Grant(ctx context.Context, as Authority, o *org.Organization, a org.Administrator, version int64) error {
	a.UserID, a.Group = strings.TrimSpace(a.UserID), strings.TrimSpace(a.Group)
	switch {
	case !as.May(ManageAdministrators):
		return problem.New(problem.Forbidden)
	case (a.UserID == "") == (a.Group == ""):
		return problem.New(problem.BadInput).On("user_id")
	case !slices.Contains(org.Roles, a.Role):
		return problem.New(problem.BadInput).On("role")
	}
	account := ""
	if a.UserID != "" {
		found, err := s.d.Accounts.Find(ctx, o, a.UserID)
		if problem.Has(err, problem.NotFound) {
			return problem.New(problem.UserUnknown).On("user_id")
		}
		if err != nil {
			return err
		}
		// As the directory calls the person: that is what roles are compared with.
		a.UserID, account = found.Entry.UserID, found.ID
	}
	return s.setAdministrator(ctx, as, o, a, account, version)
}

// Revoke takes a role away from the administrator of an ID. Problems: those of
// Grant; NotFound where there is none.
func (s *Service) Revoke(ctx context.Context, as Authority, o *org.Organization, id string, version int64) error {
	if !as.May(ManageAdministrators) {
		return problem.New(problem.Forbidden)
	}
	a, ok := o.Administrator(id)
	if !ok {
		return problem.New(problem.NotFound)
	}
	account := ""
	if a.UserID != "" {
		found, err := s.d.Accounts.Find(ctx, o, a.UserID)
		switch {
		case err == nil:
			account = found.ID
		case !problem.Has(err, problem.NotFound): // somebody who has left loses the role all the same
			return err
		}
	}
	a.Role = ""
	return s.setAdministrator(ctx, as, o, a, account, version)
}

func (s *Service) setAdministrator(ctx context.Context, as Authority, o *org.Organization, a org.Administrator, account string, version int64) error {
	if err := s.mayAdminister(ctx, as, o, a); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		before, err := s.d.Orgs.Get(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		// mayAdminister judged this version and no other.
		if before.Version != version || o.Version != version {
			return problem.New(problem.Conflict)
		}
		if err := s.d.Orgs.SetAdministrator(ctx, tx, as.By, o.ID, a, account, version); err != nil {
			return err
		}
		after, err := s.d.Orgs.Get(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		return s.TellOwners(ctx, tx, as.By, before, after)
	})
}

// mayAdminister judges who changes whose role.
func (s *Service) mayAdminister(ctx context.Context, as Authority, o *org.Organization, a org.Administrator) error {
	if as.operator() {
		return nil
	}
	had, _ := o.Named(a)
	refused := problem.New(problem.Forbidden)
	if max(rank(a.Role), rank(had.Role)) > rank(as.Role) {
		return refused
	}
	if strings.HasPrefix(as.By.Account, audit.ByKey) {
		if a.Role == org.Owner || had.Role == org.Owner {
			return refused
		}
		return nil
	}
	if as.By.Account == "" || as.By.UserID == "" {
		return refused
	}
	self, err := s.d.Accounts.Find(ctx, o, as.By.UserID)
	if err != nil {
		return err
	}
	named := org.Administrator{UserID: self.Entry.UserID}
	was, _ := o.RoleOf(self.Entry.UserID, self.Entry.Groups)
	is, _ := o.With(a).RoleOf(self.Entry.UserID, self.Entry.Groups)
	switch {
	case a.UserID != "" && named.ID() == a.ID(), was != is:
		return refused
	case !as.Fresh:
		return problem.New(problem.StepUp)
	}
	return nil
}

// TellOwners writes to every owner that is named, before or after, whose role
// changed, and that the directory is connected in another way; not to whoever did it.
func (s *Service) TellOwners(ctx context.Context, tx *store.Tx, by audit.Actor, before, after *org.Organization) error {
	var changed []org.Administrator // with the role of afterwards
	for _, a := range after.Administrators {
		if had, _ := before.Named(a); had.Role != a.Role {
			changed = append(changed, a)
		}
	}
	for _, a := range before.Administrators {
		if _, still := after.Named(a); !still {
			a.Role = ""
			changed = append(changed, a)
		}
	}
	connection := slices.ContainsFunc(org.Difference(before, after), func(c org.Change) bool { return strings.HasPrefix(c.Key, "directory.") }) ||
		!bytes.Equal(before.Kept, after.Kept)
	told := make(map[string]bool)
	for _, owner := range slices.Concat(before.Administrators, after.Administrators) {
		if owner.Role != org.Owner || told[owner.ID()] || !strings.Contains(owner.UserID, "@") || strings.EqualFold(owner.UserID, by.UserID) {
			continue
		}
		told[owner.ID()] = true
		if connection {
			_, err := s.d.Messages.Queue(ctx, tx, notify.Message{
				Org: after, To: owner.UserID, Lang: after.Language,
				Body: notify.DirectoryNotice{
					Servers: after.Directory.URLs, By: by.UserID, IP: by.IP, Browser: by.UserAgent, SupportCode: by.Correlation, At: tx.Now(),
				},
			})
			if err != nil && !errors.Is(err, problem.New(problem.EmailInvalid)) {
				return err
			}
		}
		for _, a := range changed {
			_, err := s.d.Messages.Queue(ctx, tx, notify.Message{
				Org: after, To: owner.UserID, Lang: after.Language,
				Body: notify.RoleNotice{
					Who: a.UserID, Group: a.Group, Role: string(a.Role), By: by.UserID, IP: by.IP, Browser: by.UserAgent,
					SupportCode: by.Correlation, At: tx.Now(),
				},
			})
			// A user ID that is no mailbox is no reason to refuse the change.
			if err != nil && !errors.Is(err, problem.New(problem.EmailInvalid)) {
				return err
			}
		}
	}
	return nil
}
