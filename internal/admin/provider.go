package admin

import (
	"context"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/store"
)

// ProviderState is an organization's identity provider as its administrators see it:
// neither the client's secret nor a file of the server.
type ProviderState struct {
	provider.State
	Name, Issuer, ClientID string
	Claim                  string // that holds the user ID
	SecondFactor           string // org.AskFactor or org.TrustAMR
	// Return and Left are the addresses that are registered there: to come back to
	// after signing in, and after signing out.
	Return, Left string
}

// IdentityProvider tells how an organization's identity provider is configured and
// how it was when a node last looked at it. It is not asked for it. Problems:
// Forbidden, NotFound (there is none).
func (s *Service) IdentityProvider(ctx context.Context, as Authority, o *org.Organization) (ProviderState, error) {
	p := o.IdentityProvider
	switch {
	case !as.May(SeeSettings):
		return ProviderState{}, problem.New(problem.Forbidden)
	case !p.On():
		return ProviderState{}, problem.New(problem.NotFound)
	}
	state := ProviderState{
		Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, Claim: p.Claim(), SecondFactor: org.AskFactor,
		Return: s.d.Provider.ReturnURL(o), Left: s.d.Provider.LeftURL(o),
	}
	if p.Trusted() {
		state.SecondFactor = org.TrustAMR
	}
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		state.State, err = s.d.Provider.State(ctx, tx, o)
		return err
	})
	return state, err
}
