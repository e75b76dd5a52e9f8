package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/store"
)

// OwnedDomain is a domain, with what proves it.
type OwnedDomain struct {
	Domain     string        `json:"domain"`
	State      domain.State  `json:"state" enum:"pending,verified,failed" doc:"User IDs of a verified domain lead to the organization, no others"`
	ByOperator bool          `json:"by_operator" doc:"The organization's file names it; it needs no record"`
	Record     string        `json:"record,omitempty" doc:"The name of the TXT record to put into the DNS"`
	Value      string        `json:"value,omitempty" doc:"Its text"`
	Reason     domain.Reason `json:"reason,omitempty" enum:"not-found,other,unreachable,taken" doc:"Why the last look proved nothing"`
	CheckedAt  *time.Time    `json:"checked_at,omitempty"`
	VerifiedAt *time.Time    `json:"verified_at,omitempty"`
	GoneAt     *time.Time    `json:"gone_at,omitempty" doc:"Since when the record of a verified domain is missing; it stays verified"`
}

type domainsOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body struct {
		Domains []OwnedDomain `json:"domains"`
		Next    string        `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type domainOutput struct {
	Body OwnedDomain
}

type domainEffectOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body struct {
		OwnedDomain
		People *int `json:"people,omitempty" doc:"How many could no longer sign in or reset without it; absent: the directory cannot be counted"`
	}
}

type domainPath struct {
	OrgPath
	Domain string `path:"domain" maxLength:"260"`
}

type domainInput struct {
	OrgPath
	Body struct {
		Domain string `json:"domain,omitempty" maxLength:"260" doc:"Like contoso.com; international names in their xn-- form"`
	}
}

type domainRemoval struct {
	OrgPath
	Domain string `path:"domain" maxLength:"260"`
	IfMatch
}

func (a *API) domainOperations() {
	get(a, "/domains", "list-domains", "The domains, and those that wait for their proof", admin.SeeSettings, func(ctx context.Context, in *pagedInput) (*domainsOutput, error) {
		o, out := organization(ctx), &domainsOutput{}
		out.ETag, out.Body.Domains = etag(o), []OwnedDomain{}
		return out, a.d.DB.Read(ctx, func(tx *store.Tx) error {
			all, err := a.d.Domains.List(ctx, tx, o)
			if err == nil {
				all, out.Body.Next, err = pageOf(ctx, a, "list-domains", in.Paging, all, func(d domain.Domain) string { return d.Name })
			}
			for _, d := range all {
				out.Body.Domains = append(out.Body.Domains, owned(d))
			}
			return err
		})
	})
	get(a, "/domains/{domain}", "get-domain", "A domain, and what removing it would do", admin.SeeSettings, a.domain)
	register(a, huma.Operation{
		OperationID: "add-domain", Method: http.MethodPost, Path: "/domains", DefaultStatus: http.StatusOK,
		Summary: "Ask for a domain", Description: "Nothing leads there until its record was seen. A domain that is there already is given as it is.",
	}, admin.ManageDomains, func(ctx context.Context, in *domainInput) (*domainOutput, error) {
		out := &domainOutput{}
		return out, a.d.DB.Write(ctx, func(tx *store.Tx) error {
			d, err := a.d.Domains.Add(ctx, tx, authority(ctx).By, organization(ctx), in.Body.Domain)
			out.Body = owned(d)
			return err
		})
	})
	register(a, huma.Operation{
		OperationID: "verify-domain", Method: http.MethodPost, Path: "/domains/{domain}/verify", DefaultStatus: http.StatusOK,
		Summary: "Look for a domain's record", Description: "What was found is in state and reason. One organization has its record looked for 30 times in ten minutes.",
	}, admin.ManageDomains, func(ctx context.Context, in *domainPath) (*domainOutput, error) {
		d, err := a.d.Domains.Verify(ctx, authority(ctx).By, organization(ctx), in.Domain)
		if err != nil {
			return nil, err
		}
		return &domainOutput{owned(d)}, nil
	})
	register(a, huma.Operation{
		OperationID: "delete-domain", Method: http.MethodDelete, Path: "/domains/{domain}", DefaultStatus: http.StatusNoContent,
		Summary: "Remove a domain, or stop waiting for it", Description: "People whose user IDs are in it can no longer sign in or reset.",
	}, admin.ManageDomains, func(ctx context.Context, in *domainRemoval) (*struct{}, error) {
		version, err := versionIn(in.IfMatch.Tag)
		if err != nil {
			return nil, err
		}
		return nil, a.d.DB.Write(ctx, func(tx *store.Tx) error {
			return a.d.Domains.Remove(ctx, tx, authority(ctx).By, organization(ctx).ID, in.Domain, version)
		})
	})
}

func (a *API) domain(ctx context.Context, in *domainPath) (*domainEffectOutput, error) {
	o, out := organization(ctx), &domainEffectOutput{}
	var d domain.Domain
	err := a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = a.d.Domains.One(ctx, tx, o, in.Domain)
		return err
	})
	if err != nil {
		return nil, err
	}
	n, known, err := a.d.Admin.PeopleIn(ctx, o, d.Name)
	if known {
		out.Body.People = &n
	}
	out.ETag, out.Body.OwnedDomain = etag(o), owned(d)
	return out, err
}

func owned(d domain.Domain) OwnedDomain {
	return OwnedDomain{
		Domain: d.Name, State: d.State, ByOperator: d.ByOperator, Record: d.Record, Value: d.Value, Reason: d.Reason,
		CheckedAt: some(d.CheckedAt), VerifiedAt: some(d.VerifiedAt), GoneAt: some(d.GoneAt),
	}
}
