package directory

import (
	"context"
	"time"
)

// Source says where an account's password is mastered.
type Source string

const (
	// Managed passwords can be set here.
	Managed Source = "managed"
	// External passwords are mastered elsewhere (federated, or a directory
	// without write-back) and cannot be reset here.
	External Source = "external"
)

// Entry is an account as its directory knows it.
type Entry struct {
	// Key names the account for ever: it does not change with the user ID, and a
	// deleted and recreated account gets another.
	Key         string
	UserID      string
	DisplayName string
	GivenName   string
	FamilyName  string
	Language    string
	// Groups are all groups the account is in, nested ones included.
	Groups      []string
	Disabled    bool
	MustChange  bool
	HasPassword bool
	// Privileged accounts are protected by the directory itself.
	Privileged        bool
	LockedUntil       time.Time
	Source            Source
	PasswordChangedAt time.Time
	// Contacts are as the directory has them; nobody has looked whether they are any.
	Contacts Contacts
}

// Contacts are the values of the attributes that an organization named for what its
// people can be reached by.
type Contacts struct {
	Emails, MobilePhones, OfficePhones []string
}

// CheckResult is what a directory says about a password.
type CheckResult string

const (
	OK CheckResult = "ok"
	// Wrong is also the answer for an account that does not exist or has no password.
	Wrong CheckResult = "wrong"
	// Locked: too many wrong passwords; the password was not looked at.
	Locked CheckResult = "locked"
	// Disabled, MustChange and Expired are said only of a right password.
	Disabled   CheckResult = "disabled"
	MustChange CheckResult = "must_change"
	Expired    CheckResult = "expired"
)

// Right tells whether the password was the account's password, whatever else
// keeps the person out.
func (r CheckResult) Right() bool {
	return r == OK || r == Disabled || r == MustChange || r == Expired
}

// SetOptions qualifies a password that Kunci sets for a person who proved who
// they are by other means.
type SetOptions struct {
	// Unlock lifts a lock-out in the same step.
	Unlock bool
	// History is how many past passwords, the current one included, are refused.
	// A directory with a history of its own uses that.
	History int
	// MustChange makes the person choose another at the next sign-in.
	MustChange bool
	// Begun is when an earlier attempt at this step began whose end nobody knows: the
	// node died, or the directory's answer was lost. Zero: there was none. A password
	// that was set since then and is this one is no reuse; that attempt set it.
	Begun time.Time
}

// clocks is how far the clocks of a node and of a directory may be apart: what
// Kerberos allows.
const clocks = 5 * time.Minute

// Did tells whether a password that was set at a time can be the one of the
// earlier attempt.
func (o SetOptions) Did(changed time.Time) bool {
	return !o.Begun.IsZero() && !changed.Before(o.Begun.Add(-clocks))
}

// ChangeOptions qualifies a password that its owner changes with the old one.
type ChangeOptions struct {
	History int
}

// Capabilities is what a directory can do at all, as configured.
type Capabilities struct {
	SetPassword bool // reset by Kunci
	Change      bool // by the owner, with the old password
	Unlock      bool
}

// Directory is a place of accounts of one organization. Keys and user IDs of
// other organizations do not exist for it. It is safe for concurrent use.
//
// Errors: ErrNotFound, ErrWrongPassword, ErrUnavailable, ErrRights, a
// *RefusedError, or a problem "busy" where too much is asked at once. An
// *IncompleteError is none: the password is set.
type Directory interface {
	// LookUp finds an account by what its person types. It compares whole,
	// normalized user IDs; there are no patterns.
	LookUp(ctx context.Context, userID string) (Entry, error)
	// Get finds an account by its key.
	Get(ctx context.Context, key string) (Entry, error)
	// CheckPassword judges a password and counts a wrong one. An unknown key takes
	// as long as a known one and is Wrong.
	CheckPassword(ctx context.Context, key, password string) (CheckResult, error)
	// SetPassword sets a password without the old one. It is either done or not;
	// after ErrUnavailable it may be done and can be repeated.
	SetPassword(ctx context.Context, key, password string, o SetOptions) error
	// ChangePassword sets a password for someone who knows the old one. A wrong
	// old password counts like a wrong sign-in and is ErrWrongPassword; while
	// locked every old password is.
	ChangePassword(ctx context.Context, key, old, password string, o ChangeOptions) error
	// Unlock lifts a lock-out and clears its count.
	Unlock(ctx context.Context, key string) error
	Capabilities() Capabilities
}

// Page asks for accounts in the order of their user IDs.
type Page struct {
	// Prefix is how the user ID begins; empty: any. It is normalized by NormalizeUserID.
	Prefix string
	// After is the last user ID of the page before; empty: from the first.
	After string
	// Limit is how many, at most MaxPage.
	Limit int
}

// MaxPage is the most accounts of one page.
const MaxPage = 1000

// Lister is a directory that can list its accounts. A directory of somebody
// else's, asked over a network, need not be one.
type Lister interface {
	List(ctx context.Context, p Page) ([]Entry, error)
	// Count is how many accounts there are.
	Count(ctx context.Context) (int, error)
	// Several gives the accounts of these keys that are there, in the order of their
	// user IDs.
	Several(ctx context.Context, keys []string) ([]Entry, error)
}

// Searcher is a directory that cannot be listed and finds whose user ID or name
// begins with a text.
type Searcher interface {
	// Search gives at most limit accounts by their user IDs, and whether there may be
	// more. A text of spaces finds nobody.
	Search(ctx context.Context, begins string, limit int) (found []Entry, more bool, err error)
}

// Rule is one of a directory's own rules for a new password, told before one is
// chosen. The sentence is "password.rule.<Name>" with Args.
type Rule struct {
	Name string
	Args map[string]any
}

// Ruled is a directory that can tell its own rules beforehand.
type Ruled interface {
	// Rules are those for the next password of one account; none when the
	// directory does not say. Errors as Get.
	Rules(ctx context.Context, key string) ([]Rule, error)
}
