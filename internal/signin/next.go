package signin

import "kunci.dev/kunci/internal/session"

// Step is what comes next for somebody whose password was right.
type Step string

// The steps, in their order.
const (
	StepVerify    Step = "verify"    // the second factor
	StepPassword  Step = "password"  // a new password
	StepInterrupt Step = "interrupt" // registration, or confirming it
	StepIn        Step = "in"
)

// Next says where a session stands, from what is stored. answered tells that
// the interrupt was answered in this session.
func Next(s Signed, answered bool) Step {
	switch {
	case s.Session.Level != session.Full:
		return StepVerify
	case s.Session.MustChange:
		return StepPassword
	case !answered && s.Interrupt().Ask != AskNothing:
		return StepInterrupt
	}
	return StepIn
}
