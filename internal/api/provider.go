package api

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/admin"
)

type providerOutput struct {
	Body struct {
		Name         string     `json:"name"`
		Issuer       string     `json:"issuer"`
		ClientID     string     `json:"client_id"`
		UserIDClaim  string     `json:"user_id_claim"`
		SecondFactor string     `json:"second_factor" enum:"ask,trust_amr"`
		ReturnURL    string     `json:"return_url" doc:"To be registered at the provider: where people come back to who signed in"`
		SignedOutURL string     `json:"signed_out_url" doc:"To be registered at the provider: where people come back to who signed out"`
		State        string     `json:"state" enum:"unknown,reached,not_reached" doc:"When a node last looked; nothing is asked for it"`
		Since        *time.Time `json:"since,omitempty" doc:"Since when it is so"`
		LookedAt     *time.Time `json:"looked_at,omitempty"`
		Reason       string     `json:"reason,omitempty" enum:"not-public,timeout,unreachable,certificate,issuer,description,keys,file" doc:"Why it is not reached"`
		SignsOut     bool       `json:"signs_out" doc:"It offers RP-Initiated Logout: whoever signs out here can sign out there"`
	}
}

func (a *API) providerOperations() {
	get(a, "/identity-provider", "get-identity-provider", "The identity provider as it is configured, and whether it is reached", admin.SeeSettings, func(ctx context.Context, _ *OrgPath) (*providerOutput, error) {
		found, err := a.d.Admin.IdentityProvider(ctx, authority(ctx), organization(ctx))
		if err != nil {
			return nil, err
		}
		out := &providerOutput{}
		b := &out.Body
		b.Name, b.Issuer, b.ClientID, b.UserIDClaim, b.SecondFactor = found.Name, found.Issuer, found.ClientID, found.Claim, found.SecondFactor
		b.ReturnURL, b.SignedOutURL, b.SignsOut, b.Reason = found.Return, found.Left, found.SignsOut, found.Reason
		b.Since, b.LookedAt, b.State = some(found.Since), some(found.LookedAt), "unknown"
		switch {
		case found.LookedAt.IsZero():
		case found.Reached:
			b.State = "reached"
		default:
			b.State = "not_reached"
		}
		return out, nil
	})
}
