package signin

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// printSize is how much is kept of a wrong password that was typed for nobody:
// enough to know a repeated one again, far too little to find out what it was.
// It may well be somebody's real password, with a typing error in the user ID.
const printSize = 2

// noKey is the key of no account in any directory.
const noKey = "-"

type nobody struct {
	failures    int
	lockedUntil time.Time
	wrong       []byte
}

// nobody judges a password for a user ID that has no account here, or none with
// a password. It takes the same steps as an account's directory does: it looks,
// hashes, counts in a transaction of its own, and locks by the same rule. Where
// the directory counts, nobody is told of locks and nothing is counted here.
func (s *Service) nobody(ctx context.Context, j *judged, d directory.Directory, userID, pw string) error {
	if locksItself(j.org) {
		j.result = directory.Wrong
		return s.hashForNobody(ctx, d, pw)
	}
	orgID, policy := noKey, org.Defaults()
	if j.org != nil {
		orgID, policy = j.org.ID, j.org.Policy
	}
	id := s.d.Keys.Index("signin nobody", orgID+"|"+userID)
	j.id = hex.EncodeToString(id)
	var n nobody
	read := func(tx *store.Tx) (err error) {
		if n, err = selectNobody(ctx, tx, id); errors.Is(err, store.ErrNoRows) {
			n, err = nobody{}, nil
		}
		if err != nil {
			return fmt.Errorf("sign-in of nobody: %w", err)
		}
		j.result, j.wait = directory.Wrong, n.lockedUntil.Sub(tx.Now())
		if j.wait > 0 {
			j.result = directory.Locked
		}
		return nil
	}
	if err := s.d.DB.Read(ctx, read); err != nil || j.result == directory.Locked {
		return err
	}
	if err := s.hashForNobody(ctx, d, pw); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "signin_nobody:"+j.id); err != nil {
			return fmt.Errorf("sign-in of nobody: %w", err)
		}
		if err := read(tx); err != nil || j.result == directory.Locked {
			return err
		}
		print := s.d.Keys.Derive("signin nobody", id, []byte(pw))[:printSize]
		if !n.knows(print) {
			n.failures++
			n.wrong = append(bytes.Clone(print), n.wrong...)
			n.wrong = n.wrong[:min(len(n.wrong), embedded.Remembered*printSize)]
			if lock := embedded.SettingsOf(policy).LockAfter(n.failures); lock > 0 {
				n.lockedUntil, j.wait = tx.Now().Add(lock), lock
			}
		}
		if err := upsertNobody(ctx, tx, id, n); err != nil {
			return fmt.Errorf("sign-in of nobody: %w", err)
		}
		return nil
	})
}

// hashForNobody asks the directory for what it does with a key that it does not
// have, and looks for the lock afterwards, as after every wrong password.
func (s *Service) hashForNobody(ctx context.Context, d directory.Directory, pw string) error {
	if d == nil {
		return s.d.Nobody(ctx, pw)
	}
	if _, err := d.CheckPassword(ctx, noKey, pw); err != nil {
		return err
	}
	if _, err := d.Get(ctx, noKey); err != nil && !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	return nil
}

func (n nobody) knows(print []byte) bool {
	for at := 0; at+printSize <= len(n.wrong); at += printSize {
		if bytes.Equal(n.wrong[at:at+printSize], print) {
			return true
		}
	}
	return false
}
