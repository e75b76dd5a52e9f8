package admin

import (
	"context"
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
	if o.Directory.Kind != org.LDAP {
		return nil, problem.New(problem.NotFound)
	}
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
