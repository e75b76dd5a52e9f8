package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// conn is a connection to one server, used by one step at a time.
type conn struct {
	ldap   *ldap.Conn
	raw    *metered
	server *server
	born   time.Time
	broken bool // an answer is missing: nothing more may be asked on it
	wrote  bool // this step sent a change
}

// do runs one request. The library knows no contexts: the time that is left
// becomes the request's own, and an ended context cuts the connection.
func (c *conn) do(ctx context.Context, request func() error) error {
	return c.within(ctx, c.server.limits.operation, request)
}

// within is do with another limit.
func (c *conn) within(ctx context.Context, limit time.Duration, request func() error) error {
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end))
	}
	if err := ctx.Err(); err != nil || limit <= 0 {
		c.broken = true
		return unavailable(context.Cause(ctx))
	}
	c.ldap.SetTimeout(limit)
	c.raw.left.Store(c.server.limits.answer)
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() }) // the step reports what it was cut for
	err := request()
	if !stop() {
		c.broken = true
	}
	if _, answered := resultOf(err); err != nil && !answered && !errors.Is(err, ldap.ErrSizeLimitExceeded) {
		c.broken = true
	}
	return err
}

// metered is a connection whose peer may say only so much to one request: the
// library keeps an answer in memory until it is whole, and a directory of one
// organization must not take the memory of all.
type metered struct {
	net.Conn
	left atomic.Int64 // bytes
}

var errTooMuch = errors.New("the server's answer does not end")

func (m *metered) Read(b []byte) (int, error) {
	if m.left.Load() <= 0 {
		return 0, errTooMuch
	}
	n, err := m.Conn.Read(b)
	m.left.Add(int64(-n))
	return n, err
}

// close ends the connection without waiting for a server that may be gone.
func (c *conn) close() {
	c.ldap.SetTimeout(time.Millisecond)
	_ = c.raw.SetDeadline(time.Now().Add(100 * time.Millisecond))
	_ = c.ldap.Close() // whatever it says, it is over
	_ = c.raw.Close()
}

// usable tells whether the connection can take another step.
func (c *conn) usable() bool { return !c.broken && !c.ldap.IsClosing() }

// search asks for entries below base; at most limit of them, and referrals are
// no entries. A server that gives fewer although there are more is an error.
func (c *conn) search(ctx context.Context, base string, scope int, filter string, limit int, attributes ...string) ([]*ldap.Entry, error) {
	return c.searchWith(ctx, nil, base, scope, filter, limit, attributes...)
}

func (c *conn) searchWith(ctx context.Context, controls []ldap.Control, base string, scope int, filter string, limit int, attributes ...string) ([]*ldap.Entry, error) {
	seconds := max(1, int(c.server.limits.operation/time.Second))
	r := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, limit, seconds, false, filter, attributes, controls)
	r.EnforceSizeLimit = true
	var found *ldap.SearchResult
	err := c.do(ctx, func() (err error) {
		found, err = c.ldap.Search(r)
		return err
	})
	code, answered := resultOf(err)
	switch {
	case answered && code == ldap.LDAPResultSizeLimitExceeded && (found == nil || len(found.Entries) < limit):
		return nil, fmt.Errorf("%w: %w", directory.ErrRights, errCutShort)
	case err == nil, errors.Is(err, ldap.ErrSizeLimitExceeded), answered && code == ldap.LDAPResultSizeLimitExceeded:
		if found == nil {
			return nil, nil
		}
		return found.Entries, nil
	case answered && (code == ldap.LDAPResultNoSuchObject || code == ldap.LDAPResultReferral):
		return nil, nil
	}
	return nil, fault(err)
}

// errCutShort: there is more than the server gives or Kunci takes. What is left out
// may be what keeps somebody out, so nothing is taken.
var errCutShort = errors.New("the answer is cut short; let Kunci's account read without a limit of entries")

// searchAll asks for all entries below base, page by page. More than most, or than
// the server's own limit, is an error.
func (c *conn) searchAll(ctx context.Context, base, filter string, most int, attributes ...string) ([]*ldap.Entry, error) {
	var all []*ldap.Entry
	err := c.pages(ctx, pages{base, filter, attributes, pageSize, c.server.limits.operation}, func(found []*ldap.Entry) error {
		if all = append(all, found...); len(all) > most {
			return fmt.Errorf("%w: %w", directory.ErrRights, errCutShort)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// pages is a search whose answer comes in parts (RFC 2696).
type pages struct {
	base, filter string
	attributes   []string
	size         uint32        // entries of one
	patience     time.Duration // for one
}

// pages gives the parts one by one. More than the server's own limits is an error;
// a base that is not there has none.
func (c *conn) pages(ctx context.Context, p pages, fn func([]*ldap.Entry) error) error {
	seconds := max(1, int(p.patience/time.Second))
	paging := ldap.NewControlPaging(p.size)
	for {
		r := ldap.NewSearchRequest(p.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, seconds, false, p.filter, p.attributes, []ldap.Control{paging})
		var found *ldap.SearchResult
		err := c.within(ctx, p.patience, func() (err error) {
			found, err = c.ldap.Search(r)
			return err
		})
		code, answered := resultOf(err)
		switch {
		case answered && (code == ldap.LDAPResultSizeLimitExceeded || code == ldap.LDAPResultAdminLimitExceeded):
			// The second is how 389 Directory Server ends a search that looked at too
			// many entries (nsslapd-lookthroughlimit).
			return fmt.Errorf("%w: %w: %w", directory.ErrRights, errCutShort, err)
		case answered && (code == ldap.LDAPResultNoSuchObject || code == ldap.LDAPResultReferral):
			return nil
		case err != nil:
			return fault(err)
		}
		if err := fn(found.Entries); err != nil {
			return err
		}
		next, ok := ldap.FindControl(found.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(next.Cookie)
	}
}

// pageSize is how many entries are asked for at a time: fewer than any server's
// usual limit.
const pageSize = 100

// read gives one entry by its name; nil where there is none.
func (c *conn) read(ctx context.Context, dn string, attributes ...string) (*ldap.Entry, error) {
	return c.readWith(ctx, nil, dn, attributes...)
}

func (c *conn) readWith(ctx context.Context, controls []ldap.Control, dn string, attributes ...string) (*ldap.Entry, error) {
	found, err := c.searchWith(ctx, controls, dn, ldap.ScopeBaseObject, "(objectClass=*)", 1, attributes...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// modify changes an entry. The error keeps the server's answer with its controls.
func (c *conn) modify(ctx context.Context, r *ldap.ModifyRequest) error {
	c.wrote = true
	return c.do(ctx, func() error {
		_, err := c.ldap.ModifyWithResult(r)
		return err
	})
}

// extended asks for an extended operation that changes something. The error keeps the server's answer.
func (c *conn) extended(ctx context.Context, r *ldap.ExtendedRequest) (*ldap.ExtendedResponse, error) {
	var answer *ldap.ExtendedResponse
	c.wrote = true
	err := c.do(ctx, func() (err error) {
		answer, err = c.ldap.Extended(r)
		return err
	})
	return answer, err
}

// bind signs the connection in and gives the answer's controls. An empty
// password is refused here: a server would take it for a visitor without a name
// and say yes.
func (c *conn) bind(ctx context.Context, dn, pw string, controls ...ldap.Control) ([]ldap.Control, error) {
	if dn == "" || pw == "" {
		return nil, ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New("an empty password was not sent"))
	}
	var answer *ldap.SimpleBindResult
	err := c.do(ctx, func() (err error) {
		answer, err = c.ldap.SimpleBind(ldap.NewSimpleBindRequest(dn, pw, controls))
		return err
	})
	if answer == nil {
		return nil, err
	}
	return answer.Controls, err
}

// resultOf gives the code of a server's answer; false where no answer came.
func resultOf(err error) (uint16, bool) {
	var e *ldap.Error
	if !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork {
		return 0, false
	}
	return e.ResultCode, true
}

// saidIn gives the text that a server put into its refusal.
func saidIn(err error) string {
	var e *ldap.Error
	if _, answered := resultOf(err); answered && errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return ""
}

// controlsIn gives the controls of a refusal, which the library leaves in the packet.
func controlsIn(err error) []ldap.Control {
	var e *ldap.Error
	if !errors.As(err, &e) || e.Packet == nil || len(e.Packet.Children) < 3 || e.Packet.Children[2] == nil {
		return nil
	}
	var all []ldap.Control
	for _, child := range e.Packet.Children[2].Children {
		if c := controlOf(child); c != nil {
			all = append(all, c)
		}
	}
	return all
}

// controlOf decodes one control; nil for one that cannot be read.
func controlOf(child *ber.Packet) ldap.Control {
	if child == nil {
		return nil
	}
	c, err := ldap.DecodeControl(child)
	if err != nil {
		return nil
	}
	return c
}
