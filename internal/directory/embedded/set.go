package embedded

import (
	"context"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
)

// SetPassword implements directory.Directory.
func (d *Directory) SetPassword(ctx context.Context, key, pw string, o directory.SetOptions) error {
	for range attempts {
		r, err := d.read(ctx, key)
		if err != nil {
			return found(err, "set password")
		}
		if err := d.replace(ctx, r, pw, o); !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

// ChangePassword implements directory.Directory.
func (d *Directory) ChangePassword(ctx context.Context, key, old, pw string, o directory.ChangeOptions) error {
	for range attempts {
		result, r, err := d.check(ctx, key, old)
		if err == nil && (!result.Right() || result == directory.Disabled) {
			return directory.ErrWrongPassword
		}
		if err == nil {
			err = d.replace(ctx, r, pw, directory.SetOptions{History: o.History})
		}
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

// replace sets a password for the version of the account that r is.
func (d *Directory) replace(ctx context.Context, r row, pw string, o directory.SetOptions) error {
	if r.entry.Source != directory.Managed {
		return &directory.RefusedError{Rule: directory.RuleExternal}
	}
	if _, ok := password.Normalize(pw); !ok || pw == "" {
		return &directory.RefusedError{Rule: directory.RuleUnreadable}
	}
	encoded, used, err := d.hasher.Replace(ctx, pw, r.stored(), o.History)
	if err != nil {
		return fmt.Errorf("embedded directory: set password: %w", err)
	}
	if used && o.Did(r.entry.PasswordChangedAt) {
		switch try, err := d.hasher.Try(ctx, r.password, pw); {
		case err != nil:
			return fmt.Errorf("embedded directory: set password: %w", err)
		case try.OK:
			return nil // by the attempt before, with all that belongs to it
		}
	}
	if used {
		return &directory.RefusedError{Rule: directory.RuleHistory, Args: map[string]any{"count": o.History}}
	}
	kept := keep(r, max(o.History, d.set.History))
	return d.db.Write(ctx, func(tx *store.Tx) error {
		n, err := updatePassword(ctx, tx, d.org, r.entry.Key, r.version, encoded, kept, o.MustChange, o.Unlock)
		if err != nil {
			return fmt.Errorf("embedded directory: set password: %w", err)
		}
		if n != 1 {
			return errMoved
		}
		return nil
	})
}

// keep gives the past passwords to store beside a new current one, which is
// itself one of the history's number.
func keep(r row, history int) []string {
	past := r.stored()
	return past[:min(len(past), max(history-1, 0))]
}
