package admin

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// IssuePass makes a Temporary Access Pass for a person; its code is given once.
// Problems: Forbidden, CallerUnverified, and those of helpdesk.IssuePass.
func (s *Service) IssuePass(ctx context.Context, as Authority, o *org.Organization, p Person, starts time.Time, minutes int, reusable bool) (helpdesk.Pass, error) {
	if err := s.mayAct(ctx, as, o, p, IssuePass); err != nil {
		return helpdesk.Pass{}, err
	}
	return s.d.Helpdesk.IssuePass(ctx, as.By, helpdesk.PassOrder{
		Org: o, Account: p.Account, Starts: starts, Minutes: minutes, Reusable: reusable, Role: as.Role,
	})
}

// Value gives the whole address or number of a method, and records who asked.
// Problems: Forbidden, NotFound.
func (s *Service) Value(ctx context.Context, as Authority, o *org.Organization, p Person, methodID string) (value string, err error) {
	if err := s.mayLook(as, o, p, SeeValues); err != nil {
		return "", err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		m, err := s.d.Methods.Get(ctx, tx, o.ID, p.Account.ID, methodID)
		if err != nil {
			return err
		}
		if !Private(m) {
			return problem.New(problem.NotFound).On("method")
		}
		value = m.Value
		return s.d.Audit.Record(ctx, tx, as.By, audit.Event{
			Kind: audit.ExportCreated, Org: o.ID, Target: p.Account.ID, TargetUserID: p.Account.Entry.UserID,
			Outcome: audit.Success, Reason: "method-value", MethodID: m.ID, MethodKind: string(m.Kind),
		})
	})
	return value, err
}

// Private tells whether a method has a value that lists show masked: an address
// or a number, never a secret.
func Private(m method.Method) bool {
	return m.Kind == method.Email || m.Kind == method.MobilePhone || m.Kind == method.OfficePhone
}

// HasPass tells whether a pass of the person is kept.
func (p Person) HasPass() bool {
	for _, m := range p.Methods {
		if m.Kind == method.TemporaryAccessPass {
			return true
		}
	}
	return false
}

// mayLook asks the table of roles with the role that the person has at this moment.
// It is enough for what only reads, and for finding out who calls; see mayAct.
func (s *Service) mayLook(as Authority, o *org.Organization, p Person, what Action) error {
	role, _ := o.RoleOf(p.Account.Entry.UserID, p.Account.Entry.Groups)
	return as.refuse(what, p.Account.ID, role)
}

// MayOn tells whether the authority may do something to this person.
func (a Authority) MayOn(what Action, p Person) bool {
	return a.refuse(what, p.Account.ID, p.Role) == nil
}
