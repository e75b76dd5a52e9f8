package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/contrast"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// Branding is what people recognize their organization by, with the keys of its file.
type Branding struct {
	Name      string `json:"name,omitempty" maxLength:"400" doc:"Never empty"`
	Language  string `json:"language,omitempty" maxLength:"10" doc:"Of pages and messages for whoever has said no other, like id. Absent in a change: stays"`
	TimeZone  string `json:"time_zone,omitempty" maxLength:"60" doc:"Of the times on pages and in messages, by the IANA database, like Asia/Jakarta; absent: UTC. Absent in a change: stays"`
	Color     string `json:"color,omitempty" maxLength:"7" doc:"On light pages, like #0f6cbd; empty: the product's"`
	ColorDark string `json:"color_dark,omitempty" maxLength:"7" doc:"On dark pages; empty: color, lightened"`
	Support   struct {
		Email string            `json:"email,omitempty" maxLength:"320"`
		URL   string            `json:"url,omitempty" maxLength:"500"`
		Phone string            `json:"phone,omitempty" maxLength:"160"`
		Text  map[string]string `json:"text,omitempty" doc:"One line by language, such as id; under the empty name for every language"`
	} `json:"support,omitempty" doc:"The helpdesk, at the foot of every page"`
	Links struct {
		Privacy string `json:"privacy,omitempty" maxLength:"500"`
		Help    string `json:"help,omitempty" maxLength:"500"`
	} `json:"links,omitempty" doc:"Pages of the organization's own"`
}

type brandingOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body struct {
		Branding
		Logo     *logoInfo    `json:"logo,omitempty" doc:"Absent: there is none"`
		Contrast *contrastOut `json:"contrast,omitempty" doc:"Of the colors as pages show them (WCAG 2.2, 1.4.3)"`
	}
}

type logoInfo struct {
	Type  string `json:"type" enum:"image/png,image/jpeg,image/webp,image/svg+xml"`
	Bytes int    `json:"bytes"`
	Path  string `json:"path" doc:"Where pages have it from"`
}

type contrastOut struct {
	Light float64 `json:"light" doc:"The lowest on light pages"`
	Dark  float64 `json:"dark"`
}

type brandingInput struct {
	OrgPath
	IfMatch
	Body Branding
}

type logoInput struct {
	OrgPath
	IfMatch
	RawBody []byte `contentType:"application/octet-stream"`
}

type logoRemoval struct {
	OrgPath
	IfMatch
}

func (a *API) brandingOperations() {
	get(a, "/branding", "get-branding", "Name, colors, logo, contacts and links", admin.SeeSettings, func(ctx context.Context, _ *OrgPath) (*brandingOutput, error) {
		return brandingOf(organization(ctx)), nil
	})
	register(a, huma.Operation{
		OperationID: "put-branding", Method: http.MethodPut, Path: "/branding", Summary: "Replace name, colors, contacts and links",
		Description: "A color in which text cannot be read is refused, with the nearest one that can. The logo stays.",
	}, admin.ChangeBranding, func(ctx context.Context, in *brandingInput) (*brandingOutput, error) {
		return a.setAppearance(ctx, in.IfMatch.Tag, func(look *org.Appearance) {
			look.Name, look.Branding.Color, look.Branding.ColorDark = in.Body.Name, in.Body.Color, in.Body.ColorDark
			look.Language, look.TimeZone = cmp.Or(in.Body.Language, look.Language), cmp.Or(in.Body.TimeZone, look.TimeZone)
			look.Support = org.Support{Email: in.Body.Support.Email, URL: in.Body.Support.URL, Phone: in.Body.Support.Phone}
			if len(in.Body.Support.Text) > 0 {
				look.Support.Text = config.Texts(in.Body.Support.Text)
			}
			look.Links = org.Links{Privacy: in.Body.Links.Privacy, Help: in.Body.Links.Help}
		})
	})
	register(a, huma.Operation{
		OperationID: "put-logo", Method: http.MethodPut, Path: "/branding/logo", Summary: "Replace the logo",
		Description:  "The body is the picture: PNG, JPEG or SVG, at most 256 KiB. What it is shows in its bytes, whatever Content-Type says. PNG and JPEG are drawn anew; an SVG that does more than draw is refused.",
		MaxBodyBytes: org.MaxLogo + 1,
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"image/png": {Schema: picture()}, "image/jpeg": {Schema: picture()}, "image/svg+xml": {Schema: picture()},
		}},
	}, admin.ChangeBranding, func(ctx context.Context, in *logoInput) (*brandingOutput, error) {
		clean, err := org.CleanLogo(in.RawBody)
		if err != nil {
			return nil, err
		}
		return a.setAppearance(ctx, in.IfMatch.Tag, func(look *org.Appearance) {
			look.Branding.Logo, look.Branding.LogoType = clean.Logo, clean.LogoType
		})
	})
	register(a, huma.Operation{
		OperationID: "delete-logo", Method: http.MethodDelete, Path: "/branding/logo", Summary: "Have no logo", DefaultStatus: http.StatusOK,
	}, admin.ChangeBranding, func(ctx context.Context, in *logoRemoval) (*brandingOutput, error) {
		return a.setAppearance(ctx, in.IfMatch.Tag, func(look *org.Appearance) {
			look.Branding.Logo, look.Branding.LogoType = nil, ""
		})
	})
}

func picture() *huma.Schema { return &huma.Schema{Type: huma.TypeString, Format: "binary"} }

func (a *API) setAppearance(ctx context.Context, ifMatch string, change func(*org.Appearance)) (*brandingOutput, error) {
	after, err := a.edit(ctx, ifMatch, func(tx *store.Tx, version int64) error {
		return a.d.Orgs.SetAppearance(ctx, tx, authority(ctx).By, organization(ctx).ID, version, change)
	})
	if err != nil {
		return nil, err
	}
	return brandingOf(after), nil
}

func brandingOf(o *org.Organization) *brandingOutput {
	out := &brandingOutput{ETag: etag(o)}
	b := &out.Body
	b.Language, b.TimeZone = o.Language, o.TimeZone
	b.Name, b.Color, b.ColorDark = o.Name, o.Branding.Color, o.Branding.ColorDark
	b.Support.Email, b.Support.URL, b.Support.Phone, b.Support.Text = o.Support.Email, o.Support.URL, o.Support.Phone, o.Support.Text
	b.Links.Privacy, b.Links.Help = o.Links.Privacy, o.Links.Help
	if n := len(o.Branding.Logo); n > 0 {
		b.Logo = &logoInfo{o.Branding.LogoType, n, "/logo/" + o.Slug}
	}
	if s, ok := contrast.ShadesOf(o.Branding.Color, o.Branding.ColorDark); ok {
		b.Contrast = &contrastOut{s.OnLight, s.OnDark}
	}
	return out
}
