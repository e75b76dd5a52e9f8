package ldap

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/egress"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/secret"
)

// Deps is what the room needs; each may be left out.
type Deps struct {
	Log *slog.Logger
	// Now is the clock that locks and health are judged by: the machine's, as the
	// servers have it too.
	Now func() time.Time
	// Keys open the passwords that are kept here; without them none is.
	Keys *secret.Keyset
}

// Service keeps the directories that are open, one of each organization.
type Service struct {
	log    *slog.Logger
	now    func() time.Time
	limits limits
	keys   *secret.Keyset

	mu   sync.Mutex
	open map[string]*Directory // by organization
}

// New makes the service. Nothing is connected to before somebody asks.
func New(d Deps) *Service {
	s := &Service{log: d.Log, now: d.Now, limits: usualLimits, keys: d.Keys, open: make(map[string]*Directory)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Open gives the directory of an organization as it is configured. Connections
// are kept while the configuration stays the same; when it changes, the old ones
// are closed as soon as their steps are over.
func (s *Service) Open(o *org.Organization) (directory.Directory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.open[o.ID]
	// An organization read before a change must not bring the old one back.
	if d != nil && (o.Version < d.version || d.built(o)) {
		return d, nil
	}
	fresh, err := s.build(o)
	if err != nil {
		return nil, err
	}
	if d != nil {
		d.pool.close()
	}
	s.open[o.ID] = fresh
	return fresh, nil
}

// Close closes every connection.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, d := range s.open {
		d.pool.close()
		delete(s.open, id)
	}
}

func (s *Service) build(o *org.Organization) (*Directory, error) {
	if o.Directory.Kind != org.LDAP {
		return nil, fmt.Errorf("ldap directory: %s keeps its accounts in %q", o.Slug, o.Directory.Kind)
	}
	d := &Directory{service: s, log: s.log.With("organization", o.Slug), configured: o.Directory, kept: o.Kept, version: o.Version}
	make, ok := dialects[o.Directory.Dialect]
	if !ok {
		return nil, fmt.Errorf("ldap directory: %s has the dialect %q, which this version does not speak", o.Slug, o.Directory.Dialect)
	}
	d.dialect = make(d)
	d.set = filled(o.Directory, d.dialect.defaults())
	d.people = newFilter(d.set.UserFilter)
	var err error
	if d.pool, err = newPool(&d.set, s.limits, s.now); err != nil {
		return nil, err
	}
	guard := egress.Guard(o.Directory.Networks())
	for _, server := range d.pool.servers {
		server.kept = func() (string, error) { return o.OpenKept(s.keys) }
		// What somebody else than the operator named is judged whenever it is dialled:
		// where its name leads to may change at any time.
		if slices.Contains(o.Directory.ConsoleURLs, server.named) {
			server.control = guard.Safe
		}
	}
	return d, nil
}

// built tells whether the directory is that of an organization as it is now.
func (d *Directory) built(o *org.Organization) bool {
	return reflect.DeepEqual(d.configured, o.Directory) && bytes.Equal(d.kept, o.Kept)
}

// filled gives a configuration with the dialect's defaults for what is empty.
func filled(c, defaults org.DirectoryConfig) org.DirectoryConfig {
	if c.UserFilter == "" {
		c.UserFilter = defaults.UserFilter
	}
	if c.GroupFilter == "" {
		c.GroupFilter = defaults.GroupFilter
	}
	mine, usual := reflect.ValueOf(&c.Attributes).Elem(), reflect.ValueOf(defaults.Attributes)
	for i := range mine.NumField() {
		if mine.Field(i).IsZero() {
			mine.Field(i).Set(usual.Field(i))
		}
	}
	return c
}

// Directory is the LDAP directory of one organization.
type Directory struct {
	service    *Service
	log        *slog.Logger
	configured org.DirectoryConfig // as the file has it
	kept       []byte              // the sealed password, where one is kept here
	set        org.DirectoryConfig // with defaults
	version    int64
	dialect    dialect
	people     filter
	pool       *pool
	pace       pace
	uncertain  uncertain
	turns      *turns // nil where the server counts well
}

var (
	_ directory.Directory = (*Directory)(nil)
	_ directory.Ruled     = (*Directory)(nil)
)

// Capabilities: without write-back nothing is written.
func (d *Directory) Capabilities() directory.Capabilities {
	w := d.set.WriteBack
	return directory.Capabilities{SetPassword: w, Change: w, Unlock: w}
}

// LookUp implements directory.Directory.
func (d *Directory) LookUp(ctx context.Context, userID string) (directory.Entry, error) {
	normalized := directory.NormalizeUserID(userID)
	if normalized == "" {
		return directory.Entry{}, directory.ErrNotFound
	}
	var p person
	err := d.step(ctx, "", false, func(ctx context.Context, c *conn) (err error) {
		p, err = d.find(ctx, c, d.people.userID(normalized), normalized)
		return err
	})
	return p.Entry, err
}

// Get implements directory.Directory.
func (d *Directory) Get(ctx context.Context, key string) (directory.Entry, error) {
	var p person
	err := d.step(ctx, key, false, func(ctx context.Context, c *conn) (err error) {
		p, err = d.get(ctx, c, key)
		return err
	})
	return p.Entry, err
}

// Rules implements directory.Ruled.
func (d *Directory) Rules(ctx context.Context, key string) ([]directory.Rule, error) {
	var rules []directory.Rule
	err := d.step(ctx, key, false, func(ctx context.Context, c *conn) error {
		p, err := d.get(ctx, c, key)
		if err == nil {
			rules, err = d.dialect.rules(ctx, c, p)
		}
		return err
	})
	return rules, err
}
