package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/session"
)

// heldSession is one browser in which a person is signed in.
type heldSession struct {
	ID         string    `json:"id"`
	BeganAt    time.Time `json:"began_at"`
	UsedAt     time.Time `json:"used_at" doc:"Noted once a minute"`
	EndsAt     time.Time `json:"ends_at" doc:"If it is not used any more"`
	Level      string    `json:"level" enum:"partial,full" doc:"partial: the second factor is still asked for"`
	Factor     string    `json:"second_factor,omitempty" doc:"The kind of method that was proved, identity_provider, or deleted for one that is gone"`
	MustChange bool      `json:"must_change_password"`
}

type sessionsInput struct {
	PersonPath
	Paging
}

type sessionsOutput struct {
	Body struct {
		Sessions []heldSession `json:"sessions"`
		Next     string        `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type sessionInput struct {
	PersonPath
	Session string `path:"session" maxLength:"40"`
}

type heldMethodInput struct {
	PersonPath
	Method string `path:"method" maxLength:"40"`
}

// heldOperations are about what a person holds: sessions, and methods one by one.
func (a *API) heldOperations() {
	get(a, "/people/{id}/sessions", "list-sessions", "Where a person is signed in, the last used first", admin.RevokeSessions, a.sessions)
	register(a, huma.Operation{
		OperationID: "delete-session", Method: http.MethodDelete, Path: "/people/{id}/sessions/{session}", DefaultStatus: http.StatusNoContent,
		Summary: "Sign a person out in one browser", Description: "Every session at once: act-on-person with revoke_sessions.",
	}, admin.RevokeSessions, func(ctx context.Context, in *sessionInput) (*struct{}, error) {
		p, err := a.d.Admin.ByKey(ctx, authority(ctx), organization(ctx), in.Key)
		if err != nil {
			return nil, err
		}
		return nil, a.d.Admin.EndSession(ctx, authority(ctx), organization(ctx), p, in.Session)
	})
	register(a, huma.Operation{
		OperationID: "delete-method", Method: http.MethodDelete, Path: "/people/{id}/methods/{method}", DefaultStatus: http.StatusNoContent,
		Summary: "Delete a method of a person", Description: "For a device that was lost or stolen: it counts no more at once, and its person cannot bring it back.",
	}, admin.ManageMethods, func(ctx context.Context, in *heldMethodInput) (*struct{}, error) {
		p, err := a.d.Admin.ByKey(ctx, authority(ctx), organization(ctx), in.Key)
		if err != nil {
			return nil, err
		}
		return nil, a.d.Admin.DeleteMethod(ctx, authority(ctx), organization(ctx), p, in.Method)
	})
	register(a, huma.Operation{
		OperationID: "restore-method", Method: http.MethodPost, Path: "/people/{id}/methods/{method}/restore", DefaultStatus: http.StatusOK,
		Summary: "Bring a deleted method of a person back", Description: "Whoever deleted it, for seven days. One that is there already stays as it is.",
	}, admin.ManageMethods, func(ctx context.Context, in *heldMethodInput) (*personOutput, error) {
		o, as := organization(ctx), authority(ctx)
		p, err := a.d.Admin.ByKey(ctx, as, o, in.Key)
		if err != nil {
			return nil, err
		}
		if err := a.d.Admin.RestoreMethod(ctx, as, o, p, in.Method); err != nil {
			return nil, err
		}
		if p, err = a.d.Admin.ByKey(ctx, as, o, in.Key); err != nil {
			return nil, err
		}
		return a.person(ctx, p), nil
	})
}

func (a *API) sessions(ctx context.Context, in *sessionsInput) (*sessionsOutput, error) {
	o, as := organization(ctx), authority(ctx)
	p, err := a.d.Admin.ByKey(ctx, as, o, in.Key)
	if err != nil {
		return nil, err
	}
	all, err := a.d.Admin.Sessions(ctx, as, o, p)
	if err != nil {
		return nil, err
	}
	out := &sessionsOutput{}
	all, out.Body.Next, err = pageOf(ctx, a, "list-sessions "+p.Account.ID, in.Paging, all, func(s session.Session) string { return s.ID })
	if err != nil {
		return nil, err
	}
	out.Body.Sessions = make([]heldSession, len(all))
	for i, s := range all {
		out.Body.Sessions[i] = heldSession{
			ID: s.ID, BeganAt: s.CreatedAt.UTC(), UsedAt: s.SeenAt.UTC(), EndsAt: s.Ends().UTC(), Level: string(s.Level), Factor: p.FactorOf(s), MustChange: s.MustChange,
		}
	}
	return out, nil
}
