package method

import (
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// UndoFor is how long a deleted method can be brought back.
	UndoFor = 7 * 24 * time.Hour
	// PendingFor is how long a method that was begun may wait for its proof.
	PendingFor = time.Hour
	// keepOver is how long a pass that is over is kept: what was proved with it
	// in a reset that still runs goes on counting.
	keepOver = 24 * time.Hour
	// DisableAfter failures in a row a method is disabled (NIST SP 800-63B-4, 3.2.2).
	DisableAfter = 100
	// MaxName is the longest name a person may give a method, in characters.
	MaxName = 60
)

// Who proved or deleted a method.
const (
	ByPerson        = "person"
	ByAdministrator = "administrator"
	// ByDirectory proves what stands in an organization's directory, until its person
	// confirms it.
	ByDirectory = "directory"
)

// Method is one registered piece of security info. Value and Secret are opened;
// neither is ever shown in full except the value to its own person.
type Method struct {
	ID, OrgID, AccountID string
	Kind                 Kind
	Name                 string // given by the person, may be empty
	Value                string // the address or number; "" for kinds that have only a secret
	Secret               []byte // TOTP seed, recovery set, hash of a pass, a token's id, a passkey's credential
	OATH                 OATH   // how an app's or token's codes are made
	Proved               bool
	ProvedBy             string // ByPerson, ByAdministrator or ByDirectory
	Default              bool   // offered first as a second factor
	CreatedAt            time.Time
	ProvedAt             time.Time
	LastUsedAt           time.Time
	DeletedAt            time.Time
	DeletedBy            string // ByPerson or ByAdministrator; empty: it is not deleted, or was before this was kept
	DisabledAt           time.Time
	LastStep             int64     // highest accepted time step of an authenticator
	UsedCodes            uint64    // bit i is set when code i of a recovery set is burnt; bit 0 of a pass when it was used
	ValidFrom            time.Time // of a pass
	ValidUntil           time.Time // of a pass
	Reusable             bool      // a pass that works more than once
	Spent                bool      // a pass that at the time of reading is used up, over, or not begun
	ConsecutiveFailures  int
	// Elsewhere tells of a passkey that it was made for another address than this
	// installation's: no browser gives it here.
	Elsewhere bool
	// Subscription is where messages for a device go; empty: it has to look.
	Subscription Subscription
	// Owner is the session in which the person registers the method; empty for
	// what an administrator pre-registered.
	Owner string
	// Replaces is the id of the method that this one takes the place of once it is proved.
	Replaces string
}

// Usable tells whether the method may prove anything.
func (m Method) Usable() bool {
	return m.Proved && m.DeletedAt.IsZero() && m.DisabledAt.IsZero() && !m.Elsewhere && !m.Spent
}

// Given tells whether an administrator, an import or the directory entered the
// address or number and its person has not confirmed it. It counts all the same.
func (m Method) Given() bool {
	switch m.Kind {
	case Email, MobilePhone, OfficePhone:
		return m.Proved && (m.ProvedBy == ByAdministrator || m.ProvedBy == ByDirectory) && m.DeletedAt.IsZero()
	}
	return false
}

// FromDirectory tells whether the method is what the directory says and nobody has
// confirmed. It goes when the directory no longer says it, and never stands in for a
// second factor: whoever has the password can often write the attribute.
func (m Method) FromDirectory() bool { return m.ProvedBy == ByDirectory }

// ProvesSignIn tells whether the method can be a second factor.
func (m Method) ProvesSignIn() bool { return m.Kind.ProvesSignIn() && !m.FromDirectory() }

// Masked shows enough of a value for its owner to recognize it and no more: the
// first letters of an address, the last two digits of a number. The mask has the
// same length for every value, so that it does not count characters for a
// stranger. Kinds without a value give "".
func (m Method) Masked() string { return Mask(m.Kind, m.Value) }

// Mask is Masked for a value that is not (or no longer) a row, so that a decoy
// is masked by the same code as a real one.
func Mask(k Kind, value string) string {
	switch k {
	case Email:
		local, domain, _ := strings.Cut(value, "@")
		return first(local) + "…@" + first(domain) + "…"
	case MobilePhone, OfficePhone:
		number, _, _ := strings.Cut(value, "x")
		if len(number) < 2 {
			return "+••\u00a0••••\u00a0••••"
		}
		return "+••\u00a0••••\u00a0••" + number[len(number)-2:]
	}
	return ""
}

func first(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return ""
	}
	return string(r)
}

// CodesLeft is how many codes of a recovery set are not burnt.
func (m Method) CodesLeft() int {
	if m.Kind != RecoveryCode {
		return 0
	}
	left := 0
	for i := range RecoveryCodes {
		if m.UsedCodes&(1<<i) == 0 {
			left++
		}
	}
	return left
}
