package directory

import "errors"

var (
	// ErrNotFound: no such account in this directory.
	ErrNotFound = errors.New("directory: account not found")
	// ErrWrongPassword: the old password of a change is not right.
	ErrWrongPassword = errors.New("directory: wrong password")
	// ErrUnavailable: the directory does not answer. The step can be repeated.
	ErrUnavailable = errors.New("directory: unavailable")
	// ErrRights: Kunci's own account in the directory may not do this.
	ErrRights = errors.New("directory: insufficient rights")
)

// Rules a directory names when it refuses a password. The texts are catalogue
// keys "password.refused.<rule>".
const (
	RuleHistory    = "history"
	RuleMinimumAge = "minimum_age"
	RuleLength     = "length"
	RuleComplexity = "complexity"
	RuleExternal   = "external"   // the password is mastered elsewhere
	RuleUnreadable = "unreadable" // the directory cannot take these characters
	RuleOther      = "other"      // refused without saying which rule
)

// RefusedError is a directory's refusal of a password, with the rule broken.
type RefusedError struct {
	// Rule is one of the Rule constants.
	Rule string
	// Args fill the placeholders of the rule's sentence.
	Args map[string]any
	// Cause is the directory's own answer: for the log, never for a page.
	Cause error
}

func (e *RefusedError) Error() string {
	s := "directory: password refused: " + e.Rule
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *RefusedError) Unwrap() error { return e.Cause }

// IncompleteError: the password is set, and works, but something that belongs to
// it was refused. It is done, not refused: whoever set it goes on, notes what is
// left, and tells those who can mend it.
type IncompleteError struct {
	// Left is what was not done, one of the Left constants.
	Left string
	// Cause is the directory's own answer: for the log, never for a page.
	Cause error
}

// LeftMustChange: whether the directory asks for another password at the next
// sign-in is not as it was wanted.
const LeftMustChange = "must_change"

func (e *IncompleteError) Error() string {
	return "directory: the password is set, but not all that belongs to it: " + e.Left + ": " + e.Cause.Error()
}

func (e *IncompleteError) Unwrap() error { return e.Cause }

// Incomplete gives what was not done where a password was set all the same; "" for
// any other error.
func Incomplete(err error) string {
	var i *IncompleteError
	if errors.As(err, &i) {
		return i.Left
	}
	return ""
}

// Refused finds the refusal in err's chain.
func Refused(err error) (*RefusedError, bool) {
	var r *RefusedError
	ok := errors.As(err, &r)
	return r, ok
}
