package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

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

	Version int64
	Leave   bool // the box was ticked that people may leave their accounts here
	Fresh   bool // a second factor was proved moments ago
	Every   []pace
	// Attributes are the fields of attributes, by key.
	Attributes []mapped

	// Results are those of a test that was asked for in this request.
	Results []directoryResult
	// Well is how many of them are as they should be.
	Well int
	// Changes are what saving the connection would change.
	Changes []org.Change
}

// pace is how often a directory can be listed.
type pace struct {
	Every  time.Duration
	Chosen bool
}

// Value is the pace in a form, as in a file.
func (p pace) Value() string { return config.Duration(p.Every) }

// mapped is an attribute that Kunci reads, by its key in the organization's file.
type mapped struct{ Key, Attribute string }

// directoryResult is a finding of a test. Words of a server that somebody typed
// are not among it.
type directoryResult struct {
	Server, Key string // Key is the catalogues'
	OK, Warning bool
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
	view.Version, view.Fresh = d.Org.Version, d.as.Fresh
	for key, attribute := range state.Set.Attributes.Named() {
		if attribute != "" {
			view.Mapped = append(view.Mapped, mapped{key, attribute})
		}
	}
	slices.SortFunc(view.Mapped, func(a, b mapped) int { return strings.Compare(a.Key, b.Key) })
	view.show(view.Trial)
	return view, nil
}

// show puts a connection into the fields.
func (v *directoryPage) show(t ldap.Trial) {
	t.Password = ""
	v.Trial, v.Servers = t, strings.Join(t.URLs, "\n")
	v.Attributes = nil
	for key, attribute := range t.Attributes.Named() {
		v.Attributes = append(v.Attributes, mapped{key, attribute})
	}
	slices.SortFunc(v.Attributes, func(a, b mapped) int { return strings.Compare(a.Key, b.Key) })
	v.Every = nil
	for _, every := range []time.Duration{0, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		v.Every = append(v.Every, pace{every, every == t.Sync.Every})
	}
	if !slices.ContainsFunc(v.Every, func(p pace) bool { return p.Chosen }) {
		v.Every = append(v.Every, pace{t.Sync.Every, true})
	}
}

// Dialects are those that can be chosen.
func (v *directoryPage) Dialects() []string {
	return []string{org.OpenLDAP, org.ActiveDirectory, org.FreeIPA, org.DS389}
}

// typedConnection is the connection that a form holds. What stands in no field of it is
// as the organization has it.
func typedConnection(form page.Form, standing ldap.Trial) (ldap.Trial, error) {
	t := standing
	t.URLs, t.StartTLS, t.WriteBack = strings.Fields(form["urls"]), form["start_tls"] == "yes", form["write_back"] == "yes"
	named := make(map[string]string)
	for key := range form {
		if name, ok := strings.CutPrefix(key, "attributes."); ok {
			named[name] = strings.TrimSpace(form[key])
		}
	}
	if len(named) > 0 {
		var ok bool
		if t.Attributes, ok = org.ReadAttributes(named); !ok {
			return t, problem.New(problem.BadInput).On("attributes")
		}
	}
	for field, into := range map[string]*string{
		"dialect": &t.Dialect, "bind_dn": &t.BindDN, "base_dn": &t.BaseDN, "user_filter": &t.UserFilter, "group_filter": &t.GroupFilter,
		"authorities": &t.Authorities, "sample": &t.Sample, "sync_filter": &t.Sync.Filter,
	} {
		if text, ok := form[field]; ok {
			*into = strings.TrimSpace(text)
		}
	}
	if text := form["sync_every"]; text != "" {
		every, err := time.ParseDuration(text)
		if err != nil {
			return t, problem.New(problem.BadInput).On("sync_every")
		}
		t.Sync.Every = every
	}
	t.Password = form["bind_password"]
	return t, nil
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
	trial, err := typedConnection(form, ldap.Standing(d.Org.Directory))
	if err != nil {
		return err
	}
	view.show(trial)
	view.Servers, view.Leave = form["urls"], form["leave_accounts"] == "yes"
	var found []ldap.Finding
	if form["action"] == "save" {
		var done admin.Connected
		version, _ := strconv.ParseInt(form["version"], 10, 64) // none is no version
		if done, err = c.Admin.ConnectDirectory(r.Context(), d.as, d.Org, trial, view.Leave, version); err == nil {
			return page.See(w, r, "/console/directory?"+url.Values{"done": {saved(done.Findings)}}.Encode())
		}
		found = done.Findings
	} else {
		found, err = c.Admin.TestDirectory(r.Context(), d.as, d.Org, trial)
	}
	if err == nil {
		view.Changes, err = admin.ConnectionChanges(d.Org, trial)
	}
	view.tell(found)
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
	return c.Pages.Write(w, r, http.StatusOK, "console_directory", view)
}

// saved names the sentence that is shown after a connection was saved.
func saved(found []ldap.Finding) string {
	if slices.ContainsFunc(found, func(f ldap.Finding) bool { return f.Warning }) {
		return string(admin.ConnectDirectory) + "_warned"
	}
	return string(admin.ConnectDirectory)
}

func (v *directoryPage) tell(found []ldap.Finding) {
	for _, f := range found {
		if f.OK {
			v.Well++
		}
		v.Results = append(v.Results, directoryResult{Server: f.Server, OK: f.OK, Warning: f.Warning, Setting: f.Setting, Key: f.Key()})
	}
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
	v.Wrong["attributes"] = slices.ContainsFunc(faults, func(f config.Fault) bool { return strings.HasPrefix(f.Key, "directory.attributes") })
	return problem.New(problem.DirectoryInput).On(first)
}
