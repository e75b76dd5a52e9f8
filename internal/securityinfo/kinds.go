package securityinfo

import (
	"context"

	"kunci.dev/kunci/internal/method"
)

// Form is what was typed, by field.
type Form map[string]string

// Draft is a method that is about to be stored.
type Draft struct {
	Method method.Method
	// Codes are shown once, in the answer to the request that stores the method.
	Codes []string
	// Device is the token that the browser keeps; empty: none.
	Device string
}

// registrar is how a kind begins. A kind that is not issued is proved by the
// answer to its challenge.
type registrar struct {
	// issued kinds count as soon as they are stored: the person holds what was
	// just given to them, or what they just made up.
	issued bool
	// draft makes the method from what was typed. It is called without a
	// transaction and may be slow; refusals are problems on a field of the form.
	draft func(ctx context.Context, s *Service, f facts, form Form) (Draft, error)
	// admit may refuse in the transaction that stores the method; nil: never.
	admit func(f facts, form Form) error
	// still judges what was drafted again when it is proved: what the organization
	// is may have changed since; nil: always.
	still func(f facts, m method.Method) error
	// answer is the form field that holds the answer to the challenge; "" is "code".
	answer string
}

// registrars is the table of kinds that a person can register.
var registrars = map[method.Kind]registrar{
	method.Passkey:           passkey,
	method.Email:             email,
	method.AuthenticatorCode: authenticatorCode,
	method.RecoveryCode:      recoveryCode,
	method.MobilePhone:       phone(method.MobilePhone),
	method.OfficePhone:       phone(method.OfficePhone),
	method.AuthenticatorPush: push,
	method.HardwareToken:     hardwareToken,
	method.SecurityQuestions: securityQuestions,
}

// AnswerField is the form field that holds the answer of a kind.
func AnswerField(k method.Kind) string {
	if field := registrars[k].answer; field != "" {
		return field
	}
	return "code"
}

// Issued tells whether a kind counts without an answer.
func Issued(k method.Kind) bool { return registrars[k].issued }
