package console

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

type directoryPage struct {
	page.Base
	Kept    bool // in Kunci's own database
	State   admin.DirectoryState
	Lines   []ldap.Health
	Mapped  []mapped
	May     bool
	Trial   ldap.Trial // what the form holds; its password is never shown again
	Servers string     // of it, one a line
	Wrong   map[string]bool

	// Results are those of a test that was asked for in this request.
	Results []directoryResult
	// Well is how many of them are as they should be.
	Well int
	// Fragment is what the organization's file would have to say; empty where it says that.
	Fragment string
}

// mapped is an attribute that Kunci reads, by its key in the organization's file.
type mapped struct{ Key, Attribute string }

// directoryResult is a finding of a test. Words of a server that somebody typed
// are not among it.
type directoryResult struct {
	Server, Key string // Key is the catalogues'
	OK          bool
	Setting     string
}

func (c *Console) getDirectory(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.directory(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_directory", view)
}

func (c *Console) directory(r *http.Request, d desk) (*directoryPage, error) {
	state, err := c.Admin.Directory(r.Context(), d.as, d.Org)
	if err != nil {
		return nil, err
	}
	view := &directoryPage{
		Base: d.base(r, "directory", "directory"), Kept: d.Org.Directory.Kind != org.LDAP, State: state,
		May: d.as.May(admin.TestDirectory), Trial: ldap.Standing(d.Org.Directory), Wrong: make(map[string]bool),
	}
	view.Servers = strings.Join(view.Trial.URLs, "\n")
	for key, attribute := range state.Set.Attributes.Named() {
		if attribute != "" {
			view.Mapped = append(view.Mapped, mapped{key, attribute})
		}
	}
	slices.SortFunc(view.Mapped, func(a, b mapped) int { return strings.Compare(a.Key, b.Key) })
	return view, nil
}

func (c *Console) postDirectory(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.directory(r, d)
	if err != nil {
		return err
	}
	form, err := page.ReadLongForm(r)
	if err != nil {
		return err
	}
	if form["action"] == "sync" {
		if err := c.Admin.SyncDirectory(r.Context(), d.as, d.Org); err != nil {
			return err
		}
		return page.See(w, r, "/console/directory")
	}
	view.Servers = form["urls"]
	view.Trial = ldap.Trial{
		URLs: strings.Fields(form["urls"]), StartTLS: form["start_tls"] == "yes", BindDN: strings.TrimSpace(form["bind_dn"]), BaseDN: strings.TrimSpace(form["base_dn"]),
		UserFilter: strings.TrimSpace(form["user_filter"]), Authorities: strings.TrimSpace(form["authorities"]), Sample: strings.TrimSpace(form["sample"]),
	}
	trial := view.Trial
	trial.Password = form["bind_password"]
	found, err := c.Admin.TestDirectory(r.Context(), d.as, d.Org, trial)
	var faults config.Faults
	if errors.As(err, &faults) {
		err = view.blame(faults)
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		return c.refuse(w, r, "console_directory", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	for _, f := range found {
		result := directoryResult{Server: f.Server, OK: f.OK, Setting: f.Setting, Key: f.Key()}
		if f.OK {
			view.Well++
		}
		view.Results = append(view.Results, result)
	}
	if view.Fragment, err = fragment(d.Org.Directory, trial); err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_directory", view)
}

// blame puts what is wrong beside its field.
func (v *directoryPage) blame(faults config.Faults) *problem.Error {
	first := ""
	for _, f := range faults {
		field, _, _ := strings.Cut(strings.TrimPrefix(f.Key, "directory."), "[")
		v.Wrong[field] = true
		if first == "" {
			first = field
		}
	}
	return problem.New(problem.DirectoryInput).On(first)
}

// fragment is what the organization's file would have to say for a connection to
// be used that was tried; empty for the one that is.
func fragment(standing org.DirectoryConfig, t ldap.Trial) (string, error) {
	now := ldap.Standing(standing)
	if reflect.DeepEqual(now, ldap.Trial{URLs: t.URLs, StartTLS: t.StartTLS, BindDN: t.BindDN, BaseDN: t.BaseDN, UserFilter: t.UserFilter}) {
		return "", nil
	}
	var file struct {
		Directory struct {
			URLs       []string `json:"urls"`
			StartTLS   bool     `json:"start_tls"`
			BindDN     string   `json:"bind_dn"`
			BaseDN     string   `json:"base_dn"`
			UserFilter string   `json:"user_filter,omitzero"`
		} `json:"directory"`
	}
	d := &file.Directory
	d.URLs, d.StartTLS, d.BindDN, d.BaseDN, d.UserFilter = t.URLs, t.StartTLS, t.BindDN, t.BaseDN, t.UserFilter
	text, err := config.Encode(file)
	return string(text), err
}
