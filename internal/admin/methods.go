package admin

import (
	"context"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// Contacts gives the addresses and numbers of a person that count, in the order
// they were added. Whoever may see them whole gets them whole, which is recorded;
// for others Value is empty. Problem Forbidden.
func (s *Service) Contacts(ctx context.Context, as Authority, o *org.Organization, p Person, kinds ...method.Kind) (all []Method, err error) {
	for _, m := range p.Methods {
		for _, k := range kinds {
			if m.Kind == k && m.Proved && Private(m.Method) {
				all = append(all, m)
			}
		}
	}
	if len(all) == 0 || s.mayLook(as, o, p, SeeValues) != nil {
		return all, nil
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		for i, m := range all {
			whole, err := s.d.Methods.Get(ctx, tx, o.ID, p.Account.ID, m.ID)
			if err != nil {
				return err
			}
			err = s.d.Audit.Record(ctx, tx, as.By, audit.Event{
				Kind: audit.ExportCreated, Org: o.ID, Target: p.Account.ID, TargetUserID: p.Account.Entry.UserID,
				Outcome: audit.Success, Reason: "method-value", MethodID: m.ID, MethodKind: string(m.Kind),
			})
			if err != nil {
				return err
			}
			all[i].Value = whole.Value
		}
		return nil
	})
	return all, err
}

// AddMethod registers an address or number for a person. Problems: Forbidden,
// CallerUnverified and those of securityinfo.Enter.
func (s *Service) AddMethod(ctx context.Context, as Authority, o *org.Organization, p Person, k method.Kind, value string) (method.Method, error) {
	if err := s.mayAct(ctx, as, o, p, ManageMethods); err != nil {
		return method.Method{}, err
	}
	return s.d.SecurityInfo.Enter(ctx, as.By, o, p.Account, k, value)
}

// ChangeMethod gives a person's method another address or number. Problems:
// Forbidden, CallerUnverified and those of securityinfo.Exchange.
func (s *Service) ChangeMethod(ctx context.Context, as Authority, o *org.Organization, p Person, id, value string) (method.Method, error) {
	if err := s.mayAct(ctx, as, o, p, ManageMethods); err != nil {
		return method.Method{}, err
	}
	return s.d.SecurityInfo.Exchange(ctx, as.By, o, p.Account, id, value)
}

// DeleteMethod takes a method of a person away, or makes final that the person did;
// RestoreMethod brings it back, and its person does not. Problems: Forbidden,
// CallerUnverified, NotFound.
func (s *Service) DeleteMethod(ctx context.Context, as Authority, o *org.Organization, p Person, id string) error {
	if err := s.mayAct(ctx, as, o, p, ManageMethods); err != nil {
		return err
	}
	return s.d.SecurityInfo.Withdraw(ctx, as.By, o, p.Account, id)
}

// RestoreMethod brings back what the person or an administrator deleted. Problems:
// Forbidden, CallerUnverified and those of securityinfo.Restore.
func (s *Service) RestoreMethod(ctx context.Context, as Authority, o *org.Organization, p Person, id string) error {
	if err := s.mayAct(ctx, as, o, p, ManageMethods); err != nil {
		return err
	}
	return s.d.SecurityInfo.Restore(ctx, as.By, o, p.Account, id)
}
