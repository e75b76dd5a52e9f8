package securityinfo

import "context"

// passkey is made by the person's device. What waits is whom it is made for;
// the answer to its challenge brings the key.
var passkey = registrar{
	draft: func(_ context.Context, s *Service, f facts, _ Form) (Draft, error) {
		m, err := s.d.Methods.NewPasskey(f.org.ID, f.account.ID, f.methods)
		return Draft{Method: m}, err
	},
}
