package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/privacy"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
)

// Listed is one person in a list. The words are those of Entra's registration
// report, so that scripts find what they know.
type Listed struct {
	ID         string        `json:"id" doc:"The directory's stable key"`
	UserID     string        `json:"user_id"`
	Name       string        `json:"display_name,omitempty"`
	Role       org.Role      `json:"role,omitempty"`
	Enabled    bool          `json:"sspr_enabled" doc:"The policy and the directory let them reset"`
	Registered bool          `json:"sspr_registered" doc:"Their methods are enough"`
	Capable    bool          `json:"sspr_capable" doc:"Both"`
	Methods    []method.Kind `json:"methods_registered"`
}

type listInput struct {
	OrgPath
	Prefix string `query:"prefix" maxLength:"320" doc:"How the user ID begins; where the directory cannot be listed, how the user ID or the name begins"`
	Show   string `query:"show" enum:"capable,not-registered,not-enabled" doc:"Only these"`
	Kind   string `query:"kind" maxLength:"40" doc:"Only who has a usable method of this kind"`
	Paging
}

type listOutput struct {
	Body struct {
		People []Listed `json:"people"`
		Next   string   `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type actInput struct {
	PersonPath
	Act string `path:"act" enum:"unlock,clear_limits,require_registration,revoke_sessions,freeze,unfreeze,revoke_pass,unlink"`
}

type findInput struct {
	OrgPath
	Body struct {
		UserID string `json:"user_id" minLength:"1" maxLength:"320"`
	}
}

// person is one person.
type person struct {
	Listed
	Disabled     bool         `json:"disabled"`
	LockedUntil  *time.Time   `json:"locked_until,omitempty"`
	FrozenSince  *time.Time   `json:"frozen_since,omitempty"`
	LastReset    *time.Time   `json:"last_reset,omitempty"`
	MustRegister bool         `json:"must_register"`
	Details      []registered `json:"methods"`
	Deleted      []deleted    `json:"deleted_methods" doc:"Those that can still be brought back"`
	CanReset     bool         `json:"can_reset"`
	Rules        []rule       `json:"rules" doc:"Every rule of a reset with its answer"`
}

type registered struct {
	ID       string      `json:"id"`
	Kind     method.Kind `json:"kind"`
	Masked   string      `json:"masked,omitempty"`
	Proved   bool        `json:"proved"`
	ProvedBy string      `json:"proved_by,omitempty"`
	Default  bool        `json:"default"`
	Disabled bool        `json:"disabled"`
	Since    *time.Time  `json:"since,omitempty"`
	LastUsed *time.Time  `json:"last_used,omitempty"`
}

type deleted struct {
	ID     string      `json:"id"`
	Kind   method.Kind `json:"kind"`
	Masked string      `json:"masked,omitempty"`
	At     time.Time   `json:"deleted_at"`
	By     string      `json:"deleted_by,omitempty" enum:"person,administrator" doc:"What an administrator deleted or made final its person cannot bring back"`
	Until  time.Time   `json:"until" doc:"Then it is gone"`
}

type rule struct {
	Rule string `json:"rule"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

type personOutput struct{ Body person }

func (a *API) peopleOperations() {
	get(a, "/people", "list-people", "People, by user ID", admin.SeePeople, a.listPeople)
	get(a, "/people/{id}", "get-person", "One person", admin.SeePeople, func(ctx context.Context, in *PersonPath) (*personOutput, error) {
		p, err := a.d.Admin.ByKey(ctx, authority(ctx), organization(ctx), in.Key)
		if err != nil {
			return nil, err
		}
		return a.person(ctx, p), nil
	})
	register(a, huma.Operation{
		OperationID: "find-person", Method: http.MethodPost, Path: "/people/find",
		Summary: "One person by the whole user ID", Description: "A POST, so that user IDs stand in no address.",
	}, admin.SeePeople, func(ctx context.Context, in *findInput) (*personOutput, error) {
		p, err := a.d.Admin.ByUserID(ctx, authority(ctx), organization(ctx), in.Body.UserID)
		if err != nil {
			return nil, err
		}
		return a.person(ctx, p), nil
	})
	register(a, huma.Operation{
		OperationID: "act-on-person", Method: http.MethodPost, Path: "/people/{id}/{act}",
		Summary:     "Act on one person",
		Description: "Repeating an act changes nothing more. Nobody acts on a higher role, nor on themselves.",
	}, admin.SeePeople, a.act)
	a.heldOperations()
	register(a, huma.Operation{
		OperationID: "export-person", Method: http.MethodPost, Path: "/people/{id}/export", Summary: "Everything that is kept of one person",
		Description: "With whole addresses and numbers, for the person to see; never a secret. A POST, because it is recorded.",
	}, admin.ExportPerson, func(ctx context.Context, in *PersonPath) (*exportOutput, error) {
		o, as := organization(ctx), authority(ctx)
		p, err := a.d.Admin.ByKey(ctx, as, o, in.Key)
		if err != nil {
			return nil, err
		}
		all, err := a.d.Admin.DataOf(ctx, as, o, p)
		return &exportOutput{all}, err
	})
	register(a, huma.Operation{
		OperationID: "erase-person", Method: http.MethodPost, Path: "/people/{id}/erase", Summary: "Erase one person for good",
		Description:   "Account, methods, requests, messages, sessions, and the keys that say who they are in the audit log, which stays and can still be proved. There is no way back.",
		DefaultStatus: http.StatusNoContent,
	}, admin.ErasePerson, func(ctx context.Context, in *eraseInput) (*struct{}, error) {
		o, as := organization(ctx), authority(ctx)
		p, err := a.d.Admin.ByKey(ctx, as, o, in.Key)
		if err != nil {
			return nil, err
		}
		return nil, a.d.Admin.Erase(ctx, as, o, p, in.Body.Confirm)
	})
}

type exportOutput struct{ Body privacy.PersonData }

type eraseInput struct {
	PersonPath
	Body struct {
		Confirm string `json:"confirm,omitempty" maxLength:"320" doc:"The person's user ID"`
	}
}

func (a *API) listPeople(ctx context.Context, in *listInput) (*listOutput, error) {
	kind, ok := method.ParseKind(in.Kind)
	if in.Kind != "" && !ok {
		return nil, problem.New(problem.BadInput).On("kind")
	}
	after, err := a.position(ctx, "list-people", in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := a.d.Admin.People(ctx, authority(ctx), organization(ctx), admin.Query{
		Prefix: in.Prefix, Show: admin.Show(in.Show), Kind: kindIf(kind, ok), After: after, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.People = make([]Listed, 0, len(list.People))
	for _, l := range list.People {
		out.Body.People = append(out.Body.People, listedOf(l))
	}
	out.Body.Next, err = a.cursor(ctx, "list-people", list.Next)
	return out, err
}

func kindIf(k method.Kind, ok bool) method.Kind {
	if !ok {
		return ""
	}
	return k
}

func listedOf(l admin.Listed) Listed {
	kinds := l.Kinds
	if kinds == nil {
		kinds = []method.Kind{}
	}
	return Listed{
		ID: l.Entry.Key, UserID: l.Entry.UserID, Name: l.Entry.DisplayName, Role: l.Role,
		Enabled: l.Enabled, Registered: l.Registered, Capable: l.Enabled && l.Registered, Methods: kinds,
	}
}

func (a *API) act(ctx context.Context, in *actInput) (*personOutput, error) {
	o, as := organization(ctx), authority(ctx)
	p, err := a.d.Admin.ByKey(ctx, as, o, in.Key)
	if err != nil {
		return nil, err
	}
	if err := a.d.Admin.Do(ctx, as, o, p, admin.Action(in.Act)); err != nil {
		return nil, err
	}
	if p, err = a.d.Admin.ByKey(ctx, as, o, in.Key); err != nil {
		return nil, err
	}
	return a.person(ctx, p), nil
}

func (a *API) person(ctx context.Context, p admin.Person) *personOutput {
	e := p.Account.Entry
	out := &personOutput{Body: person{
		Listed: listedOf(p.Listed(organization(ctx))), Disabled: e.Disabled,
		LockedUntil: some(e.LockedUntil), FrozenSince: some(p.Account.FrozenAt), LastReset: some(p.Account.LastResetAt),
		MustRegister: p.Account.MustRegister, Details: []registered{}, Deleted: []deleted{}, CanReset: p.CanReset(),
	}}
	for _, m := range p.Methods {
		out.Body.Details = append(out.Body.Details, registered{
			ID: m.ID, Kind: m.Kind, Masked: m.Masked, Proved: m.Proved, ProvedBy: m.ProvedBy, Default: m.Default,
			Disabled: !m.DisabledAt.IsZero(), Since: some(m.ProvedAt), LastUsed: some(m.LastUsedAt),
		})
	}
	for _, m := range p.Deleted {
		out.Body.Deleted = append(out.Body.Deleted, deleted{m.ID, m.Kind, m.Masked, m.DeletedAt.UTC(), m.DeletedBy, securityinfo.UndoUntil(m.Method).UTC()})
	}
	for _, r := range p.Rules {
		out.Body.Rules = append(out.Body.Rules, rule{r.Name, r.OK, words(ctx).TMap(r.Key, r.Args)})
	}
	return out
}

// some is a time, or nothing for the zero time.
func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
