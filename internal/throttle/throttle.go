package throttle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Limit is how often something may happen.
type Limit struct {
	// Limit is the number of tries that are allowed within Per.
	Limit int
	// Per is the length of a window. It begins with the first counted try.
	Per time.Duration
	// Lock is how long every try is refused once one went over the limit;
	// zero means until the window is over. Refused tries do not prolong it.
	Lock time.Duration
}

// Verdict is the answer to a try.
type Verdict struct {
	Allowed bool
	// Count is the number of tries in this window, refused ones excepted.
	Count int
	// Left is how many more are allowed in this window.
	Left int
	// RetryAfter is how long the refusal lasts; zero when allowed.
	RetryAfter time.Duration
	// Renews is how long until counting begins anew; only of Take.
	Renews time.Duration
	// JustLocked tells that this very try went over the limit: the moment to record it, once.
	JustLocked bool
}

// Take counts a try and judges it. The (Limit+1)th within Per is refused and
// locks the key. Commit the transaction also when it is refused.
func Take(ctx context.Context, tx *store.Tx, key string, l Limit) (Verdict, error) {
	now := store.Micros(tx.Now())
	row, err := take(ctx, tx, key, l, now)
	if err != nil {
		return Verdict{}, fmt.Errorf("throttle: %w", err)
	}
	if row.lockedUntil <= now {
		return Verdict{Allowed: true, Count: row.tries, Left: max(l.Limit-row.tries, 0), Renews: wait(row.windowEnd - now)}, nil
	}
	return Verdict{
		Count:      row.tries,
		RetryAfter: wait(row.lockedUntil - now),
		Renews:     wait(row.lockedUntil - now),
		JustLocked: row.lockedAt == now && row.fresh,
	}, nil
}

// Peek judges as Take would, without counting.
func Peek(ctx context.Context, tx *store.Tx, key string, l Limit) (Verdict, error) {
	now := store.Micros(tx.Now())
	row, err := read(ctx, tx, key)
	if err != nil {
		return Verdict{}, fmt.Errorf("throttle: %w", err)
	}
	return row.peek(l, now), nil
}

// Looks is what PeekAll judges: keys, each by its own limit, and every key that
// begins with Prefix by Limit.
type Looks struct {
	Keys   map[string]Limit
	Prefix string // ends with ":"
	Limit  Limit
}

// Looked is what PeekAll found. Every key has a verdict; of the prefix, what was
// ever tried, named by the rest of its key.
type Looked struct {
	Keys   map[string]Verdict
	Prefix map[string]Verdict
}

// PeekAll is Peek and PeekPrefix of several in one statement.
func PeekAll(ctx context.Context, tx *store.Tx, in Looks) (Looked, error) {
	if err := checkPrefix(in.Prefix); err != nil {
		return Looked{}, err
	}
	rows, err := readAll(ctx, tx, slices.Sorted(maps.Keys(in.Keys)), in.Prefix)
	if err != nil {
		return Looked{}, fmt.Errorf("throttle: %w", err)
	}
	now := store.Micros(tx.Now())
	out := Looked{Keys: make(map[string]Verdict, len(in.Keys)), Prefix: make(map[string]Verdict)}
	for key, limit := range in.Keys {
		out.Keys[key] = rows[key].peek(limit, now)
	}
	for key, row := range rows {
		if rest, of := strings.CutPrefix(key, in.Prefix); of {
			out.Prefix[rest] = row.peek(in.Limit, now)
		}
	}
	return out, nil
}

func checkPrefix(prefix string) error {
	if len(prefix) < 2 || prefix[len(prefix)-1] != ':' {
		return fmt.Errorf("throttle: the prefix %q does not end with a colon", prefix)
	}
	return nil
}

// PeekPrefix judges every key that begins with prefix, which must end with ":",
// in one statement. The verdicts are named by the rest of their key; one that is
// missing was never tried.
func PeekPrefix(ctx context.Context, tx *store.Tx, prefix string, l Limit) (map[string]Verdict, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	rows, err := readAll(ctx, tx, nil, prefix)
	if err != nil {
		return nil, fmt.Errorf("throttle: %w", err)
	}
	all := make(map[string]Verdict, len(rows))
	for key, row := range rows {
		all[key[len(prefix):]] = row.peek(l, store.Micros(tx.Now()))
	}
	return all, nil
}

func (r row) peek(l Limit, now int64) Verdict {
	if r.lockedUntil > now {
		return Verdict{Count: r.tries, RetryAfter: wait(r.lockedUntil - now)}
	}
	if r.lockedUntil > 0 || r.windowEnd <= now {
		r.tries = 0
	}
	left := max(l.Limit-r.tries, 0)
	if left == 0 {
		retry := l.Lock
		if retry <= 0 {
			retry = wait(r.windowEnd - now)
		}
		return Verdict{Count: r.tries, RetryAfter: retry}
	}
	return Verdict{Allowed: true, Count: r.tries, Left: left}
}

func wait(micros int64) time.Duration { return time.Duration(micros) * time.Microsecond }

// Return gives one counted try back: what was tried was right. It lifts no lock.
func Return(ctx context.Context, tx *store.Tx, key string) error {
	if err := giveBack(ctx, tx, key); err != nil {
		return fmt.Errorf("throttle: %w", err)
	}
	return nil
}

// Clear forgets the tries and locks of keys.
func Clear(ctx context.Context, tx *store.Tx, keys ...string) error {
	if err := remove(ctx, tx, keys, nil); err != nil {
		return fmt.Errorf("throttle: %w", err)
	}
	return nil
}

// ClearPrefix forgets every key that begins with one of the prefixes, each of
// which must end with ":", in one statement.
func ClearPrefix(ctx context.Context, tx *store.Tx, prefixes ...string) error {
	for _, prefix := range prefixes {
		if err := checkPrefix(prefix); err != nil {
			return err
		}
	}
	if err := remove(ctx, tx, nil, prefixes); err != nil {
		return fmt.Errorf("throttle: %w", err)
	}
	return nil
}

// Purge drops rows whose window and lock are over and tells how many.
func Purge(ctx context.Context, tx *store.Tx) (int64, error) {
	n, err := purge(ctx, tx)
	if err != nil {
		return 0, fmt.Errorf("throttle: %w", err)
	}
	return n, nil
}
