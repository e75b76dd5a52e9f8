package ldap

import (
	"context"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

// Hurry shortens the times of a service that tests make trouble for.
func Hurry(s *Service) {
	s.limits.connect, s.limits.operation, s.limits.wait = 800*time.Millisecond, 500*time.Millisecond, 200*time.Millisecond
	s.limits.step, s.limits.write, s.limits.refused = 1500*time.Millisecond, 2*time.Second, 0
	s.limits.down = 300 * time.Millisecond
}

// Pages has lists come in answers of n entries.
func Pages(s *Service, n uint32) { s.limits.page = n }

// Answers have at most n bytes.
func Answers(s *Service, n int64) { s.limits.answer = n }

// Crowd bounds how many steps may run and wait at once.
func Crowd(s *Service, open, waiting int) { s.limits.open, s.limits.waiting = open, waiting }

// BeforeWrite has something happen right before a directory sets a password.
func BeforeWrite(d directory.Directory, do func()) {
	of, ok := d.(*Directory)
	if !ok {
		panic("not an LDAP directory")
	}
	of.dialect = &interrupted{of.dialect, do, func() {}}
}

// AfterWrite has something happen right after a directory set a password, before
// it settles the rest.
func AfterWrite(d directory.Directory, do func()) {
	BeforeWrite(d, func() {})
	d.(*Directory).dialect.(*interrupted).settles = do
}

type interrupted struct {
	dialect
	do, settles func()
}

func (i *interrupted) settle(ctx context.Context, c *conn, p person, o directory.SetOptions) error {
	i.settles()
	return i.dialect.settle(ctx, c, p, o)
}

func (i *interrupted) unlock(ctx context.Context, c *conn, p person) error {
	i.do()
	return i.dialect.unlock(ctx, c, p)
}

func (i *interrupted) set(ctx context.Context, c *conn, p person, pw string, o directory.SetOptions) error {
	i.do()
	return i.dialect.set(ctx, c, p, pw, o)
}

func (i *interrupted) change(ctx context.Context, c *conn, p person, old, pw string) error {
	i.do()
	return i.dialect.change(ctx, c, p, old, pw)
}

// The parsers, for fuzzing.
var (
	NewFilter = newFilter
	Refusal   = refusal
	Judge     = func(controls []ldap.Control, err error) (directory.CheckResult, error) {
		return judgeByPolicy(person{}, controls, err)
	}
)

// UserIDFilter is the filter for a typed user ID.
func UserIDFilter(template, typed string) string { return newFilter(template).userID(typed) }

// GroupsOf is the filter for groups of entries.
var GroupsOf = groupsOf

// ListOverlap is what a pass by times reads again.
const ListOverlap = listOverlap

// AccessRules counts the rules in a security descriptor.
func AccessRules(b []byte) (int, error) {
	rules, err := adAccess(b)
	return len(rules), err
}
