package ldap

import (
	"context"
	"hash/maphash"
)

// turns lets one bind at a time judge a password of the same person, for servers
// that lose count of wrong ones that come at once. A few people share a turn.
type turns struct {
	seed maphash.Seed
	of   [256]chan struct{}
}

func newTurns() *turns {
	t := &turns{seed: maphash.MakeSeed()}
	for i := range t.of {
		t.of[i] = make(chan struct{}, 1)
	}
	return t
}

// enter waits for a person's turn; leave ends it. Without turns nobody waits.
func (t *turns) enter(ctx context.Context, key string) (leave func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	turn := t.of[maphash.String(t.seed, key)%uint64(len(t.of))]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, unavailable(context.Cause(ctx))
	}
}
