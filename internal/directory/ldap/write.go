package ldap

import (
	"context"
	"errors"
	"time"

	"kunci.dev/kunci/internal/directory"
)

// grace is how long after a lost answer it is found out what became of a write.
const grace = 5 * time.Second

// SetPassword implements directory.Directory.
func (d *Directory) SetPassword(ctx context.Context, key, pw string, o directory.SetOptions) error {
	return d.write(ctx, key, pw, o, func(ctx context.Context, c *conn, p person, pw string) error {
		return d.dialect.set(ctx, c, p, pw, o)
	})
}

// ChangePassword implements directory.Directory.
func (d *Directory) ChangePassword(ctx context.Context, key, old, pw string, _ directory.ChangeOptions) error {
	old, ok := readable(old)
	if !ok {
		return directory.ErrWrongPassword
	}
	err := d.write(ctx, key, pw, directory.SetOptions{}, func(ctx context.Context, c *conn, p person, pw string) error {
		if p.Disabled {
			return directory.ErrWrongPassword
		}
		return d.dialect.change(ctx, c, p, old, pw)
	})
	if errors.Is(err, directory.ErrNotFound) {
		return directory.ErrWrongPassword
	}
	return err
}

// write finds the person on a server that takes writes and sets the password
// there. An answer that was lost is looked for: by the time of the change, and by
// signing in with the new password. Then what belongs to it is settled too.
func (d *Directory) write(ctx context.Context, key, pw string, o directory.SetOptions, do func(context.Context, *conn, person, string) error) error {
	if !d.set.WriteBack {
		return &directory.RefusedError{Rule: directory.RuleExternal}
	}
	pw, ok := readable(pw)
	if !ok {
		return &directory.RefusedError{Rule: directory.RuleUnreadable}
	}
	var before person
	wrote := false
	err := d.step(ctx, key, true, func(ctx context.Context, c *conn) (err error) {
		if before, err = d.get(ctx, c, key); err != nil {
			return err
		}
		if before.Source != directory.Managed {
			return &directory.RefusedError{Rule: directory.RuleExternal}
		}
		err = do(ctx, c, before, pw)
		wrote = wrote || c.wrote
		if err == nil || directory.Incomplete(err) != "" {
			d.pool.noteWrite(key, c.server)
		}
		// A password that was just set is refused as used before, or as too young.
		if again := isRule(err, directory.RuleHistory) || isRule(err, directory.RuleMinimumAge); again &&
			(o.Did(before.PasswordChangedAt) || d.uncertain.has(key, pw, d.now())) && d.is(ctx, c.server, before, pw) {
			err = d.dialect.settle(ctx, c, before, o) // it is the one whose answer was lost
		}
		return err
	})
	var unknown *unknownWrite
	if errors.As(err, &unknown) {
		done, left := d.happened(ctx, unknown.server, key, before, pw, o)
		if done {
			d.pool.noteWrite(key, unknown.server)
			err = left
		}
	}
	if wrote && errors.Is(err, directory.ErrUnavailable) {
		d.uncertain.note(key, pw, d.now()) // it, or a part of it, may be done
	}
	left := directory.Incomplete(err)
	if left != "" {
		d.log.ErrorContext(ctx, "a password is set, but not all that belongs to it; see: kunci doctor", "left", left, "cause", err)
	}
	if err == nil || left != "" {
		d.uncertain.forget(key)
	}
	return err
}

// happened finds out on the same server whether a write was done, and settles
// what was left to do. After an error of that the same write can be repeated.
func (d *Directory) happened(ctx context.Context, s *server, key string, before person, pw string, o directory.SetOptions) (done bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return false, nil
	}
	defer c.close()
	s.answered()
	now, err := d.get(ctx, c, key)
	if err != nil || now.PasswordChangedAt.Equal(before.PasswordChangedAt) || !d.is(ctx, s, now, pw) {
		return false, nil
	}
	return true, fault(d.dialect.settle(ctx, c, now, o))
}

// is tells whether a password is the person's now. It is asked only when it
// probably is: a wrong one counts on the server.
func (d *Directory) is(ctx context.Context, s *server, p person, pw string) bool {
	own, controls, err := s.bound(ctx, p.dn, pw, policyControl())
	if own != nil {
		own.close()
	}
	result, err := d.dialect.judge(p, controls, err)
	return err == nil && result.Right()
}

// Unlock implements directory.Directory. It can be repeated, so an answer that
// was lost needs no looking for.
func (d *Directory) Unlock(ctx context.Context, key string) error {
	if !d.set.WriteBack {
		return directory.ErrRights
	}
	return d.step(ctx, key, true, func(ctx context.Context, c *conn) error {
		p, err := d.get(ctx, c, key)
		if err != nil {
			return err
		}
		if err := d.dialect.unlock(ctx, c, p); err != nil {
			return err
		}
		d.pool.noteWrite(key, c.server)
		return nil
	})
}
