package ldap

import (
	"context"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
)

// dialect is what differs between directory servers. Each Directory has one of
// its own, which may keep what it learned of the server (with its own lock).
//
// Connections that are passed in are the service account's, on one server: what
// is written there is read back there. An error that a dialect does not
// understand it gives back as it is; the engine maps result codes that mean the
// same everywhere (see fault).
type dialect interface {
	// defaults are the attributes, user filter and group filter for what the
	// organization's file leaves out.
	defaults() org.DirectoryConfig
	// attributes are asked for beside the mapped ones.
	attributes() []string
	// key is what names the entry for ever; "" when the server does not say.
	key(e *ldap.Entry) string
	// keyFilter finds the entry of a key again; "" for what is no key.
	keyFilter(key string) string
	// state fills in what no mapped attribute says: HasPassword, MustChange,
	// LockedUntil, Disabled, Privileged, PasswordChangedAt. It only adds: what is
	// already true stays true, and the groups are known already.
	state(ctx context.Context, c *conn, e *ldap.Entry, into *directory.Entry) error
	// changes is how the server says when entries changed.
	changes() changes
	// groups are all groups the entry is in, nested ones included; one may stand there
	// twice.
	groups(ctx context.Context, c *conn, e *ldap.Entry) ([]membership, error)
	// judge reads the answer to a bind of this person. Wrong, Locked, Expired …; an
	// error only when the answer says nothing about the password.
	judge(p person, controls []ldap.Control, err error) (directory.CheckResult, error)
	// set writes a password without the old one. An answer that is lost after the
	// password was written is for settle.
	set(ctx context.Context, c *conn, p person, pw string, o directory.SetOptions) error
	// settle does what belongs to a password that is already set and was not done
	// with it, such as taking away the demand for another one. It may be repeated.
	settle(ctx context.Context, c *conn, p person, o directory.SetOptions) error
	// change writes a password for someone who knows the old one. Where the server
	// wants the person's own connection, c.server.bound opens one.
	change(ctx context.Context, c *conn, p person, old, pw string) error
	// unlock lifts a lock-out and clears its count.
	unlock(ctx context.Context, c *conn, p person) error
	// rules are the server's own rules for this person's next password.
	rules(ctx context.Context, c *conn, p person) ([]directory.Rule, error)
	// examine proves the service account's rights without changing anyone; p is
	// some account found by the user filter, or nil.
	examine(ctx context.Context, c *conn, p *person) []Finding
	// keepOwn says how to look whether people may write attributes of their own entry,
	// and what takes that right away.
	keepOwn(dn string, attributes []string) (look, setting string)
	// unlimited says what to set in the directory so that it gives the service account
	// lists of any length.
	unlimited() string
}

// person is an account as it was found for one step.
type person struct {
	dn    string
	entry *ldap.Entry
	directory.Entry
}

// dialects makes the dialect of a Directory by its name in the organization's file.
var dialects = map[string]func(d *Directory) dialect{
	org.OpenLDAP:        newOpenLDAP,
	org.ActiveDirectory: newActiveDirectory,
	org.DS389:           newDS389,
	org.FreeIPA:         newFreeIPA,
}

// now is the clock of the directory's operating room.
func (d *Directory) now() time.Time { return d.service.now() }
