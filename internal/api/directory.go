package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

type directoryOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body struct {
		Kind            string            `json:"kind"`
		Dialect         string            `json:"dialect,omitempty"`
		URLs            []string          `json:"urls,omitempty"`
		StartTLS        bool              `json:"start_tls,omitempty"`
		OwnAuthority    bool              `json:"own_authority,omitempty" doc:"Certificates are judged by the organization's own authority"`
		BindDN          string            `json:"bind_dn,omitempty" doc:"Only for those who may try a connection"`
		PasswordSet     bool              `json:"password_set,omitempty" doc:"This node has a password for bind_dn; it is told to nobody"`
		Password        string            `json:"password,omitempty" enum:"kept,file" doc:"Where the password is: kept here, sealed, or in a file on every node"`
		ConsoleURLs     []string          `json:"urls_from_console,omitempty" doc:"Servers that the console or a program named: reached at public addresses and in allowed_networks only"`
		Sync            *directorySync    `json:"sync,omitempty"`
		BaseDN          string            `json:"base_dn,omitempty"`
		UserFilter      string            `json:"user_filter,omitempty"`
		GroupFilter     string            `json:"group_filter,omitempty"`
		Attributes      map[string]string `json:"attributes,omitempty"`
		WriteBack       bool              `json:"write_back"`
		AllowedNetworks []string          `json:"allowed_networks,omitempty"`
		Servers         []directoryServer `json:"servers,omitempty" doc:"As this node knows them; nothing is asked for it"`
		People          int               `json:"people"`
		List            *directoryList    `json:"list,omitempty" doc:"Where the organization asks for one"`
		Partial         bool              `json:"partial" doc:"The directory cannot be listed: only people whom Kunci has met are counted"`
		Enabled         int               `json:"sspr_enabled"`
		Capable         int               `json:"sspr_capable"`
	}
}

// directorySync is how often a directory is listed.
type directorySync struct {
	Every  string `json:"every" maxLength:"32" doc:"As in the file: 1h, or 0 for no list"`
	Filter string `json:"filter,omitempty" maxLength:"2000"`
}

// directoryList is how the list of a directory stands.
type directoryList struct {
	Listed   bool       `json:"listed" doc:"There is a list of the directory as it is configured now"`
	Entries  int        `json:"entries"`
	ReadAt   *time.Time `json:"read_at,omitempty"`
	Whole    bool       `json:"whole" doc:"The last pass read everybody, not only what changed"`
	Running  bool       `json:"running"`
	Failure  string     `json:"failure,omitempty" enum:"unavailable,rights,nobody,internal" doc:"Why the last pass failed"`
	FailedAt *time.Time `json:"failed_at,omitempty"`
}

type directoryServer struct {
	URL        string     `json:"url"`
	AnsweredAt *time.Time `json:"answered_at,omitempty"`
	DownSince  *time.Time `json:"down_since,omitempty"`
	Writes     bool       `json:"writes" doc:"It did not refuse a change as a replica a moment ago"`
	RefusedAt  *time.Time `json:"refused_at,omitempty"`
	Refusal    string     `json:"refusal,omitempty" doc:"The result of RFC 4511 with its number, or: file"`
}

// DirectoryTrial is a connection to try or to save. What is left out is as the organization has it.
type DirectoryTrial struct {
	Dialect     *string           `json:"dialect,omitempty" enum:"openldap,389ds,freeipa,active_directory"`
	URLs        []string          `json:"urls,omitempty" maxItems:"8"`
	StartTLS    *bool             `json:"start_tls,omitempty"`
	Authorities *string           `json:"authorities,omitempty" maxLength:"65536" doc:"Certificates (PEM) that the servers' are signed by; empty: those that the machine trusts"`
	BindDN      *string           `json:"bind_dn,omitempty" maxLength:"1024"`
	Password    string            `json:"bind_password,omitempty" maxLength:"1024" doc:"Needed as soon as urls, start_tls, authorities or bind_dn differ from what stands, or base_dn is not below it"`
	BaseDN      *string           `json:"base_dn,omitempty" maxLength:"1024"`
	UserFilter  *string           `json:"user_filter,omitempty" maxLength:"2000"`
	GroupFilter *string           `json:"group_filter,omitempty" maxLength:"2000"`
	Attributes  map[string]string `json:"attributes,omitempty" doc:"All that differ from the dialect's own, by the keys of the file"`
	WriteBack   *bool             `json:"write_back,omitempty"`
	Sync        *directorySync    `json:"sync,omitempty"`
	Sample      string            `json:"sample,omitempty" maxLength:"1024" doc:"The user ID of somebody to look up"`
}

func (t DirectoryTrial) of(d org.DirectoryConfig) (ldap.Trial, error) {
	trial := ldap.Standing(d)
	if len(t.URLs) > 0 {
		trial.URLs = t.URLs
	}
	if t.StartTLS != nil {
		trial.StartTLS = *t.StartTLS
	}
	for _, text := range []struct{ typed, into *string }{
		{t.Dialect, &trial.Dialect}, {t.BindDN, &trial.BindDN}, {t.BaseDN, &trial.BaseDN}, {t.UserFilter, &trial.UserFilter}, {t.GroupFilter, &trial.GroupFilter},
		{t.Authorities, &trial.Authorities},
	} {
		if text.typed != nil {
			*text.into = *text.typed
		}
	}
	if t.WriteBack != nil {
		trial.WriteBack = *t.WriteBack
	}
	if t.Attributes != nil {
		named, ok := org.ReadAttributes(t.Attributes)
		if !ok {
			return trial, problem.New(problem.BadInput).On("attributes")
		}
		trial.Attributes = named
	}
	if t.Sync != nil {
		every, err := time.ParseDuration(t.Sync.Every)
		if err != nil {
			return trial, problem.New(problem.BadInput).On("sync")
		}
		trial.Sync = org.DirectorySync{Every: every, Filter: t.Sync.Filter}
	}
	trial.Password, trial.Sample = t.Password, t.Sample
	return trial, nil
}

type directoryFinding struct {
	Server  string `json:"server,omitempty"`
	Code    string `json:"code" doc:"What was looked at; programs act on it"`
	OK      bool   `json:"ok"`
	Warning bool   `json:"warning,omitempty" doc:"Not well, and the connection can be used all the same"`
	Text    string `json:"text"`
	Mend    string `json:"mend,omitempty"`
	Setting string `json:"setting,omitempty" doc:"What to set in the directory itself"`
}

type directoryTestInput struct {
	OrgPath
	Body DirectoryTrial
}

type connectInput struct {
	OrgPath
	IfMatch
	Body struct {
		DirectoryTrial
		Leave bool `json:"leave_accounts,omitempty" doc:"Needed where accounts are in Kunci's own database: the people who registered there begin anew"`
	}
}

type connectOutput struct {
	ETag string `header:"ETag"`
	Body struct {
		Changes  []org.Change       `json:"changes"`
		Findings []directoryFinding `json:"findings" doc:"What was found when the connection was tried, warnings too"`
	}
}

type directoryTestOutput struct {
	Body struct {
		Findings []directoryFinding `json:"findings"`
	}
}

func (a *API) directoryOperations() {
	get(a, "/directory", "get-directory", "The directory as it is configured, and how its servers are", admin.SeeDirectory, a.getDirectory)
	register(a, huma.Operation{
		OperationID: "test-directory", Method: http.MethodPost, Path: "/directory/test",
		Summary:     "Try a connection to a directory, without saving it",
		Description: "The stored password goes only to the servers that it was stored for.",
	}, admin.TestDirectory, a.testDirectory)
	register(a, huma.Operation{
		OperationID: "put-directory", Method: http.MethodPut, Path: "/directory",
		Summary: "Connect a directory over LDAP, and save the connection",
		Description: "The connection is tried, and saved when it can be used. A password that is sent is kept sealed and told to nobody; " +
			"without one the stored one is used, where everything that it was stored for is the same. What is left out stays as it is.",
	}, admin.ConnectDirectory, a.putDirectory)
	register(a, huma.Operation{
		OperationID: "sync-directory", Method: http.MethodPost, Path: "/directory/sync", DefaultStatus: http.StatusOK,
		Summary: "Have the list of the directory read at once", Description: "A node begins within seconds; list tells when it was read.",
	}, admin.TestDirectory, a.syncDirectory)
}

func (a *API) getDirectory(ctx context.Context, _ *OrgPath) (*directoryOutput, error) {
	o := organization(ctx)
	state, err := a.d.Admin.Directory(ctx, authority(ctx), o)
	if err != nil {
		return nil, err
	}
	out, set := &directoryOutput{ETag: etag(o)}, state.Set
	b := &out.Body
	b.Kind, b.Dialect, b.URLs, b.StartTLS, b.OwnAuthority = set.Kind, set.Dialect, set.URLs, set.StartTLS, set.CAFile != "" || set.CACertificates != ""
	b.BindDN, b.PasswordSet, b.BaseDN, b.UserFilter, b.GroupFilter = set.BindDN, state.Secret, set.BaseDN, set.UserFilter, set.GroupFilter
	b.WriteBack, b.AllowedNetworks = set.WriteBack || set.Kind != org.LDAP, set.AllowedNetworks
	b.People, b.Partial, b.Enabled, b.Capable = state.Figures.People, state.Figures.Partial, state.Figures.Enabled, state.Figures.Capable
	if l := state.List; l.On {
		b.List = &directoryList{l.Listed, l.Entries, some(l.Began), l.Whole, l.Running, string(l.Failure), some(l.FailedAt)}
	}
	b.ConsoleURLs = set.ConsoleURLs
	if set.Kind == org.LDAP {
		if b.Password = "file"; set.BindPassword != "" {
			b.Password = org.KeptPassword
		}
	}
	if set.Sync.On() {
		b.Sync = &directorySync{config.Duration(set.Sync.Every), set.Sync.Filter}
	}
	b.Attributes = make(map[string]string)
	for key, attribute := range set.Attributes.Named() {
		if attribute != "" {
			b.Attributes[key] = attribute
		}
	}
	for _, h := range state.Servers {
		b.Servers = append(b.Servers, directoryServer{h.URL, some(h.AnsweredAt), some(h.DownSince), h.Writes, some(h.RefusedAt), h.Refusal})
	}
	return out, nil
}

func (a *API) syncDirectory(ctx context.Context, in *OrgPath) (*directoryOutput, error) {
	if err := a.d.Admin.SyncDirectory(ctx, authority(ctx), organization(ctx)); err != nil {
		return nil, err
	}
	return a.getDirectory(ctx, in)
}

func (a *API) testDirectory(ctx context.Context, in *directoryTestInput) (*directoryTestOutput, error) {
	o := organization(ctx)
	trial, err := in.Body.of(o.Directory)
	if err != nil {
		return nil, err
	}
	found, err := a.d.Admin.TestDirectory(ctx, authority(ctx), o, trial)
	if err != nil {
		return nil, err
	}
	out := &directoryTestOutput{}
	out.Body.Findings = findingsIn(words(ctx), found)
	return out, nil
}

func findingsIn(said *i18n.Printer, found []ldap.Finding) []directoryFinding {
	all := make([]directoryFinding, len(found))
	for i, f := range found {
		d := directoryFinding{Server: f.Server, Code: f.Code, OK: f.OK, Warning: f.Warning, Setting: f.Setting, Text: said.T(f.Key())}
		if !f.OK {
			d.Mend = said.T(f.Key() + ".mend")
		}
		all[i] = d
	}
	return all
}

func (a *API) putDirectory(ctx context.Context, in *connectInput) (*connectOutput, error) {
	o := organization(ctx)
	version, err := versionIn(in.IfMatch.Tag)
	if err != nil {
		return nil, err
	}
	trial, err := in.Body.of(o.Directory)
	if err != nil {
		return nil, err
	}
	done, err := a.d.Admin.ConnectDirectory(ctx, authority(ctx), o, trial, in.Body.Leave, version)
	if problem.Has(err, problem.DirectoryNotWell) {
		refused := a.refusal(ctx, err)
		for _, f := range findingsIn(words(ctx), done.Findings) {
			if !f.OK && !f.Warning {
				refused.Errors = append(refused.Errors, Fault{f.Code, f.Text + " " + f.Mend})
			}
		}
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	out := &connectOutput{}
	out.Body.Findings, out.Body.Changes = findingsIn(words(ctx), done.Findings), append([]org.Change{}, done.Changes...)
	err = a.d.DB.Read(ctx, func(tx *store.Tx) error {
		after, err := a.d.Orgs.Get(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		out.ETag = etag(after)
		return nil
	})
	return out, err
}
