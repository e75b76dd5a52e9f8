package ldap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// listPatience is how long one page may take. Nobody waits for it.
const listPatience = 30 * time.Second

// listHand is how many people are given at once: each takes requests of its own.
const listHand = 50

// changes is how a server says when entries changed. A position is text that
// only the same implementation reads.
type changes interface {
	// attribute holds an entry's position; it is asked for beside the others. ""
	// where the position is told by begin alone.
	attribute() string
	// begin gives who counts the positions and where it stands now. Positions of
	// one that counts are worth nothing to another; "" for who is a count that all
	// servers share.
	begin(ctx context.Context, c *conn) (who, at string, err error)
	// since is the filter for what changed at or after a position; "" for what is
	// no position.
	since(at string) string
	// later is the later one of two positions.
	later(a, b string) string
}

// place is how far a directory was read.
type place struct {
	Who string `json:"who,omitempty"`
	At  string `json:"at"`
}

// Changes reads the people that the user filter could find, a few at a time:
// those that changed since a mark of an earlier pass, or everybody when there is
// no mark that this server can read. whole tells that everybody was read: who was
// not among them is gone. next is the mark for the following pass; it covers what
// changed while this one was under way.
//
// It reads on connections of its own, to one server, so that a long list keeps
// nobody from signing in. Errors: directory.ErrUnavailable, directory.ErrRights,
// and what fn gives.
func (d *Directory) Changes(ctx context.Context, since string, fn func([]directory.Entry) error) (next string, whole bool, err error) {
	last := unavailable(errDown)
	for _, s := range d.pool.servers {
		if !s.up() {
			continue
		}
		next, whole, err := d.changesOn(ctx, s, since, fn)
		if err == nil {
			s.answered()
			return next, whole, nil
		}
		var asked *callerError
		if errors.As(err, &asked) {
			return "", false, asked.cause
		}
		if errors.Is(err, directory.ErrUnavailable) && ctx.Err() == nil {
			s.failed()
		}
		d.log.WarnContext(ctx, "the directory was not listed", "server", s.String(), "cause", err)
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return "", false, last
}

// callerError is an error of whoever takes the entries: no other server helps.
type callerError struct{ cause error }

func (e *callerError) Error() string { return e.cause.Error() }

func (d *Directory) changesOn(ctx context.Context, s *server, since string, fn func([]directory.Entry) error) (string, bool, error) {
	// Pages are read on one connection, and what belongs to an entry on another:
	// the place in a list belongs to its connection (RFC 2696, 3).
	list, err := s.connect(ctx)
	if err != nil {
		return "", false, err
	}
	defer list.close()
	detail, err := s.connect(ctx)
	if err != nil {
		return "", false, err
	}
	defer detail.close()

	by := d.dialect.changes()
	// On the connection of the pages: behind one name there may be two servers.
	who, at, err := by.begin(ctx, list)
	if err != nil {
		return "", false, fault(err)
	}
	var from place
	if json.Unmarshal([]byte(since), &from) != nil || from.Who != who || by.since(from.At) == "" {
		from = place{}
	}
	filter, whole := d.people.and(d.set.Sync.Filter), from.At == ""
	if !whole {
		filter = d.people.and(by.since(from.At) + d.set.Sync.Filter)
		at = by.later(at, from.At)
	}
	asked := d.attributes()
	if a := by.attribute(); a != "" {
		asked = append(asked, a)
	}
	err = list.pages(ctx, pages{d.set.BaseDN, filter, asked, s.limits.page, listPatience}, func(found []*ldap.Entry) error {
		var people []directory.Entry
		for _, e := range found {
			if a := by.attribute(); a != "" {
				at = by.later(at, e.GetEqualFoldAttributeValue(a))
			}
			p, ok, err := d.listed(ctx, detail, e)
			if err != nil {
				return fault(err)
			}
			if !ok {
				continue
			}
			if people = append(people, p); len(people) == listHand {
				if err := fn(people); err != nil {
					return &callerError{err}
				}
				people = nil
			}
		}
		if err := fn(people); err != nil {
			return &callerError{err}
		}
		return nil
	})
	if err != nil {
		return "", false, err
	}
	text, err := json.Marshal(place{Who: who, At: at})
	if err != nil {
		return "", false, fmt.Errorf("ldap directory: list: %w", err)
	}
	return string(text), whole, nil
}
