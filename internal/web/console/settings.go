package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/contrast"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/webhook"
)

type settingsPage struct {
	page.Base
	Slug, Language string
	Domains        []string
	Administrators []org.Administrator
	Directory      directoryView
	Provider       *admin.ProviderState // nil: there is none
	// Color is what the organization asked for, and what people see of it.
	Color, Shown           string
	Asked, OnLight, OnDark float64
	Changed                bool

	Hooks   []webhook.Hook
	Keys    []keyView
	MayKeys bool
	// MayBrand lets one change what the organization looks like.
	MayBrand bool
	Roles    []org.Role
	// What was typed for a key that was refused.
	KeyName, KeyDays string
	KeyRole          org.Role
	// Made is the text of a new key: told in this answer and never again.
	Made string
}

// directoryView is what may be seen of a directory: neither an account nor a file of it.
type directoryView struct {
	Kind, Dialect, Base string
	Servers             []string
	WriteBack           bool
}

type keyView struct {
	admin.APIKey
	State string // live, revoked or over
}

// keyRoles are what a key can be made for.
var keyRoles = append(slices.Clone(org.Roles), admin.FrontEnd)

const usualDays = "90"

func (c *Console) getSettings(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.settings(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_settings", view)
}

func (c *Console) settings(r *http.Request, d desk) (*settingsPage, error) {
	o := d.Org
	view := &settingsPage{
		Base: d.base(r, "settings", "settings"), Slug: o.Slug, Language: o.Language, Domains: o.Domains, Administrators: o.Administrators,
		Directory: directoryView{o.Directory.Kind, o.Directory.Dialect, o.Directory.BaseDN, o.Directory.URLs, o.Directory.WriteBack || o.Directory.Kind != org.LDAP},
		Color:     o.Branding.Color, MayKeys: d.as.May(admin.ManageKeys), MayBrand: d.as.May(admin.ChangeBranding), Roles: keyRoles, KeyDays: usualDays, KeyRole: org.Auditor,
	}
	if s, ok := contrast.ShadesOf(o.Branding.Color, o.Branding.ColorDark); ok {
		view.Shown, view.Changed = s.Light, s.Changed()
		view.Asked, view.OnLight, view.OnDark = contrast.Ratio(s.Asked), contrast.Ratio(s.OnLight), contrast.Ratio(s.OnDark)
	}
	err := c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		view.Hooks, err = c.Webhooks.List(r.Context(), tx, o.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if o.IdentityProvider.On() {
		found, err := c.Admin.IdentityProvider(r.Context(), d.as, o)
		if err != nil {
			return nil, err
		}
		view.Provider = &found
	}
	keys, err := c.Admin.Keys(r.Context(), d.as, o)
	for _, k := range keys {
		state := "live"
		switch {
		case !k.RevokedAt.IsZero():
			state = "revoked"
		case !k.Lives(c.DB.Now()):
			state = "over"
		}
		view.Keys = append(view.Keys, keyView{k, state})
	}
	return view, err
}

func (c *Console) postSettings(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	if form["act"] == "revoke_key" {
		if err := c.Admin.RevokeKey(r.Context(), d.as, d.Org, form["id"]); err != nil {
			return err
		}
		return page.See(w, r, "/console/settings?"+url.Values{"done": {"revoke_key"}}.Encode())
	}
	made, err := c.makeKey(r, d, form)
	view, viewErr := c.settings(r, d)
	if viewErr != nil {
		return viewErr
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view.KeyName, view.KeyDays = form["name"], form["life"]
		if role := org.Role(form["role"]); slices.Contains(keyRoles, role) {
			view.KeyRole = role
		}
		return c.refuse(w, r, "console_settings", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	view.Made = made
	return c.Pages.Write(w, r, http.StatusOK, "console_settings", view)
}

func (c *Console) makeKey(r *http.Request, d desk, form page.Form) (string, error) {
	days, err := strconv.Atoi(strings.TrimSpace(form["life"]))
	if err != nil || days < 1 || days > int(admin.LongestKey/(24*time.Hour)) {
		return "", problem.New(problem.BadInput).On("life")
	}
	_, text, err := c.Admin.NewKey(r.Context(), d.as, d.Org, form["name"], org.Role(form["role"]), time.Duration(days)*24*time.Hour)
	return text, err
}
