package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
)

// Deps is what the room needs. Log is optional.
type Deps struct {
	DB     *store.DB
	Hasher *password.Hasher
	Log    *slog.Logger
}

// Service opens the embedded directory of any organization.
type Service struct {
	db     *store.DB
	hasher *password.Hasher
	log    *slog.Logger
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.DB == nil {
		return nil, errors.New("embedded directory: no database")
	}
	if d.Hasher == nil {
		return nil, errors.New("embedded directory: no hasher")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{d.DB, d.Hasher, d.Log}, nil
}

// Settings are what an organization's policy says to its directory.
type Settings struct {
	// LockoutThreshold wrong passwords lock an account for LockoutFor; zero values
	// take 10 and 60 seconds.
	LockoutThreshold int
	LockoutFor       time.Duration
	// History is how many passwords, the current one included, are kept for
	// refusing them.
	History int
	// ExpiresAfter is a password's life; zero: for ever.
	ExpiresAfter time.Duration
}

// Directory is the embedded directory of one organization.
type Directory struct {
	*Service
	org string
	set Settings
}

var _ directory.Directory = (*Directory)(nil)

// For gives an organization's directory with its policy of now. It costs nothing.
func (s *Service) For(orgID string, set Settings) *Directory {
	return &Directory{s, orgID, set.complete()}
}

func (s Settings) complete() Settings {
	if s.LockoutThreshold <= 0 {
		s.LockoutThreshold = 10
	}
	if s.LockoutFor <= 0 {
		s.LockoutFor = time.Minute
	}
	return s
}

// Open gives the directory of an organization that keeps its accounts here; any
// other kind of directory is an error.
func (s *Service) Open(o *org.Organization) (directory.Directory, error) {
	if o.Directory.Kind != org.Embedded {
		return nil, fmt.Errorf("embedded directory: %s keeps its accounts in %q", o.Slug, o.Directory.Kind)
	}
	return s.For(o.ID, SettingsOf(o.Policy)), nil
}

// SettingsOf is what a policy says to the directory.
func SettingsOf(p org.Policy) Settings {
	return Settings{
		LockoutThreshold: p.Lockout.Threshold,
		LockoutFor:       time.Duration(p.Lockout.Seconds) * time.Second,
		History:          p.Password.History,
		ExpiresAfter:     time.Duration(p.Password.ExpiresAfterDays) * 24 * time.Hour,
	}
}

// Capabilities: the embedded directory can do everything.
func (d *Directory) Capabilities() directory.Capabilities {
	return directory.Capabilities{SetPassword: true, Change: true, Unlock: true}
}

// LookUp implements directory.Directory.
func (d *Directory) LookUp(ctx context.Context, userID string) (directory.Entry, error) {
	normalized := directory.NormalizeUserID(userID)
	var r row
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = selectByUserID(ctx, tx, d.org, normalized)
		return err
	})
	if err != nil {
		return directory.Entry{}, found(err, "look up")
	}
	return d.entry(r), nil
}

// Get implements directory.Directory.
func (d *Directory) Get(ctx context.Context, key string) (directory.Entry, error) {
	r, err := d.read(ctx, key)
	if err != nil {
		return directory.Entry{}, found(err, "get")
	}
	return d.entry(r), nil
}

// Unlock implements directory.Directory.
func (d *Directory) Unlock(ctx context.Context, key string) error {
	return d.db.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "embedded:"+key); err != nil {
			return fmt.Errorf("embedded directory: lock: %w", err)
		}
		n, err := updateUnlocked(ctx, tx, d.org, key)
		if err != nil {
			return fmt.Errorf("embedded directory: unlock: %w", err)
		}
		if n == 0 {
			return directory.ErrNotFound
		}
		return nil
	})
}

func (d *Directory) read(ctx context.Context, key string) (row, error) {
	var r row
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = selectByKey(ctx, tx, d.org, key)
		return err
	})
	return r, err
}

// entry shows a lock only while it lasts.
func (d *Directory) entry(r row) directory.Entry {
	e := r.entry
	if !e.LockedUntil.After(d.db.Now()) {
		e.LockedUntil = time.Time{}
	}
	return e
}

// found makes a missing row directory.ErrNotFound. The database being away is
// not ErrUnavailable: without it there is no Kunci at all.
func found(err error, doing string) error {
	if errors.Is(err, store.ErrNoRows) {
		return directory.ErrNotFound
	}
	return fmt.Errorf("embedded directory: %s: %w", doing, err)
}
