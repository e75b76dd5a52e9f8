package admin

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// importJob goes on with an import for a while, then enqueues the next run.
const importJob = "bulk.import"

type importPayload struct {
	Org string `json:"org"`
	ID  string `json:"id"`
}

// guard tells whom a file of this authority may change: nobody at or above their
// own rank (an owner: everybody else) and never themselves, neither as they are
// nor as the row would make them.
func (a Authority) guard(o *org.Organization, own string) account.Guard {
	if a.operator() {
		return nil
	}
	return func(userID string, groups []string) bool {
		if own != "" && directory.NormalizeUserID(userID) == directory.NormalizeUserID(own) {
			return false
		}
		target, _ := o.RoleOf(userID, groups)
		return a.refuse(ImportPeople, "somebody else", target) == nil
	}
}

// ReceiveImport takes in an account file and checks it; a job then counts what it
// would change. Problems: Forbidden and those of account.Receive.
func (s *Service) ReceiveImport(ctx context.Context, as Authority, o *org.Organization, r io.Reader, format account.Format) (account.Bulk, error) {
	if !as.May(ImportPeople) {
		return account.Bulk{}, problem.New(problem.Forbidden)
	}
	return s.d.Accounts.Receive(ctx, o, as.By, r, format, as.guard(o, as.By.UserID), func(tx *store.Tx, id string) error {
		return s.enqueueImport(ctx, tx, o.ID, id)
	})
}

func (s *Service) enqueueImport(ctx context.Context, tx *store.Tx, orgID, id string) error {
	return s.d.Jobs.Enqueue(ctx, tx, importJob, importPayload{orgID, id})
}

// ResumeImports gives imports that stand still to the queue again.
func (s *Service) ResumeImports(ctx context.Context, tx *store.Tx) error {
	return s.d.Accounts.ResumeBulk(ctx, tx, func(tx *store.Tx, orgID, id string) error { return s.enqueueImport(ctx, tx, orgID, id) })
}

// ApplyImport says yes to a checked import. Whoever says it is who changes the
// people: only the one who brought the file, or somebody with every right of theirs.
// Problems: Forbidden and those of account.Decide.
func (s *Service) ApplyImport(ctx context.Context, as Authority, o *org.Organization, id string, skipBad bool) error {
	b, err := s.Import(ctx, as, o, id)
	if err != nil {
		return err
	}
	if b.By != as.By.Account && as.Role != org.Owner && !as.operator() {
		return problem.New(problem.Forbidden)
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.d.Accounts.Decide(ctx, tx, o.ID, id, skipBad); err != nil {
			return err
		}
		return s.enqueueImport(ctx, tx, o.ID, id)
	})
}

// CancelImport ends a live import; batches that were applied stay.
func (s *Service) CancelImport(ctx context.Context, as Authority, o *org.Organization, id string) error {
	if !as.May(ImportPeople) {
		return problem.New(problem.Forbidden)
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error { return s.d.Accounts.Cancel(ctx, tx, o.ID, id) })
}

// Import gives one import.
func (s *Service) Import(ctx context.Context, as Authority, o *org.Organization, id string) (account.Bulk, error) {
	if !as.May(ImportPeople) {
		return account.Bulk{}, problem.New(problem.Forbidden)
	}
	return s.d.Accounts.Bulk(ctx, o.ID, id)
}

// HandleImports registers the job. Call it before the queue starts.
func (s *Service) HandleImports() {
	s.d.Jobs.Handle(importJob, s.workImport)
	s.d.Jobs.OnGiveUp(importJob, func(ctx context.Context, j jobs.Job, _ error) {
		var p importPayload
		if json.Unmarshal(j.Payload, &p) == nil {
			_ = s.d.Accounts.Fail(ctx, p.Org, p.ID) // it is told in the log that the job was given up; the next upload ends it too
		}
	})
}

func (s *Service) workImport(ctx context.Context, j jobs.Job) error {
	var p importPayload
	if err := json.Unmarshal(j.Payload, &p); err != nil {
		return jobs.Discard(err)
	}
	var o *org.Organization
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = s.d.Orgs.Get(ctx, tx, p.Org)
		return err
	})
	if err != nil {
		return err
	}
	b, err := s.d.Accounts.Bulk(ctx, o.ID, p.ID)
	if err != nil {
		return jobs.Discard(err)
	}
	as, own, err := s.authorityNow(ctx, o, b.By)
	if err != nil {
		return err
	}
	if !as.May(ImportPeople) { // they lost the role since
		return s.d.Accounts.Fail(ctx, o.ID, b.ID)
	}
	return s.d.Accounts.Work(ctx, o, as.By, b.ID, as.guard(o, own), func(tx *store.Tx) error {
		return s.enqueueImport(ctx, tx, o.ID, b.ID)
	})
}

// authorityNow is what somebody who began an import may at this moment; nothing
// for those who are gone.
func (s *Service) authorityNow(ctx context.Context, o *org.Organization, by string) (as Authority, own string, err error) {
	as.By = audit.Actor{Kind: audit.Admin, Account: by}
	if id, ok := strings.CutPrefix(by, audit.ByKey); ok {
		err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
			k, _, err := selectKey(ctx, tx, id)
			if err == nil && k.OrgID == o.ID && k.Lives(tx.Now()) {
				as.Role, as.By.UserID = k.Role, k.Name
			}
			return err
		})
		return as, "", err
	}
	a, err := s.d.Accounts.Load(ctx, o, by)
	if problem.Has(err, problem.NotFound) || err == nil && a.Entry.Disabled {
		return as, "", nil
	}
	if err != nil {
		return as, "", err
	}
	as.Role, _ = o.RoleOf(a.Entry.UserID, a.Entry.Groups)
	as.By.UserID = a.Entry.UserID
	return as, a.Entry.UserID, nil
}
