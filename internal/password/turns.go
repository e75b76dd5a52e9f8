package password

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"kunci.dev/kunci/internal/problem"
)

// longestWait is how long a person waits for a turn before being asked to come
// back; retryAfter is when.
const (
	longestWait = 10 * time.Second
	retryAfter  = 2 * time.Second
)

// turns bounds the memory that hashes hold at once, and how many wait for it.
type turns struct {
	memory *semaphore.Weighted // in KiB
	total  int64
	room   chan struct{} // running and waiting
}

func newTurns(concurrent, waiting int, each uint32) *turns {
	total := int64(concurrent) * int64(each)
	return &turns{semaphore.NewWeighted(total), total, make(chan struct{}, concurrent+waiting)}
}

// take waits for memory. A hash that asks for more than there is gets all of it,
// alone.
func (t *turns) take(ctx context.Context, memory uint32) (release func(), err error) {
	select {
	case t.room <- struct{}{}:
	default:
		return nil, problem.New(problem.Busy).After(retryAfter)
	}
	weight := min(int64(memory), t.total)
	waiting, cancel := context.WithTimeout(ctx, longestWait)
	defer cancel()
	if err := t.memory.Acquire(waiting, weight); err != nil {
		<-t.room
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, problem.New(problem.Busy).After(retryAfter)
	}
	return func() {
		t.memory.Release(weight)
		<-t.room
	}, nil
}
