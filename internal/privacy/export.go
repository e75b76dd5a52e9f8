package privacy

import (
	"context"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// PersonData is everything that is kept of somebody, as they may see it.
type PersonData struct {
	Organization string          `json:"organization"`
	ExportedAt   time.Time       `json:"exported_at"`
	Account      PersonAccount   `json:"account"`
	Methods      []PersonMethod  `json:"methods"`
	Sessions     []session.Times `json:"sessions"`
	Requests     []PersonRequest `json:"requests"`
	Messages     []notify.Held   `json:"messages"`
	Events       []audit.Record  `json:"events"`
}

// PersonAccount is what the directory says at this moment, and what Kunci knows besides.
type PersonAccount struct {
	ID            string    `json:"id"`
	UserID        string    `json:"user_id"`
	DisplayName   string    `json:"display_name,omitempty"`
	GivenName     string    `json:"given_name,omitempty"`
	FamilyName    string    `json:"family_name,omitempty"`
	Language      string    `json:"language,omitempty"`
	Groups        []string  `json:"groups"`
	Disabled      bool      `json:"disabled"`
	RegisteredAt  time.Time `json:"registered_at,omitzero"`
	ReconfirmedAt time.Time `json:"reconfirmed_at,omitzero"`
	FrozenAt      time.Time `json:"frozen_at,omitzero"`
	LastResetAt   time.Time `json:"last_reset_at,omitzero"`
}

// PersonMethod is one registered method: its address or number, never its secret.
type PersonMethod struct {
	Kind       method.Kind `json:"kind"`
	Value      string      `json:"value,omitempty"`
	Name       string      `json:"name,omitempty"`
	Proved     bool        `json:"proved"`
	ProvedBy   string      `json:"proved_by,omitempty"`
	CreatedAt  time.Time   `json:"created_at,omitzero"`
	ProvedAt   time.Time   `json:"proved_at,omitzero"`
	LastUsedAt time.Time   `json:"last_used_at,omitzero"`
}

// PersonRequest is a message to the helpdesk, without the names of those who worked on it.
type PersonRequest struct {
	Problem    string    `json:"problem"`
	Message    string    `json:"message,omitempty"`
	State      string    `json:"state"`
	OpenedAt   time.Time `json:"opened_at"`
	ResolvedAt time.Time `json:"resolved_at,omitzero"`
	Note       string    `json:"note,omitempty"`
	Answers    []string  `json:"answers,omitempty"`
}

// Export gives everything of a person, and records that somebody did.
func (s *Service) Export(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account) (PersonData, error) {
	e := a.Entry
	p := PersonData{Organization: o.Slug, Account: PersonAccount{
		ID: a.ID, UserID: e.UserID, DisplayName: e.DisplayName, GivenName: e.GivenName, FamilyName: e.FamilyName, Language: e.Language,
		Groups: append([]string{}, e.Groups...), Disabled: e.Disabled,
		RegisteredAt: a.RegisteredAt, ReconfirmedAt: a.ReconfirmedAt, FrozenAt: a.FrozenAt, LastResetAt: a.LastResetAt,
	}}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.ExportCreated, Org: o.ID, Target: a.ID, TargetUserID: e.UserID, Outcome: audit.Success, Reason: "person",
		})
	})
	if err == nil {
		err = s.d.DB.Read(ctx, func(tx *store.Tx) error { return s.gather(ctx, tx, o, a, &p) })
	}
	if err != nil {
		return PersonData{}, fmt.Errorf("export a person: %w", err)
	}
	return p, nil
}

func (s *Service) gather(ctx context.Context, tx *store.Tx, o *org.Organization, a account.Account, p *PersonData) (err error) {
	p.ExportedAt = tx.Now()
	p.Methods, p.Requests, p.Events = []PersonMethod{}, []PersonRequest{}, []audit.Record{}
	all, err := s.d.Methods.List(ctx, tx, o.ID, a.ID)
	if err != nil {
		return err
	}
	gone, err := s.d.Methods.ListDeleted(ctx, tx, o.ID, a.ID)
	if err != nil {
		return err
	}
	for _, m := range append(all, gone...) {
		shown := PersonMethod{Kind: m.Kind, Name: m.Name, Proved: m.Proved, ProvedBy: m.ProvedBy, CreatedAt: m.CreatedAt, ProvedAt: m.ProvedAt, LastUsedAt: m.LastUsedAt}
		switch m.Kind {
		case method.Email, method.MobilePhone, method.OfficePhone:
			shown.Value = m.Value
		}
		p.Methods = append(p.Methods, shown)
	}
	if p.Sessions, err = s.d.Sessions.Held(ctx, tx, o.ID, a.ID); err != nil {
		return err
	}
	requests, err := s.d.Helpdesk.Held(ctx, tx, o.ID, a.ID)
	if err != nil {
		return err
	}
	for _, r := range requests {
		shown := PersonRequest{Problem: string(r.Problem), Message: r.Message, State: string(r.State), OpenedAt: r.OpenedAt, ResolvedAt: r.ResolvedAt, Note: r.Note}
		for _, answer := range r.Answers {
			shown.Answers = append(shown.Answers, answer.Text)
		}
		p.Requests = append(p.Requests, shown)
	}
	if p.Messages, err = s.d.Notify.HeldFor(ctx, tx, o.ID, a.ID); err != nil {
		return err
	}
	return s.events(ctx, tx, o, a, p)
}

// events gives what happened to the person and what they did, oldest first. Who
// else had a part in it is not told, only in which role.
func (s *Service) events(ctx context.Context, tx *store.Tx, o *org.Organization, a account.Account, p *PersonData) error {
	for after := ""; ; {
		page, err := s.d.Audit.About(ctx, tx, o.ID, a.ID, after)
		if err != nil {
			return err
		}
		for _, e := range page {
			after = e.ID
			if e.Actor.Account != a.ID && (e.Actor.Account != "" || e.Actor.Kind != audit.Anonymous && e.Actor.Kind != audit.Person) {
				e.Actor.Account, e.Actor.UserID, e.Actor.IP, e.Actor.UserAgent = "", "", "", ""
			}
			if e.Target != a.ID {
				e.Target, e.TargetUserID = "", ""
			}
			p.Events = append(p.Events, e)
		}
		if len(page) == 0 {
			return nil
		}
	}
}
