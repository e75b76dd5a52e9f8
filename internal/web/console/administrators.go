package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

const administratorsPath = "/console/settings/administrators"

// What the page of administrators is asked for.
const (
	grantRole  = "grant_role"
	revokeRole = "revoke_role"
)

type administratorsPage struct {
	page.Base
	May     bool
	Version int64
	Rows    []administratorRow
	Roles   []org.Role
	// What was typed for a role that was refused.
	ToGroup bool
	Typed   string
	Unknown bool // nobody has the user ID Typed
	Role    org.Role
}

type administratorRow struct {
	org.Administrator
	Own bool // whoever looks at the page: nobody changes their own role
}

func (c *Console) administrators(r *http.Request, d desk) *administratorsPage {
	view := &administratorsPage{
		Base: d.base(r, "administrators", "settings"), May: d.as.May(admin.ManageAdministrators), Version: d.Org.Version, Roles: org.Roles, Role: org.Auditor,
	}
	self := org.Administrator{UserID: d.Account.Entry.UserID}
	for _, a := range d.Org.Administrators {
		view.Rows = append(view.Rows, administratorRow{a, a.ID() == self.ID()})
	}
	return view
}

func (c *Console) getAdministrators(w http.ResponseWriter, r *http.Request, d desk) error {
	return c.Pages.Write(w, r, http.StatusOK, "console_administrators", c.administrators(r, d))
}

func (c *Console) postAdministrators(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	view := c.administrators(r, d)
	err = c.changeAdministrators(r, d, form)
	if err == nil {
		return page.See(w, r, administratorsPath+"?"+url.Values{"done": {form["act"]}}.Encode())
	}
	if problem.Has(err, problem.StepUp) {
		return page.See(w, r, "/signin/verify?"+url.Values{"next": {administratorsPath}}.Encode())
	}
	view.ToGroup, view.Typed, view.Unknown = form["to"] == "group", form["name"], problem.Has(err, problem.UserUnknown)
	if role := org.Role(form["role"]); slices.Contains(org.Roles, role) {
		view.Role = role
	}
	if faults := (config.Faults{}); errors.As(err, &faults) {
		err = problem.New(problem.BadInput).On("name").Because(err)
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		return c.refuse(w, r, "console_administrators", view, &view.Base, refusal)
	}
	return err
}

func (c *Console) changeAdministrators(r *http.Request, d desk, form page.Form) error {
	version, err := strconv.ParseInt(form["version"], 10, 64)
	if err != nil {
		return problem.New(problem.BadInput).On("version")
	}
	switch form["act"] {
	case revokeRole:
		return c.Admin.Revoke(r.Context(), d.as, d.Org, form["id"], version)
	case grantRole:
		name := strings.TrimSpace(form["name"])
		if name == "" {
			return problem.New(problem.Required).On("name")
		}
		a := org.Administrator{UserID: name, Role: org.Role(form["role"])}
		if form["to"] == "group" {
			a.UserID, a.Group = "", name
		}
		err := c.Admin.Grant(r.Context(), d.as, d.Org, a, version)
		if found, ok := problem.As(err); ok && found.Field == "user_id" {
			return problem.New(found.Code).On("name")
		}
		return err
	}
	return problem.New(problem.BadInput).On("act")
}
