package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/org"
)

type directoryOutput struct {
	Body struct {
		Kind            string            `json:"kind"`
		Dialect         string            `json:"dialect,omitempty"`
		URLs            []string          `json:"urls,omitempty"`
		StartTLS        bool              `json:"start_tls,omitempty"`
		OwnAuthority    bool              `json:"own_authority,omitempty" doc:"Certificates are judged by the organization's own authority"`
		BindDN          string            `json:"bind_dn,omitempty" doc:"Only for those who may try a connection"`
		PasswordSet     bool              `json:"password_set,omitempty" doc:"This node has a password for bind_dn; it is told to nobody"`
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

// directoryTrial is a connection to try. What is left out is as the organization has it.
type directoryTrial struct {
	URLs        []string `json:"urls,omitempty" maxItems:"8"`
	StartTLS    *bool    `json:"start_tls,omitempty"`
	Authorities string   `json:"authorities,omitempty" doc:"Certificates (PEM) that the servers' are signed by"`
	BindDN      *string  `json:"bind_dn,omitempty" maxLength:"1024"`
	Password    string   `json:"bind_password,omitempty" maxLength:"1024" doc:"Needed as soon as urls, start_tls, authorities or bind_dn differ from what stands, or base_dn is not below it"`
	BaseDN      *string  `json:"base_dn,omitempty" maxLength:"1024"`
	UserFilter  *string  `json:"user_filter,omitempty" maxLength:"2000"`
	Sample      string   `json:"sample,omitempty" maxLength:"1024" doc:"The user ID of somebody to look up"`
}

func (t directoryTrial) of(d org.DirectoryConfig) ldap.Trial {
	trial := ldap.Standing(d)
	if len(t.URLs) > 0 {
		trial.URLs = t.URLs
	}
	if t.StartTLS != nil {
		trial.StartTLS = *t.StartTLS
	}
	for _, text := range []struct{ typed, into *string }{{t.BindDN, &trial.BindDN}, {t.BaseDN, &trial.BaseDN}, {t.UserFilter, &trial.UserFilter}} {
		if text.typed != nil {
			*text.into = *text.typed
		}
	}
	trial.Authorities, trial.Password, trial.Sample = t.Authorities, t.Password, t.Sample
	return trial
}

type directoryFinding struct {
	Server  string `json:"server,omitempty"`
	Code    string `json:"code" doc:"What was looked at; programs act on it"`
	OK      bool   `json:"ok"`
	Text    string `json:"text"`
	Mend    string `json:"mend,omitempty"`
	Setting string `json:"setting,omitempty" doc:"What to set in the directory itself"`
}

type directoryTestInput struct {
	OrgPath
	Body directoryTrial
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
	out, set := &directoryOutput{}, state.Set
	b := &out.Body
	b.Kind, b.Dialect, b.URLs, b.StartTLS, b.OwnAuthority = set.Kind, set.Dialect, set.URLs, set.StartTLS, set.CAFile != ""
	b.BindDN, b.PasswordSet, b.BaseDN, b.UserFilter, b.GroupFilter = set.BindDN, state.Secret, set.BaseDN, set.UserFilter, set.GroupFilter
	b.WriteBack, b.AllowedNetworks = set.WriteBack || set.Kind != org.LDAP, set.AllowedNetworks
	b.People, b.Partial, b.Enabled, b.Capable = state.Figures.People, state.Figures.Partial, state.Figures.Enabled, state.Figures.Capable
	if l := state.List; l.On {
		b.List = &directoryList{l.Listed, l.Entries, some(l.Began), l.Whole, l.Running, string(l.Failure), some(l.FailedAt)}
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
	found, err := a.d.Admin.TestDirectory(ctx, authority(ctx), o, in.Body.of(o.Directory))
	if err != nil {
		return nil, err
	}
	out, said := &directoryTestOutput{}, words(ctx)
	out.Body.Findings = make([]directoryFinding, len(found))
	for i, f := range found {
		d := directoryFinding{Server: f.Server, Code: f.Code, OK: f.OK, Setting: f.Setting}
		if f.OK {
			d.Text = said.T(f.Key())
		} else {
			d.Text, d.Mend = said.T(f.Key()), said.T(f.Key()+".mend")
		}
		out.Body.Findings[i] = d
	}
	return out, nil
}
