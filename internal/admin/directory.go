package admin

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// trialsOf is how many connections an organization may try: each signs in at
// servers that somebody typed, and a wrong password counts there.
var trialsOf = throttle.Limit{Limit: 10, Per: 10 * time.Minute}

// longestTrial is how long a trial may take, of all its servers.
const longestTrial = 25 * time.Second

// DirectoryState is an organization's directory as its administrators see it.
type DirectoryState struct {
	ldap.State
	Figures report.Registration
	List    roster.Status
}

// Directory tells how an organization's directory is configured and how its
// servers are. The account that Kunci signs in with is told only to those who may
// try a connection; files of the server are told to nobody. Problem Forbidden.
func (s *Service) Directory(ctx context.Context, as Authority, o *org.Organization) (DirectoryState, error) {
	if !as.May(SeeDirectory) {
		return DirectoryState{}, problem.New(problem.Forbidden)
	}
	state := DirectoryState{State: ldap.State{Set: o.Directory}}
	var err error
	if o.Directory.Kind == org.LDAP {
		if state.State, err = s.d.LDAP.State(o); err != nil {
			return DirectoryState{}, err
		}
	}
	if !as.May(TestDirectory) {
		state.Set.BindDN = ""
	}
	state.Set.BindPasswordFile = ""
	if state.Figures, err = s.d.Report.Registration(ctx, o); err != nil {
		return DirectoryState{}, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		state.List, err = s.d.Roster.Status(ctx, tx, o)
		return err
	})
	return state, err
}

// SyncDirectory has the list of a directory read at once, by a node. Problems:
// Forbidden, Conflict where no list is asked for.
func (s *Service) SyncDirectory(ctx context.Context, as Authority, o *org.Organization) error {
	if !as.May(TestDirectory) {
		return problem.New(problem.Forbidden)
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.d.Roster.Request(ctx, tx, o); err != nil {
			return err
		}
		return s.d.Audit.Record(ctx, tx, as.By, audit.Event{Kind: audit.DirectoryTested, Org: o.ID, Outcome: audit.Success, Reason: "list-asked"})
	})
}

// TestDirectory tries a connection to a directory and keeps nothing of it but
// that it was tried. Problems: those of ldap.Service.Try, Forbidden, Blocked,
// TooLong.
func (s *Service) TestDirectory(ctx context.Context, as Authority, o *org.Organization, t ldap.Trial) ([]ldap.Finding, error) {
	if !as.May(TestDirectory) {
		return nil, problem.New(problem.Forbidden)
	}
	return s.tryDirectory(ctx, as, o, t)
}

func (s *Service) tryDirectory(ctx context.Context, as Authority, o *org.Organization, t ldap.Trial) ([]ldap.Finding, error) {
	for field, text := range map[string]string{"bind_dn": t.BindDN, "base_dn": t.BaseDN, "bind_password": t.Password, "sample": t.Sample} {
		if len(text) > 1024 {
			return nil, problem.New(problem.TooLong).On(field)
		}
	}
	event := audit.Event{
		Kind: audit.DirectoryTested, Org: o.ID, Outcome: audit.Success, Reason: "administrator",
		Detail: map[string]string{"servers": strings.Join(t.URLs, " "), "stored_password": strconv.FormatBool(t.Password == "")},
	}
	if t.Password == "" && !t.Stored(o.Directory) {
		event.Outcome, event.Reason = audit.Denied, "password-needed"
	}
	var verdict throttle.Verdict
	err := s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		// Too many is a result, and its count is kept. What is tried is recorded
		// before anything is connected to.
		if verdict, err = throttle.Take(ctx, tx, "directory-test:"+o.ID, trialsOf); err != nil || !verdict.Allowed {
			return err
		}
		return s.d.Audit.Record(ctx, tx, as.By, event)
	})
	if err != nil {
		return nil, err
	}
	if !verdict.Allowed {
		return nil, problem.New(problem.Blocked).After(verdict.RetryAfter)
	}
	ctx, cancel := context.WithTimeout(ctx, longestTrial)
	defer cancel()
	return s.d.LDAP.Try(ctx, o, t)
}

// ConnectDirectory saves a connection that it has just tried itself, while the
// organization is at the version that it was made from (decision 0046). Only owners
// may, with a second factor proved moments ago; whoever does it has to be found in
// the directory, so that nobody shuts themselves out. leaves tells that people may
// leave the accounts behind that they have in Kunci's own database. The other owners
// are told by mail. What was found comes with the refusal DirectoryNotWell too. Problems:
// Forbidden, StepUp, Conflict, DirectoryLeaves, DirectoryNotWell, those of
// TestDirectory.
func (s *Service) ConnectDirectory(ctx context.Context, as Authority, o *org.Organization, t ldap.Trial, leaves bool, version int64) (Connected, error) {
	byKey := strings.HasPrefix(as.By.Account, audit.ByKey)
	switch {
	case !as.May(ConnectDirectory):
		return Connected{}, problem.New(problem.Forbidden)
	case !as.operator() && !byKey && !as.Fresh:
		return Connected{}, problem.New(problem.StepUp)
	case o.Version != version:
		return Connected{}, problem.New(problem.Conflict)
	}
	// What is wrong with the form is said before a word about anything else.
	set, err := t.Configured(o.Directory)
	if err != nil && !problem.Has(err, problem.DirectoryPassword) {
		return Connected{}, err
	}
	if o.Directory.Kind != org.LDAP && !leaves {
		return Connected{}, problem.New(problem.DirectoryLeaves).On("leave_accounts")
	}
	if !byKey {
		t.Sample = as.By.UserID
	}
	found, err := s.tryDirectory(ctx, as, o, t)
	if err != nil {
		return Connected{}, err
	}
	done := Connected{Findings: found}
	if slices.ContainsFunc(found, func(f ldap.Finding) bool { return !f.OK && !f.Warning }) {
		return done, problem.New(problem.DirectoryNotWell)
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		before, err := s.d.Orgs.Get(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		changes, err := s.d.Orgs.SetDirectory(ctx, tx, as.By, o.ID, set, t.Password, version)
		if err != nil {
			return err
		}
		done.Changes = withoutFiles(changes)
		after, err := s.d.Orgs.Get(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		return s.TellOwners(ctx, tx, as.By, before, after)
	})
	return done, err
}

// Connected is a connection that was tried and saved.
type Connected struct {
	Findings []ldap.Finding
	Changes  []org.Change
}

// ConnectionChanges says what saving a connection would change. Problems: those of
// ldap.Trial.Configured.
func ConnectionChanges(o *org.Organization, t ldap.Trial) ([]org.Change, error) {
	set, err := t.Configured(o.Directory)
	if err != nil {
		return nil, err
	}
	after := *o
	after.Directory = set
	return withoutFiles(org.Difference(o, &after)), nil
}

// withoutFiles leaves the names of the operator's files out.
func withoutFiles(changes []org.Change) []org.Change {
	for i, c := range changes {
		if strings.HasSuffix(c.Key, "_file") && strings.HasPrefix(c.Key, "directory.") {
			changes[i].Before, changes[i].After = masked(c.Before), masked(c.After)
		}
	}
	return changes
}

func masked(file string) string {
	if file == "" {
		return ""
	}
	return "…"
}
