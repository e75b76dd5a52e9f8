package securityinfo

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// recoveryCode is ten codes on paper. They are issued, not proved: the person
// holds them because this very answer shows them, and nothing keeps them but
// their hashes. A new set takes the place of the old one.
var recoveryCode = registrar{
	issued: true,
	draft: func(ctx context.Context, s *Service, _ facts, _ Form) (Draft, error) {
		codes, set, err := s.d.Methods.NewRecoverySet(ctx)
		return Draft{Method: method.Method{Secret: set}, Codes: codes}, err
	},
	// A form says which set it replaces, so that a second press of the button, or
	// a reload of the page with the codes, does not make the shown ones useless.
	admit: func(f facts, form Form) error {
		if set, ok := form["set"]; ok && set != f.current(method.RecoveryCode).ID {
			return problem.New(problem.Conflict)
		}
		return nil
	},
}

// current is the one method of a kind that a person has once; empty: none.
func (f facts) current(k method.Kind) method.Method {
	for _, m := range f.methods {
		if m.Kind == k && m.Proved {
			return m
		}
	}
	return method.Method{}
}

// SealCodes closes codes that were just shown, for the form that gives them as a
// file: nothing but the page itself keeps them, and only this session can open them.
func (s *Service) SealCodes(who Who, codes []string) (string, error) {
	sealed, err := s.d.Keys.Seal([]byte(strings.Join(codes, "\n")), codesBinding(who))
	if err != nil {
		return "", fmt.Errorf("seal codes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenCodes is the opposite of SealCodes. Problem BadInput: they were not sealed
// for this session.
func (s *Service) OpenCodes(who Who, text string) ([]string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, problem.New(problem.BadInput)
	}
	plain, err := s.d.Keys.Open(sealed, codesBinding(who))
	if err != nil {
		return nil, problem.New(problem.BadInput)
	}
	return strings.Split(string(plain), "\n"), nil
}

func codesBinding(who Who) string {
	return "recovery-codes-shown|" + who.Account.OrgID + "|" + who.Account.ID + "|" + who.Session.ID
}
