package throttle

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/store"
)

// row is a counter; times in microseconds.
type row struct {
	tries       int
	windowEnd   int64
	lockedUntil int64
	lockedAt    int64
	fresh       bool
}

// take counts and judges in one statement. While a lock holds, nothing
// changes. Where the window or a lock is over, counting begins anew. The try
// that goes over the limit is not counted; it sets the lock.
//
// refusals counts what was refused since the lock was set, so that exactly one
// try, the first, is told that it locked the key.
func take(ctx context.Context, tx *store.Tx, key string, l Limit, now int64) (row, error) {
	windowEnd := now + l.Per.Microseconds()
	var lockEnd int64 // zero: the lock lasts until the window is over
	if l.Lock > 0 {
		lockEnd = now + l.Lock.Microseconds()
	}
	first := firstRow(l, now, windowEnd, lockEnd)
	var r row
	var refusals int64
	err := tx.QueryRow(ctx, `
		INSERT INTO throttle AS t (key, tries, window_end, locked_until, locked_at, refusals)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (key) DO UPDATE SET
			tries = CASE
				WHEN t.locked_until > $7 THEN t.tries
				WHEN t.locked_until > 0 OR t.window_end <= $7 THEN $2
				WHEN t.tries < $8 THEN t.tries + 1
				ELSE t.tries END,
			window_end = CASE
				WHEN t.locked_until > $7 THEN t.window_end
				WHEN t.locked_until > 0 OR t.window_end <= $7 THEN $3
				ELSE t.window_end END,
			locked_until = CASE
				WHEN t.locked_until > $7 THEN t.locked_until
				WHEN t.locked_until > 0 OR t.window_end <= $7 THEN $4
				WHEN t.tries < $8 THEN 0
				WHEN $9 > $7 THEN $9
				ELSE t.window_end END,
			locked_at = CASE
				WHEN t.locked_until > $7 THEN t.locked_at
				WHEN t.locked_until > 0 OR t.window_end <= $7 THEN $5
				WHEN t.tries < $8 THEN 0
				ELSE $7 END,
			refusals = CASE
				WHEN t.locked_until > $7 THEN t.refusals + 1
				WHEN t.locked_until > 0 OR t.window_end <= $7 THEN $6
				WHEN t.tries < $8 THEN 0
				ELSE 1 END
		RETURNING tries, window_end, locked_until, locked_at, refusals`,
		key, int64(first.tries), windowEnd, first.lockedUntil, first.lockedAt, first.refusals(),
		now, int64(l.Limit), lockEnd).
		Scan(&r.tries, &r.windowEnd, &r.lockedUntil, &r.lockedAt, &refusals)
	r.fresh = refusals == 1
	return r, err
}

// firstRow is what the first try of a window leaves: counted, or, where
// nothing is allowed, locked at once.
func firstRow(l Limit, now, windowEnd, lockEnd int64) row {
	if l.Limit > 0 {
		return row{tries: 1, windowEnd: windowEnd}
	}
	if lockEnd == 0 {
		lockEnd = windowEnd
	}
	return row{windowEnd: windowEnd, lockedUntil: lockEnd, lockedAt: now, fresh: true}
}

func (r row) refusals() int64 {
	if r.fresh {
		return 1
	}
	return 0
}

func read(ctx context.Context, tx *store.Tx, key string) (row, error) {
	var r row
	err := tx.QueryRow(ctx, `SELECT tries, window_end, locked_until, locked_at FROM throttle WHERE key = $1`, key).
		Scan(&r.tries, &r.windowEnd, &r.lockedUntil, &r.lockedAt)
	if errors.Is(err, store.ErrNoRows) {
		return row{}, nil
	}
	return r, err
}

// readAll reads keys, and the range of a prefix.
func readAll(ctx context.Context, tx *store.Tx, keys []string, prefix string) (map[string]row, error) {
	where, args := these(keys, []string{prefix})
	rows, err := tx.Query(ctx, `SELECT key, tries, window_end, locked_until, locked_at FROM throttle WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string]row)
	for rows.Next() {
		var key string
		var r row
		if err := rows.Scan(&key, &r.tries, &r.windowEnd, &r.lockedUntil, &r.lockedAt); err != nil {
			return nil, err
		}
		all[key] = r
	}
	return all, rows.Err()
}

func giveBack(ctx context.Context, tx *store.Tx, key string) error {
	_, err := tx.Exec(ctx, `UPDATE throttle SET tries = tries - 1 WHERE key = $1 AND tries > 0`, key)
	return err
}

func remove(ctx context.Context, tx *store.Tx, keys, prefixes []string) error {
	if len(keys)+len(prefixes) == 0 {
		return nil
	}
	where, args := these(keys, prefixes)
	_, err := tx.Exec(ctx, `DELETE FROM throttle WHERE `+where, args...)
	return err
}

// these are the conditions for keys and prefixes with their arguments. A prefix is
// the range from "a:" up to "a;", the next character after the colon: an index
// look-up on both engines, where LIKE is none.
func these(keys, prefixes []string) (string, []any) {
	var either []string
	var args []any
	for _, key := range keys {
		args = append(args, key)
		either = append(either, "key = $"+strconv.Itoa(len(args)))
	}
	for _, prefix := range prefixes {
		args = append(args, prefix, prefix[:len(prefix)-1]+";")
		either = append(either, "key >= $"+strconv.Itoa(len(args)-1)+" AND key < $"+strconv.Itoa(len(args)))
	}
	return strings.Join(either, " OR "), args
}

func purge(ctx context.Context, tx *store.Tx) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM throttle WHERE window_end <= $1 AND locked_until <= $1`, store.Micros(tx.Now()))
}
