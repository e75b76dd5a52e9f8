package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
)

// Record is what an account file says about an account. A nil field says
// nothing: a new account takes the default, an old one keeps what it has.
type Record struct {
	UserID      string // normalized
	DisplayName *string
	GivenName   *string
	FamilyName  *string
	Language    *string
	Groups      *[]string
	Source      *directory.Source
	Disabled    *bool
	MustChange  *bool
	// Password comes from PreparePassword.
	Password *FilePassword
	// Allowed is asked about the groups of an account that is there; it may be nil.
	Allowed func(groups []string) bool
}

// FilePassword is a password of a file, ready to be stored.
type FilePassword struct {
	encoded string // the text to store as the password
	mark    string // what the file said, to know it again
	version int64  // the account's version it was prepared for; 0: a new account
}

// Put says what happened to an account.
type Put struct {
	Key              string
	Created, Changed bool
}

// ErrGuarded: Record.Allowed said no.
var ErrGuarded = errors.New("embedded directory: the account may not be changed")

// Replaces tells whether an account was there already when it was prepared.
func (p *FilePassword) Replaces() bool { return p != nil && p.version != 0 }

// ErrMoved: the account's password changed between PreparePassword and Put.
var ErrMoved = errMoved

// PreparePassword turns a file's password, plain or a hash of another system,
// into what Put stores, or nil when the file says what it said before: then the
// account keeps its password, also when its owner changed it since. It is slow
// for plain passwords; never call it with a transaction open. ErrUnknownScheme
// of the room password names a hash that is not taken.
func (d *Directory) PreparePassword(ctx context.Context, userID, text string) (*FilePassword, error) {
	var r row
	err := d.db.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = selectByUserID(ctx, tx, d.org, userID)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return nil, found(err, "prepare password")
	}
	if password.LooksHashed(text) {
		if err := password.CheckImported(text); err != nil {
			return nil, err
		}
		if mark := d.hasher.Mark(text); mark != r.filePassword && text != r.password {
			return &FilePassword{encoded: text, mark: mark, version: r.version}, nil
		}
		return nil, nil
	}
	for _, known := range []string{r.filePassword, r.password} {
		if known == "" || !password.LooksHashed(known) {
			continue
		}
		try, err := d.hasher.Try(ctx, known, text)
		if err != nil {
			return nil, fmt.Errorf("embedded directory: prepare password: %w", err)
		}
		if try.OK {
			return nil, nil
		}
	}
	encoded, err := d.hasher.Renew(ctx, text, r.stored())
	if err != nil {
		return nil, fmt.Errorf("embedded directory: prepare password: %w", err)
	}
	return &FilePassword{encoded: encoded, mark: encoded, version: r.version}, nil
}

// Put makes or updates one account in the caller's transaction. It changes only
// what differs, so a file can be read again; MustChange counts for a new account
// and beside a new password. ErrMoved asks the caller to prepare
// the password again.
func (d *Directory) Put(ctx context.Context, tx *store.Tx, c Record) (Put, error) {
	fresh := row{entry: directory.Entry{Key: store.NewID(), UserID: c.UserID, Source: directory.Managed}}
	c.apply(&fresh.entry)
	if c.Password != nil {
		fresh.password, fresh.filePassword = c.Password.encoded, c.Password.mark
		fresh.entry.PasswordChangedAt = tx.Now()
	}
	n, err := insertIfMissing(ctx, tx, d.org, fresh)
	if err != nil {
		return Put{}, fmt.Errorf("embedded directory: put: %w", err)
	}
	if n == 1 {
		return Put{Key: fresh.entry.Key, Created: true, Changed: true}, nil
	}
	r, err := selectByUserID(ctx, tx, d.org, c.UserID)
	if err != nil {
		return Put{}, found(err, "put")
	}
	if c.Allowed != nil && !c.Allowed(r.entry.Groups) {
		return Put{}, ErrGuarded
	}
	put := Put{Key: r.entry.Key}
	now := r.entry
	c.apply(&now)
	if c.Password == nil {
		// The owner may have changed it since; only a new password asks again.
		now.MustChange = r.entry.MustChange
	}
	if !sameEntry(now, r.entry) {
		if _, err := updateAttributes(ctx, tx, d.org, now); err != nil {
			return Put{}, fmt.Errorf("embedded directory: put: %w", err)
		}
		put.Changed = true
	}
	if p := c.Password; p != nil {
		n, err := updateFilePassword(ctx, tx, d.org, r.entry.Key, p.version, p.encoded, p.mark, keep(r, d.set.History))
		if err != nil {
			return Put{}, fmt.Errorf("embedded directory: put: %w", err)
		}
		if n != 1 {
			return Put{}, ErrMoved
		}
		put.Changed = true
	}
	return put, nil
}

// Compare tells what Put would do, the password aside.
func (d *Directory) Compare(ctx context.Context, tx *store.Tx, c Record) (Put, error) {
	r, err := selectByUserID(ctx, tx, d.org, c.UserID)
	if errors.Is(err, store.ErrNoRows) {
		return Put{Created: true, Changed: true}, nil
	}
	if err != nil {
		return Put{}, fmt.Errorf("embedded directory: compare: %w", err)
	}
	now := r.entry
	c.apply(&now)
	now.MustChange = r.entry.MustChange
	return Put{Key: r.entry.Key, Changed: !sameEntry(now, r.entry)}, nil
}

// Remove takes an account out of the directory. One made later under the same
// user ID gets another key and inherits nothing.
func (d *Directory) Remove(ctx context.Context, tx *store.Tx, key string) error {
	n, err := deleteAccount(ctx, tx, d.org, key)
	if err != nil {
		return fmt.Errorf("embedded directory: remove: %w", err)
	}
	if n == 0 {
		return directory.ErrNotFound
	}
	return nil
}

func (c Record) apply(e *directory.Entry) {
	set(&e.DisplayName, c.DisplayName)
	set(&e.GivenName, c.GivenName)
	set(&e.FamilyName, c.FamilyName)
	set(&e.Language, c.Language)
	set(&e.Groups, c.Groups)
	set(&e.Source, c.Source)
	set(&e.Disabled, c.Disabled)
	set(&e.MustChange, c.MustChange)
}

func set[T any](field *T, said *T) {
	if said != nil {
		*field = *said
	}
}

func sameEntry(a, b directory.Entry) bool {
	return a.DisplayName == b.DisplayName && a.GivenName == b.GivenName && a.FamilyName == b.FamilyName &&
		a.Language == b.Language && slices.Equal(a.Groups, b.Groups) && a.Source == b.Source &&
		a.Disabled == b.Disabled && a.MustChange == b.MustChange
}
