package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
)

const (
	// longestLock is where the doubling ends.
	longestLock = time.Hour
	// Remembered is how many wrong passwords, tried again, count nothing: a person
	// repeating an old password, or a device that still has it, is no attack.
	Remembered = 3
	printSize  = 16
	// attempts bounds how often a step is begun again because the password was
	// changed while it was being hashed.
	attempts = 4
)

// errMoved: the password changed while a try at it was being hashed.
var errMoved = errors.New("embedded directory: the password changed meanwhile")

// CheckPassword implements directory.Directory.
func (d *Directory) CheckPassword(ctx context.Context, key, pw string) (directory.CheckResult, error) {
	for range attempts {
		result, _, err := d.check(ctx, key, pw)
		if !errors.Is(err, errMoved) {
			return result, err
		}
	}
	return "", errMoved
}

// check hashes without a transaction, then judges and counts in one.
func (d *Directory) check(ctx context.Context, key, pw string) (directory.CheckResult, row, error) {
	r, err := d.read(ctx, key)
	if errors.Is(err, store.ErrNoRows) || (err == nil && r.password == "") {
		return directory.Wrong, row{}, d.hasher.VerifyDummy(ctx, pw)
	}
	if err != nil {
		return "", row{}, found(err, "check password")
	}
	if r.entry.LockedUntil.After(d.db.Now()) {
		return directory.Locked, r, nil
	}
	try, err := d.hasher.Try(ctx, r.password, pw)
	if err != nil {
		return "", row{}, fmt.Errorf("embedded directory: check password: %w", err)
	}
	renewed := ""
	if try.OK && try.Renew {
		if renewed, err = d.hasher.Renew(ctx, pw, r.stored()); err != nil {
			return "", row{}, fmt.Errorf("embedded directory: renew hash: %w", err)
		}
	}
	return d.judge(ctx, r, try, renewed)
}

// judge gives the answer to a try that was hashed for r. What happened since r
// was read decides: others may have locked the account or changed the password.
func (d *Directory) judge(ctx context.Context, r row, try password.Try, renewed string) (directory.CheckResult, row, error) {
	var result directory.CheckResult
	step := func(tx *store.Tx) error {
		now, err := selectByKey(ctx, tx, d.org, r.entry.Key)
		if err != nil {
			return found(err, "check password")
		}
		if now.version != r.version {
			return errMoved
		}
		r = now
		if now.entry.LockedUntil.After(tx.Now()) {
			result = directory.Locked
			return nil
		}
		if !try.OK {
			result = directory.Wrong
			return d.countWrong(ctx, tx, &r, try.Fingerprint)
		}
		result = d.state(tx.Now(), now.entry)
		return nil
	}
	var err error
	if try.OK && renewed == "" && r.failures == 0 {
		// The usual sign-in changes nothing and leaves SQLite's writer alone.
		err = d.db.Read(ctx, step)
		if err == nil && r.failures == 0 {
			return result, r, nil
		}
	}
	if err == nil {
		err = d.db.Write(ctx, func(tx *store.Tx) error {
			if err := tx.Lock(ctx, "embedded:"+r.entry.Key); err != nil {
				return fmt.Errorf("embedded directory: lock: %w", err)
			}
			if err := step(tx); err != nil || !result.Right() {
				return err
			}
			return d.clear(ctx, tx, &r, renewed)
		})
	}
	if err != nil {
		return "", row{}, err
	}
	return result, r, nil
}

// countWrong notes a wrong password: its count, its fingerprint, and the lock it
// leads to. The caller holds the account's lock.
func (d *Directory) countWrong(ctx context.Context, tx *store.Tx, r *row, print []byte) error {
	if print == nil || knows(r.wrong, print) {
		return nil
	}
	failures := r.failures + 1
	var locked int64
	if lock := d.set.LockAfter(failures); lock > 0 {
		locked = store.Micros(tx.Now().Add(lock))
	}
	wrong := append(bytes.Clone(print), r.wrong...)
	if len(wrong) > Remembered*printSize {
		wrong = wrong[:Remembered*printSize]
	}
	n, err := updateFailure(ctx, tx, d.org, r.entry.Key, r.version, failures, locked, wrong)
	if err != nil {
		return fmt.Errorf("embedded directory: count failure: %w", err)
	}
	if n != 1 {
		return errMoved
	}
	return nil
}

// clear ends the row of failures after a right password and stores a renewed hash.
func (d *Directory) clear(ctx context.Context, tx *store.Tx, r *row, renewed string) error {
	if r.failures > 0 {
		if _, err := updateUnlocked(ctx, tx, d.org, r.entry.Key); err != nil {
			return fmt.Errorf("embedded directory: clear failures: %w", err)
		}
	}
	if renewed == "" {
		return nil
	}
	n, err := updateRenewed(ctx, tx, d.org, r.entry.Key, r.version, renewed)
	if err != nil {
		return fmt.Errorf("embedded directory: renew hash: %w", err)
	}
	if n != 1 {
		return errMoved
	}
	r.version, r.password = r.version+1, renewed
	return nil
}

// state is what else keeps the owner of a right password out.
func (d *Directory) state(now time.Time, e directory.Entry) directory.CheckResult {
	switch {
	case e.Disabled:
		return directory.Disabled
	case e.MustChange:
		return directory.MustChange
	case d.set.ExpiresAfter > 0 && e.Source != directory.External && now.Sub(e.PasswordChangedAt) >= d.set.ExpiresAfter:
		return directory.Expired
	}
	return directory.OK
}

// LockAfter is how long so many counted wrong passwords lock; zero: not at all.
// It doubles with each one beyond the threshold.
func (s Settings) LockAfter(failures int) time.Duration {
	s = s.complete()
	over := failures - s.LockoutThreshold
	if over < 0 {
		return 0
	}
	lock := s.LockoutFor
	for ; over > 0 && lock < longestLock; over-- {
		lock *= 2
	}
	return max(s.LockoutFor, min(lock, longestLock))
}

func knows(wrong, print []byte) bool {
	for at := 0; at+printSize <= len(wrong); at += printSize {
		if bytes.Equal(wrong[at:at+printSize], print) {
			return true
		}
	}
	return false
}
