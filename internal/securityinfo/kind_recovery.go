package securityinfo

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
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

// outgrown gives the codes that end because m is the account's first other factor
// (OWASP MFA cheat sheet: renew what was issued before): until now the password
// alone was enough to make and keep some. Codes of the very session that registers
// m are its person's as much as m is, and stay. f is as it was before.
func (f facts) outgrown(m method.Method) method.Method {
	codes := f.current(method.RecoveryCode)
	if m.Kind == method.RecoveryCode || !m.Kind.ProvesSignIn() || codes.Owner == f.session.ID || len(f.factors(m.ID)) > 0 {
		return method.Method{}
	}
	return codes
}

// endCodes takes codes away that were made too early, and says so. They can be
// brought back like every other method, by whoever proves the new factor.
func (s *Service) endCodes(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, codes method.Method) error {
	if _, err := s.d.Methods.Delete(ctx, tx, f.org.ID, f.account.ID, codes.ID); err != nil {
		return err
	}
	if err := s.d.Sessions.Unprove(ctx, tx, f.org.ID, f.account.ID, codes.ID); err != nil {
		return err
	}
	if err := s.record(ctx, tx, by, f, codes, audit.MethodDeleted, "early", nil); err != nil {
		return err
	}
	return s.tell(ctx, tx, by, f, notice{action: deletedAction, about: codes, to: addresses(f.methods, codes.ID)})
}
