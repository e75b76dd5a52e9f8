package securityinfo

import (
	"context"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// hardwareToken is a token that an administrator handed to the person: it is
// there already, and begins to count with a code of it.
var hardwareToken = registrar{
	draft: func(_ context.Context, _ *Service, f facts, form Form) (Draft, error) {
		for _, t := range f.waiting() {
			if form["token"] == "" || form["token"] == t.ID {
				return Draft{Method: t.Method()}, nil
			}
		}
		return Draft{}, problem.New(problem.MethodKind).On("token")
	},
}

// waiting are the tokens that the person has and did not activate.
func (f facts) waiting() []method.Token {
	var all []method.Token
	for _, t := range f.tokens {
		if !t.Active {
			all = append(all, t)
		}
	}
	return all
}
