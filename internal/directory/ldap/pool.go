package ldap

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
)

var (
	errBusy  = errors.New("too many wait for this directory")
	errDown  = errors.New("no server of this directory answered a moment ago")
	errWrite = errors.New("no server of this directory takes writes")
	errOver  = errors.New("the directory was configured anew")
)

// pool is the connections of one directory.
type pool struct {
	servers []*server
	limits  limits
	now     func() time.Time
	slots   chan struct{}
	waiting atomic.Int32

	mu     sync.Mutex
	closed bool
	idle   map[*server][]*conn
	// wrote remembers which server took the last write about a key: what is read
	// after it is read there, before others have it.
	wrote map[string]written
}

type written struct {
	server *server
	at     time.Time
}

const (
	// remembersWrites is longer than servers usually take to copy a write.
	remembersWrites = time.Minute
	mostWrites      = 10_000
)

func newPool(set *org.DirectoryConfig, l limits, now func() time.Time) (*pool, error) {
	p := &pool{limits: l, now: now, slots: make(chan struct{}, l.open), idle: make(map[*server][]*conn), wrote: make(map[string]written)}
	for _, u := range set.URLs {
		s, err := newServer(u, set, l, now)
		if err != nil {
			return nil, err
		}
		p.servers = append(p.servers, s)
	}
	return p, nil
}

// enter waits for a place, not long and not among many.
func (p *pool) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	if p.waiting.Add(1) > int32(p.limits.waiting) {
		p.waiting.Add(-1)
		return unavailable(errBusy)
	}
	defer p.waiting.Add(-1)
	timer := time.NewTimer(p.limits.wait)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return unavailable(errBusy)
	case <-ctx.Done():
		return unavailable(context.Cause(ctx))
	}
}

func (p *pool) leave() { <-p.slots }

// order gives the servers to try: the one that took the key's last write, then
// the preferred ones.
func (p *pool) order(key string, write bool) []*server {
	p.mu.Lock()
	last := p.wrote[key]
	p.mu.Unlock()
	if last.server == nil || p.now().Sub(last.at) > remembersWrites || write {
		return p.servers
	}
	all := []*server{last.server}
	for _, s := range p.servers {
		if s != last.server {
			all = append(all, s)
		}
	}
	return all
}

func (p *pool) noteWrite(key string, s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.wrote) >= mostWrites {
		now := p.now()
		for k, w := range p.wrote {
			if now.Sub(w.at) > remembersWrites {
				delete(p.wrote, k)
			}
		}
		if len(p.wrote) >= mostWrites {
			clear(p.wrote) // what is lost is a preference
		}
	}
	p.wrote[key] = written{s, p.now()}
}

// take gives a connection to one server: one that waits, else a new one.
func (p *pool) take(ctx context.Context, s *server) (c *conn, fresh bool, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, unavailable(errOver)
	}
	for kept := p.idle[s]; len(kept) > 0; kept = p.idle[s] {
		c, p.idle[s] = kept[len(kept)-1], kept[:len(kept)-1]
		if c.usable() && p.now().Sub(c.born) < p.limits.age {
			p.mu.Unlock()
			return c, false, nil
		}
		go c.close()
	}
	p.mu.Unlock()
	c, err = s.connect(ctx)
	return c, true, err
}

// give takes a connection back.
func (p *pool) give(c *conn) {
	p.mu.Lock()
	keep := !p.closed && c.usable() && len(p.idle[c.server]) < p.limits.idle
	if keep {
		c.wrote = false
		p.idle[c.server] = append(p.idle[c.server], c)
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
}

// drop closes what waits for a server that failed: those connections are no better.
func (p *pool) drop(s *server) {
	p.mu.Lock()
	kept := p.idle[s]
	delete(p.idle, s)
	p.mu.Unlock()
	for _, c := range kept {
		c.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	all := p.idle
	p.idle = make(map[*server][]*conn)
	p.mu.Unlock()
	for _, kept := range all {
		for _, c := range kept {
			c.close()
		}
	}
}

// step runs one step on a connection to the first server that answers. What
// failed for want of an answer before anything was written is tried on the next
// server; a connection that had gone stale is tried once more on the same one. A
// refusal is final only where every server answered: one that is down may be the
// one that takes writes, and trying again later is then no dead end. A
// write without an answer is given back with the server it went to: what became
// of it the caller has to find out.
func (d *Directory) step(ctx context.Context, key string, write bool, do func(context.Context, *conn) error) error {
	p := d.pool
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer p.leave()
	limit := p.limits.step
	if write {
		limit = p.limits.write
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last, silent error // the last server's, and of one that did not answer
	for _, s := range p.order(key, write) {
		if write && !s.writes() {
			last = noRights(errWrite)
			continue
		}
		if !s.up() {
			silent = unavailable(errDown)
			continue
		}
		err, goOn := d.stepOn(limited, s, do)
		if !goOn {
			return err
		}
		if last = err; errors.Is(err, directory.ErrUnavailable) {
			silent = err
		}
		if limited.Err() != nil {
			if ctx.Err() == nil {
				s.failed() // it answers, but so slowly that nothing gets done
			}
			break
		}
	}
	if silent != nil {
		return silent
	}
	return last
}

// stepOn tries one server, twice when its connection was an old one. goOn says
// that the next server may know better.
func (d *Directory) stepOn(ctx context.Context, s *server, do func(context.Context, *conn) error) (err error, goOn bool) {
	for {
		c, fresh, err := d.pool.take(ctx, s)
		if err != nil {
			if ctx.Err() == nil && errors.Is(err, directory.ErrUnavailable) {
				s.failed()
				d.pool.drop(s)
				d.log.WarnContext(ctx, "directory server does not answer", "server", s.String(), "cause", err)
			} else if errors.Is(err, directory.ErrRights) {
				d.log.ErrorContext(ctx, "directory server refuses Kunci's own account", "server", s.String(), "cause", err)
			}
			return err, true
		}
		err = do(ctx, c)
		wrote, broken := c.wrote, c.broken
		d.pool.give(c)
		switch {
		case readOnly(err):
			s.answered()
			s.refusedWrite()
			return noRights(err), true
		case broken && wrote:
			s.failed()
			return &unknownWrite{s, unavailable(err)}, false
		case !broken && (wrote || !errors.Is(fault(err), directory.ErrUnavailable)):
			s.answered()
			if err = fault(err); errors.Is(err, directory.ErrRights) {
				s.refusedBy(err)
			}
			return err, false
		case broken && !fresh && ctx.Err() == nil:
			d.pool.drop(s)
			continue
		case ctx.Err() != nil:
			return unavailable(err), true
		}
		s.failed()
		d.pool.drop(s)
		d.log.WarnContext(ctx, "directory server stopped answering", "server", s.String(), "cause", err)
		return unavailable(err), true
	}
}

// unknownWrite is a write whose answer was lost.
type unknownWrite struct {
	server *server
	cause  error
}

func (u *unknownWrite) Error() string { return "the answer to a write was lost: " + u.cause.Error() }
func (u *unknownWrite) Unwrap() error { return u.cause }
