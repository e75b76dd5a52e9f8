package throttle

import (
	"context"
	"fmt"
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
		return Verdict{Allowed: true, Count: row.tries, Left: max(l.Limit-row.tries, 0)}, nil
	}
	return Verdict{
		Count:      row.tries,
		RetryAfter: wait(row.lockedUntil - now),
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
	if row.lockedUntil > now {
		return Verdict{Count: row.tries, RetryAfter: wait(row.lockedUntil - now)}, nil
	}
	if row.lockedUntil > 0 || row.windowEnd <= now {
		row.tries = 0
	}
	left := max(l.Limit-row.tries, 0)
	if left == 0 {
		retry := l.Lock
		if retry <= 0 {
			retry = wait(row.windowEnd - now)
		}
		return Verdict{Count: row.tries, RetryAfter: retry}, nil
	}
	return Verdict{Allowed: true, Count: row.tries, Left: left}, nil
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
	for _, key := range keys {
		if err := remove(ctx, tx, key); err != nil {
			return fmt.Errorf("throttle: %w", err)
		}
	}
	return nil
}

// ClearPrefix forgets every key that begins with prefix, which must end with ":".
func ClearPrefix(ctx context.Context, tx *store.Tx, prefix string) error {
	if len(prefix) < 2 || prefix[len(prefix)-1] != ':' {
		return fmt.Errorf("throttle: the prefix %q does not end with a colon", prefix)
	}
	if err := removePrefix(ctx, tx, prefix); err != nil {
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
