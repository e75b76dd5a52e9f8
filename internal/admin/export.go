package admin

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// exported is one person in an export. Addresses and numbers are masked.
type exported struct {
	UserID     string   `json:"user_id"`
	Name       string   `json:"display_name"`
	Role       org.Role `json:"role"`
	Source     string   `json:"password_source"`
	Disabled   bool     `json:"disabled"`
	Enabled    bool     `json:"sspr_enabled"`
	Registered bool     `json:"sspr_registered"`
	Capable    bool     `json:"sspr_capable"`
	Kinds      []string `json:"methods_registered"`
	Email      []string `json:"email_masked"`
	Mobile     []string `json:"mobile_phone_masked"`
	Office     []string `json:"office_phone_masked"`
	ByAdmin    []string `json:"pre_registered"`
}

var exportedColumns = []string{
	"user_id", "display_name", "role", "password_source", "disabled", "sspr_enabled", "sspr_registered", "sspr_capable",
	"methods_registered", "email_masked", "mobile_phone_masked", "office_phone_masked", "pre_registered",
}

func (e exported) cells() []string {
	yes := strconv.FormatBool
	return []string{
		e.UserID, e.Name, string(e.Role), e.Source, yes(e.Disabled), yes(e.Enabled), yes(e.Registered), yes(e.Capable),
		strings.Join(e.Kinds, ";"), strings.Join(e.Email, ";"), strings.Join(e.Mobile, ";"), strings.Join(e.Office, ";"), strings.Join(e.ByAdmin, ";"),
	}
}

// Listable tells whether the organization's directory can be listed, and so exported.
func (s *Service) Listable(o *org.Organization) bool {
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return false
	}
	_, ok := d.(directory.Lister)
	return ok
}

// Export writes everyone of an organization, page by page, with the state of
// their registration; addresses and numbers only masked. That it was made is
// recorded first; begin is called when nothing can refuse it any more. Problems:
// Forbidden, NotFound where the directory cannot be listed, BadInput.
func (s *Service) Export(ctx context.Context, as Authority, o *org.Organization, format account.Format, begin func() io.Writer) error {
	if !as.May(ExportPeople) {
		return problem.New(problem.Forbidden)
	}
	if format != account.CSV && format != account.NDJSON {
		return problem.New(problem.BadInput).On("format")
	}
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return err
	}
	lister, ok := d.(directory.Lister)
	if !ok {
		return problem.New(problem.NotFound)
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return s.d.Audit.Record(ctx, tx, as.By, audit.Event{
			Kind: audit.ExportCreated, Org: o.ID, Outcome: audit.Success, Reason: "people", Detail: map[string]string{"format": string(format)},
		})
	})
	if err != nil {
		return err
	}
	put, flush := writerOf(begin(), format)
	for after := ""; ; {
		page, err := lister.List(ctx, directory.Page{After: after, Limit: directory.MaxPage})
		if err != nil {
			return err
		}
		all, err := s.exportedOf(ctx, o, page, d.Capabilities())
		if err != nil {
			return err
		}
		for _, e := range all {
			if err := put(e); err != nil {
				return err
			}
		}
		if len(page) < directory.MaxPage {
			return flush()
		}
		after = page[len(page)-1].UserID
	}
}

func writerOf(w io.Writer, format account.Format) (put func(exported) error, flush func() error) {
	if format == account.NDJSON {
		e := json.NewEncoder(w)
		return func(p exported) error { return e.Encode(p) }, func() error { return nil }
	}
	c := csv.NewWriter(w)
	first := true
	write := func(cells []string) error {
		for i := range cells {
			cells[i] = audit.Cell(cells[i])
		}
		return c.Write(cells)
	}
	head := func() error {
		if !first {
			return nil
		}
		first = false
		return c.Write(exportedColumns)
	}
	return func(p exported) error {
			if err := head(); err != nil {
				return err
			}
			return write(p.cells())
		}, func() error {
			if err := head(); err != nil {
				return err
			}
			c.Flush()
			return c.Error()
		}
}

func (s *Service) exportedOf(ctx context.Context, o *org.Organization, page []directory.Entry, can directory.Capabilities) ([]exported, error) {
	all := make([]exported, len(page))
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		has, err := s.d.Report.Held(ctx, tx, o.ID, page)
		if err != nil {
			return err
		}
		for i, entry := range page {
			l := listed(o, entry, has[entry.Key].Kinds, can)
			e := exported{
				UserID: entry.UserID, Name: entry.DisplayName, Role: l.Role, Source: string(entry.Source), Disabled: entry.Disabled,
				Enabled: l.Enabled, Registered: l.Registered, Capable: l.Enabled && l.Registered,
				Kinds: []string{}, Email: []string{}, Mobile: []string{}, Office: []string{}, ByAdmin: []string{},
			}
			for _, k := range l.Kinds {
				e.Kinds = append(e.Kinds, string(k))
			}
			if len(l.Kinds) > 0 {
				if err := s.exportMethods(ctx, tx, o.ID, entry.Key, &e); err != nil {
					return err
				}
			}
			all[i] = e
		}
		return nil
	})
	return all, err
}

func (s *Service) exportMethods(ctx context.Context, tx *store.Tx, orgID, key string, e *exported) error {
	a, err := s.d.Accounts.Known(ctx, tx, orgID, key)
	if err != nil {
		return err
	}
	methods, err := s.d.Methods.List(ctx, tx, orgID, a.ID)
	if err != nil {
		return err
	}
	for _, m := range methods {
		if !m.Usable() {
			continue
		}
		switch m.Kind {
		case method.Email:
			e.Email = append(e.Email, m.Masked())
		case method.MobilePhone:
			e.Mobile = append(e.Mobile, m.Masked())
		case method.OfficePhone:
			e.Office = append(e.Office, m.Masked())
		}
		if m.ProvedBy == method.ByAdministrator {
			e.ByAdmin = append(e.ByAdmin, string(m.Kind))
		}
	}
	return nil
}
