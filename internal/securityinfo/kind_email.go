package securityinfo

import (
	"context"
	"strings"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// email is a mailbox outside the organization, proved by a mailed code.
var email = registrar{
	draft: func(_ context.Context, _ *Service, f facts, form Form) (Draft, error) {
		if strings.TrimSpace(form["email"]) == "" {
			return Draft{}, problem.New(problem.Required).On("email")
		}
		address, err := method.ValidateEmail(form["email"], f.org.Domains)
		return Draft{Method: method.Method{Value: address}}, err
	},
	still: func(f facts, m method.Method) error {
		_, err := method.ValidateEmail(m.Value, f.org.Domains)
		return err
	},
}
