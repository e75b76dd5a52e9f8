package roster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Source is a directory that can tell who changed since a mark of its own; see
// ldap.Directory.Changes.
type Source interface {
	Changes(ctx context.Context, since string, fn func([]directory.Entry) error) (next string, whole bool, err error)
}

// Deps is what the room needs.
type Deps struct {
	DB   *store.DB
	Orgs *org.Service
	// Directories opens the directory of an organization as it is configured now.
	Directories func(o *org.Organization) (directory.Directory, error)
	Log         *slog.Logger
}

// Service reads lists.
type Service struct {
	d       Deps
	closing chan struct{}
	close   func()
	busy    chan struct{}
	wait    sync.WaitGroup
}

const (
	// atOnce is how many organizations' passes one node runs at a time.
	atOnce = 16
	// hold is how long a pass that says nothing is believed to go on. It says
	// something with every few entries.
	hold = 2 * time.Minute
	// longest bounds a pass.
	longest = 2 * time.Hour
	// wholeAfter is how long changes alone are read.
	wholeAfter = 24 * time.Hour
	// again is how soon a failed pass is tried again, at the latest.
	again = 5 * time.Minute
)

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Orgs == nil || d.Directories == nil || d.Log == nil {
		return nil, errors.New("roster: DB, Orgs, Directories and Log are needed")
	}
	closing := make(chan struct{})
	return &Service{d: d, closing: closing, close: sync.OnceFunc(func() { close(closing) }), busy: make(chan struct{}, atOnce)}, nil
}

// Close ends the passes that this node runs and waits for them.
func (s *Service) Close() {
	s.close()
	s.wait.Wait()
}

// Failure is why a pass ended without a list.
type Failure string

// Failures.
const (
	Unavailable Failure = "unavailable" // the directory did not answer
	Rights      Failure = "rights"      // it gives the service account no list, or not all of it
	Nobody      Failure = "nobody"      // the filter found nobody
	Internal    Failure = "internal"
)

// Status is how an organization's list stands.
type Status struct {
	// On tells that the organization asks for a list, Listed that there is one of
	// the directory as it is configured now.
	On, Listed bool
	Entries    int
	// Began and Ended are those of the last pass that ended well, Whole whether it
	// read everybody.
	Began, Ended time.Time
	Whole        bool
	// Failure is why the last pass failed, at FailedAt; "" after one that ended well.
	Failure  Failure
	FailedAt time.Time
	// Running tells that a pass is under way.
	Running bool
	Due     time.Time
}

// Status tells how the list of an organization stands.
func (s *Service) Status(ctx context.Context, tx *store.Tx, o *org.Organization) (Status, error) {
	if !on(o) {
		return Status{}, nil
	}
	r, err := selectRow(ctx, tx, o.ID)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return Status{}, fmt.Errorf("roster: %w", err)
	}
	return Status{
		On: true, Listed: r.listed(o), Entries: r.entries, Began: r.beganAt, Ended: r.endedAt, Whole: r.wasWhole,
		Failure: r.failure, FailedAt: r.failedAt, Running: r.heldUntil.After(tx.Now()), Due: r.dueAt,
	}, nil
}

func on(o *org.Organization) bool { return o.Directory.Kind == org.LDAP && o.Directory.Sync.On() }

// listed tells whether the rows are those of the directory as it is configured.
func (r row) listed(o *org.Organization) bool {
	of, _, _ := strings.Cut(r.config, " ")
	return !r.wholeAt.IsZero() && of == connection(o)
}

// fingerprint is what a list depends on. Another connection makes another list;
// other administrators have everybody read again.
func fingerprint(o *org.Organization) string { return connection(o) + " " + sum(o.Administrators) }

func connection(o *org.Organization) string {
	c := o.Directory
	c.Sync.Every = 0
	return sum(c)
}

func sum(what any) string {
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // texts and numbers can always be written
	}
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:])
}

// Count is how many are on the list; false where there is none.
func (s *Service) Count(ctx context.Context, tx *store.Tx, o *org.Organization) (int, bool, error) {
	st, err := s.Status(ctx, tx, o)
	return st.Entries, st.Listed, err
}

// Page gives those on the list whose keys come after one, at most limit, in the
// order of their keys. Of an entry only Key, Groups, Disabled, Privileged and
// Source are kept, and UserID of an administrator: it stands in the organization.
func (s *Service) Page(ctx context.Context, tx *store.Tx, o *org.Organization, after string, limit int) ([]directory.Entry, error) {
	all, err := selectPage(ctx, tx, o.ID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return all, nil
}

// Request has the next Run begin a pass, whenever it would have been due. Problem
// Conflict: the organization asks for no list.
func (s *Service) Request(ctx context.Context, tx *store.Tx, o *org.Organization) error {
	if !on(o) {
		return problem.New(problem.Conflict)
	}
	if err := want(ctx, tx, o.ID); err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	return nil
}

// Erase drops the row of somebody who is no more in the directory.
func (s *Service) Erase(ctx context.Context, tx *store.Tx, orgID, key string) error {
	if err := deleteEntry(ctx, tx, orgID, key); err != nil {
		return fmt.Errorf("roster: erase: %w", err)
	}
	return nil
}

// Run begins the passes that are due, the one that waits longest first, and drops
// the lists that nobody asks for any more. It does not wait for a pass: one that
// hangs takes one of a node's places and keeps nobody else. It is called again and
// again.
func (s *Service) Run(ctx context.Context) error {
	var due []waiting
	var dropped []string
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		all, err := s.d.Orgs.List(ctx, tx)
		if err != nil {
			return err
		}
		kept, err := selectRows(ctx, tx)
		if err != nil {
			return err
		}
		for _, o := range all {
			if !on(o) {
				continue
			}
			r := kept[o.ID]
			delete(kept, o.ID)
			if at := r.due(o); !at.After(tx.Now()) && !r.heldUntil.After(tx.Now()) {
				due = append(due, waiting{o, at})
			}
		}
		dropped = slices.Sorted(maps.Keys(kept))
		return nil
	})
	for _, id := range dropped {
		if err == nil {
			err = s.d.DB.Write(ctx, func(tx *store.Tx) error { return deleteList(ctx, tx, id) })
		}
	}
	if err != nil {
		return fmt.Errorf("roster: %w", err)
	}
	slices.SortFunc(due, func(a, b waiting) int { return a.since.Compare(b.since) })
	for _, w := range due {
		select {
		case s.busy <- struct{}{}:
		default:
			return nil // the rest waits for the next time
		}
		s.wait.Go(func() {
			defer func() { <-s.busy }()
			s.begin(ctx, w.of)
		})
	}
	return nil
}

// waiting is an organization whose pass is due.
type waiting struct {
	of    *org.Organization
	since time.Time
}

// due is when the next pass begins: at once where the list is not that of the
// organization as it is now.
func (r row) due(o *org.Organization) time.Time {
	switch next := r.beganAt.Add(o.Directory.Sync.Every); {
	case r.failure != "":
		return r.dueAt
	case r.config != fingerprint(o):
		return time.Time{}
	case next.Before(r.dueAt):
		return next
	}
	return r.dueAt
}

// begin runs a pass that ends with the node.
func (s *Service) begin(ctx context.Context, o *org.Organization) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.pass(ctx, o); err != nil && !errors.Is(err, errHeld) && ctx.Err() == nil {
		s.d.Log.Warn("the list of a directory was not read", "organization", o.Slug, "error", err)
	}
}

// Pass reads the list now, and returns when it is read. Problem Conflict: the
// organization asks for no list, or another pass is under way. Errors of the
// directory as directory.Directory has them.
func (s *Service) Pass(ctx context.Context, o *org.Organization) error {
	if !on(o) {
		return problem.New(problem.Conflict)
	}
	err := s.pass(ctx, o)
	if errors.Is(err, errHeld) {
		return problem.New(problem.Conflict)
	}
	return err
}
