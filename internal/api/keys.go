package api

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/org"
)

type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name" doc:"What it is for"`
	Role      org.Role   `json:"role"`
	Live      bool       `json:"live"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

type keysOutput struct {
	Body struct {
		Keys []apiKey `json:"keys"`
		Next string   `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

func (a *API) keyOperations() {
	get(a, "/keys", "list-keys", "The keys of programs, the newest first; the keys themselves are not kept", admin.SeeSettings,
		func(ctx context.Context, in *pagedInput) (*keysOutput, error) {
			all, err := a.d.Admin.Keys(ctx, authority(ctx), organization(ctx))
			if err != nil {
				return nil, err
			}
			out, now := &keysOutput{}, a.d.DB.Now()
			all, out.Body.Next, err = pageOf(ctx, a, "list-keys", in.Paging, all, func(k admin.APIKey) string { return k.ID })
			if err != nil {
				return nil, err
			}
			out.Body.Keys = make([]apiKey, len(all))
			for i, k := range all {
				out.Body.Keys[i] = apiKey{k.ID, k.Name, k.Role, k.Lives(now), k.CreatedAt.UTC(), k.ExpiresAt.UTC(), some(k.UsedAt), some(k.RevokedAt)}
			}
			return out, nil
		})
}
