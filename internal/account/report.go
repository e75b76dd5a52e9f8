package account

import (
	"fmt"
	"strings"
)

// Why a row or a whole file is refused. The sentence of each is
// "account.import.<reason>" in the catalogues.
const (
	ReasonHeader         = "header"         // the file is empty
	ReasonSyntax         = "syntax"         // not CSV, not JSON
	ReasonFieldCount     = "field-count"    // more or fewer fields than the header
	ReasonTooLong        = "too-long"       // longer than the field or line may be
	ReasonUnknownColumn  = "unknown-column" // no such column, or one the directory owns
	ReasonColumnTwice    = "column-twice"
	ReasonMissing        = "missing"       // user_id is missing
	ReasonType           = "type"          // not a value of this column
	ReasonUserID         = "user-id"       // cannot be a user ID
	ReasonDomain         = "domain"        // not of this organization
	ReasonUserIDTwice    = "user-id-twice" // earlier in the same file
	ReasonText           = "text"          // characters that cannot be shown
	ReasonPassword       = "password"      // a hash that is not taken, or characters no password has
	ReasonEmail          = "email"
	ReasonEmailOwn       = "email-own-domain"
	ReasonPhone          = "phone"
	ReasonPhoneCost      = "phone-cost" // premium, shared-cost or service number
	ReasonPhoneNotMobile = "phone-not-mobile"
	ReasonNotFound       = "not-found"     // no such account in the directory
	ReasonMethodLimit    = "method-limit"  // the person has registered as many already
	ReasonRank           = "rank"          // an administrator whom the importer may not change, or who the row would make one
	ReasonPasswordKept   = "password-kept" // the account is there: no administrator chooses its password
)

// BadRow names what is wrong with a row. It never repeats a value.
type BadRow struct {
	Line   int    // counted from 1, the header included
	Column string // empty when it is about the whole row
	Reason string
}

func (b BadRow) String() string {
	if b.Column == "" {
		return fmt.Sprintf("line %d: %s", b.Line, b.Reason)
	}
	return fmt.Sprintf("line %d, %s: %s", b.Line, b.Column, b.Reason)
}

// maxBadRows is how many bad rows are kept with their reason; all are counted.
const maxBadRows = 100

// FileError: the file has bad rows and nothing of it was applied.
type FileError struct {
	Rows  []BadRow // the first ones
	Total int
}

func (e *FileError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "account file: %d bad rows, nothing was applied", e.Total)
	for i, r := range e.Rows {
		if i == 5 {
			b.WriteString("; …")
			break
		}
		b.WriteString("; " + r.String())
	}
	return b.String()
}

// ImportOptions qualifies an import.
type ImportOptions struct {
	// SkipBad applies the good rows of a file with bad ones. A header that cannot
	// be used stops the import all the same.
	SkipBad bool
	// Guard, where there is one, tells whom the importer may change; passwords are
	// then for new accounts only. It may be nil.
	Guard Guard
	// Progress is told how many rows are done; it may be nil.
	Progress func(done int)
}

// ImportReport says what an import did.
type ImportReport struct {
	Rows         int // rows read, good and bad
	Created      int // accounts new in the directory
	Updated      int // accounts or methods that differed
	Unchanged    int
	MethodsAdded int
	Bad          []BadRow // the first ones, with SkipBad or left out on the way
	BadTotal     int
}

func (r *ImportReport) bad(b BadRow) {
	r.BadTotal++
	if len(r.Bad) < maxBadRows {
		r.Bad = append(r.Bad, b)
	}
}

// allows asks the guard about what a row says itself; what the directory knows of
// the person is asked when the row is applied.
func (o ImportOptions) allows(w row) bool {
	if o.Guard == nil {
		return true
	}
	var groups []string
	if w.account.Groups != nil {
		groups = *w.account.Groups
	}
	return o.Guard(w.account.UserID, groups)
}
