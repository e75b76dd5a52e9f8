package problem

import (
	"errors"
	"time"
)

// Code names a refusal. Codes are stable: other programs act on them.
type Code string

// Error is a refusal with everything an edge needs to show it.
type Error struct {
	// Code says which refusal this is.
	Code Code
	// Field is the form or document field it is about, empty when it is about the whole.
	Field string
	// Args fill the placeholders of the sentence "problem.<code>".
	Args map[string]any
	// RetryAfter is how long to wait before trying again; zero when waiting does not help.
	RetryAfter time.Duration
	// Cause is what happened underneath: for the log, never for a page.
	Cause error
}

// New makes a refusal. Args are name, value pairs for its sentence.
func New(code Code, args ...any) *Error {
	e := &Error{Code: code}
	for i := 0; i+1 < len(args); i += 2 {
		name, ok := args[i].(string)
		if !ok {
			continue
		}
		if e.Args == nil {
			e.Args = make(map[string]any, len(args)/2)
		}
		e.Args[name] = args[i+1]
	}
	return e
}

// On returns e with the field it is about.
func (e *Error) On(field string) *Error {
	e.Field = field
	return e
}

// After returns e with the time after which trying again can help.
func (e *Error) After(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// Because returns e with the cause underneath.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// Error is for logs: the code, the field and the cause, no sentence.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, problem.New(code)) compare codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// As finds the refusal in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Has tells whether err's chain holds a refusal with this code.
func Has(err error, code Code) bool {
	e, ok := As(err)
	return ok && e.Code == code
}
