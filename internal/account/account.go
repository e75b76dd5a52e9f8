package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Account is a person of an organization as Kunci sees them now.
type Account struct {
	ID    string
	OrgID string
	// Entry is the directory's answer of the moment the account was loaded.
	Entry directory.Entry

	RegisteredAt  time.Time // when registration was completed; zero: never
	ReconfirmedAt time.Time // when the methods were last said to be right
	SkipsUsed     int       // how often the interrupt was put off
	FirstAskedAt  time.Time // when the interrupt was first shown
	MustRegister  bool      // an administrator asked for a new registration
	FrozenAt      time.Time // resets are frozen since; zero: not frozen
	LastResetAt   time.Time
	// LastResetMethods are the ids of the methods that proved the last reset.
	LastResetMethods []string
	CreatedAt        time.Time

	contacts string // marks of what the directory said, see settle.go
}

// Frozen tells whether resets of this account are stopped.
func (a Account) Frozen() bool { return !a.FrozenAt.IsZero() }

// PasswordContext is what password.Check must keep out of this person's password.
func (a Account) PasswordContext(o *org.Organization) password.Context {
	return password.Context{
		UserID: a.Entry.UserID, DisplayName: a.Entry.DisplayName, GivenName: a.Entry.GivenName,
		FamilyName: a.Entry.FamilyName, OrgName: o.Name, Domains: o.Domains,
	}
}

// Deps is what the room needs. Log is optional.
type Deps struct {
	DB      *store.DB
	Methods *method.Service
	Audit   *audit.Service
	// Directories opens the directory of an organization as it is configured now.
	Directories func(o *org.Organization) (directory.Directory, error)
	// Keys close the files of imports through the console and the API; without them there are none.
	Keys Sealer
	Log  *slog.Logger
}

// Service finds accounts and keeps their state.
type Service struct {
	db          *store.DB
	methods     *method.Service
	audit       *audit.Service
	directories func(o *org.Organization) (directory.Directory, error)
	keys        Sealer
	log         *slog.Logger
	wall        func() time.Time // measures how long a run goes on
	announce    Announce
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	switch {
	case d.DB == nil:
		return nil, errors.New("account: no database")
	case d.Methods == nil:
		return nil, errors.New("account: no methods")
	case d.Audit == nil:
		return nil, errors.New("account: no audit log")
	case d.Directories == nil:
		return nil, errors.New("account: no directories")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{d.DB, d.Methods, d.Audit, d.Directories, d.Keys, d.Log, time.Now, nil}, nil
}

// Directory opens the organization's directory.
func (s *Service) Directory(o *org.Organization) (directory.Directory, error) {
	d, err := s.directories(o)
	if err != nil {
		return nil, fmt.Errorf("open directory of %s: %w", o.Slug, err)
	}
	return d, nil
}

// Find asks the directory who a user ID is and gives the account with its state;
// the first time it makes the account's own row. Never call it with a
// transaction open. Problems: NotFound, DirectoryUnavailable, DirectoryRefused.
func (s *Service) Find(ctx context.Context, o *org.Organization, userID string) (Account, error) {
	d, err := s.Directory(o)
	if err != nil {
		return Account{}, err
	}
	entry, err := d.LookUp(ctx, userID)
	if err != nil {
		return Account{}, Refusal(err, "find account")
	}
	return s.byEntry(ctx, o.ID, entry)
}

// Search asks a directory that cannot be listed whose user ID or name begins with a
// text: at most limit, and whether there may be more. Nobody gets a row by it.
// Problems: DirectoryUnavailable, DirectoryRefused.
func (s *Service) Search(ctx context.Context, o *org.Organization, begins string, limit int) (found []directory.Entry, more bool, err error) {
	d, err := s.Directory(o)
	if err != nil {
		return nil, false, err
	}
	searcher, ok := d.(directory.Searcher)
	if !ok {
		return nil, false, nil
	}
	if found, more, err = searcher.Search(ctx, begins, limit); err != nil {
		return nil, false, Refusal(err, "search accounts")
	}
	return found, more, nil
}

// ByKey is Find by the directory's stable key.
func (s *Service) ByKey(ctx context.Context, o *org.Organization, key string) (Account, error) {
	d, err := s.Directory(o)
	if err != nil {
		return Account{}, err
	}
	entry, err := d.Get(ctx, key)
	if err != nil {
		return Account{}, Refusal(err, "find account")
	}
	return s.byEntry(ctx, o.ID, entry)
}

// Look is Find without making anything: somebody who was never here has no ID
// yet, until Keep. It does the same work for those whom nobody knows, so that the
// time it takes tells nothing. Problems as Find.
func (s *Service) Look(ctx context.Context, o *org.Organization, userID string) (Account, error) {
	d, err := s.Directory(o)
	if err != nil {
		return Account{}, err
	}
	entry, missing := d.LookUp(ctx, userID)
	if missing != nil && !errors.Is(missing, directory.ErrNotFound) {
		return Account{}, Refusal(missing, "look for account")
	}
	a := Account{OrgID: o.ID}
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		known, err := selectByKey(ctx, tx, o.ID, entry.Key)
		if err == nil {
			a = known
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return Account{}, fmt.Errorf("look for account: %w", err)
	}
	if missing != nil {
		return Account{}, problem.New(problem.NotFound)
	}
	a.Entry = entry
	return a, nil
}

// Keep gives an account that Look found its ID. For nobody it asks the same and
// gives what it got.
func (s *Service) Keep(ctx context.Context, tx *store.Tx, a Account) (Account, error) {
	if a.ID == "" && a.Entry.Key != "" {
		if err := insertIfMissing(ctx, tx, store.NewID(), a.OrgID, a.Entry.Key); err != nil {
			return a, fmt.Errorf("keep account: %w", err)
		}
	}
	kept, err := selectByKey(ctx, tx, a.OrgID, a.Entry.Key)
	if errors.Is(err, store.ErrNoRows) && a.Entry.Key == "" {
		return a, nil
	}
	kept.Entry = a.Entry
	return kept, found(err, "keep account")
}

// Load gives an account by its id, asking the directory by its stable key. Never
// call it with a transaction open. Problems as Find; an account that left the
// directory is NotFound.
func (s *Service) Load(ctx context.Context, o *org.Organization, accountID string) (Account, error) {
	var a Account
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		a, err = s.Kept(ctx, tx, o.ID, accountID)
		return err
	})
	if err != nil {
		return Account{}, err
	}
	return s.Ask(ctx, o, a)
}

// Kept is the half of Load that is stored here, with the directory's key alone in
// Entry. Problem NotFound.
func (s *Service) Kept(ctx context.Context, tx *store.Tx, orgID, accountID string) (Account, error) {
	a, key, err := selectByID(ctx, tx, orgID, accountID)
	if err != nil {
		return Account{}, found(err, "load account")
	}
	a.Entry.Key = key
	return a, nil
}

// Ask is the other half: what the directory says of an account by its key. Never
// call it with a transaction open. Problems as Load.
func (s *Service) Ask(ctx context.Context, o *org.Organization, a Account) (Account, error) {
	d, err := s.Directory(o)
	if err != nil {
		return Account{}, err
	}
	if a.Entry, err = d.Get(ctx, a.Entry.Key); err != nil {
		return Account{}, Refusal(err, "load account")
	}
	return a, nil
}

// Refresh gives a with the state that is stored now, inside a transaction: what
// the directory says stays as it was loaded. Problem NotFound.
func (s *Service) Refresh(ctx context.Context, tx *store.Tx, a Account) (Account, error) {
	fresh, _, err := selectByID(ctx, tx, a.OrgID, a.ID)
	if err != nil {
		return Account{}, found(err, "refresh account")
	}
	fresh.Entry = a.Entry
	return fresh, nil
}

// byEntry reads the row of a directory entry and makes it where there is none.
// Most calls only read: the single writer of SQLite is left alone.
func (s *Service) byEntry(ctx context.Context, orgID string, entry directory.Entry) (Account, error) {
	var a Account
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		a, err = selectByKey(ctx, tx, orgID, entry.Key)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		err = s.db.Write(ctx, func(tx *store.Tx) (err error) {
			if err := insertIfMissing(ctx, tx, store.NewID(), orgID, entry.Key); err != nil {
				return err
			}
			a, err = selectByKey(ctx, tx, orgID, entry.Key)
			return err
		})
	}
	if err != nil {
		return Account{}, fmt.Errorf("find account: %w", err)
	}
	a.Entry = entry
	return a, nil
}

// Refusal turns a directory's error into ours.
func Refusal(err error, doing string) error {
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return problem.New(problem.NotFound)
	case errors.Is(err, directory.ErrUnavailable):
		return problem.New(problem.DirectoryUnavailable).Because(err)
	case errors.Is(err, directory.ErrRights):
		return problem.New(problem.DirectoryRefused).Because(err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func found(err error, doing string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrNoRows) {
		return problem.New(problem.NotFound)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Known gives what is stored of an account by the directory's key, without asking
// the directory. Problem NotFound.
func (s *Service) Known(ctx context.Context, tx *store.Tx, orgID, key string) (Account, error) {
	a, err := selectByKey(ctx, tx, orgID, key)
	return a, found(err, "known account")
}
