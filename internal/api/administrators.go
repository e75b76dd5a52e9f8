package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

type administrator struct {
	ID     string   `json:"id"`
	UserID string   `json:"user_id,omitempty" doc:"A person; else it is a group"`
	Group  string   `json:"group,omitempty" doc:"A group of the directory, as the directory spells it"`
	Role   org.Role `json:"role"`
}

type administratorsOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body struct {
		Administrators []administrator `json:"administrators"`
		Next           string          `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type grantInput struct {
	OrgPath
	IfMatch
	Body struct {
		UserID string   `json:"user_id,omitempty" maxLength:"256" doc:"Either a person …"`
		Group  string   `json:"group,omitempty" maxLength:"256" doc:"… or a group of the directory"`
		Role   org.Role `json:"role" doc:"owner, policy_admin, authentication_admin, helpdesk or auditor; a key names no owners"`
	}
}

type revokeInput struct {
	ItemPath
	IfMatch
}

func (a *API) administratorOperations() {
	get(a, "/administrators", "list-administrators", "Who has which role: people and groups of the directory", admin.SeeSettings,
		func(ctx context.Context, in *pagedInput) (out *administratorsOutput, err error) {
			out = administratorsOf(organization(ctx))
			out.Body.Administrators, out.Body.Next, err = pageOf(ctx, a, "list-administrators", in.Paging, out.Body.Administrators, func(one administrator) string { return one.ID })
			return out, err
		})
	register(a, huma.Operation{
		OperationID: "put-administrator", Method: http.MethodPut, Path: "/administrators", Summary: "Give a person or a group a role, in place of the one it has",
		Description: "A key gives and takes every role but owner.",
	}, admin.ManageAdministrators, func(ctx context.Context, in *grantInput) (*administratorsOutput, error) {
		return a.changeAdministrators(ctx, in.IfMatch.Tag, func(version int64) error {
			return a.d.Admin.Grant(ctx, authority(ctx), organization(ctx), org.Administrator{UserID: in.Body.UserID, Group: in.Body.Group, Role: in.Body.Role}, version)
		})
	})
	register(a, huma.Operation{
		OperationID: "delete-administrator", Method: http.MethodDelete, Path: "/administrators/{id}", Summary: "Take a role away",
		Description: "A key gives and takes every role but owner.", DefaultStatus: http.StatusOK,
	}, admin.ManageAdministrators, func(ctx context.Context, in *revokeInput) (*administratorsOutput, error) {
		return a.changeAdministrators(ctx, in.IfMatch.Tag, func(version int64) error {
			return a.d.Admin.Revoke(ctx, authority(ctx), organization(ctx), in.ID, version)
		})
	})
}

func administratorsOf(o *org.Organization) *administratorsOutput {
	out := &administratorsOutput{ETag: etag(o)}
	out.Body.Administrators = make([]administrator, len(o.Administrators))
	for i, one := range o.Administrators {
		out.Body.Administrators[i] = administrator{one.ID(), one.UserID, one.Group, one.Role}
	}
	return out
}

func (a *API) changeAdministrators(ctx context.Context, ifMatch string, change func(version int64) error) (*administratorsOutput, error) {
	version, err := versionIn(ifMatch)
	if err != nil {
		return nil, err
	}
	if err := change(version); err != nil {
		return nil, err
	}
	var after *org.Organization
	err = a.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		after, err = a.d.Orgs.Get(ctx, tx, organization(ctx).ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return administratorsOf(after), nil
}
