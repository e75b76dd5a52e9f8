package org

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Deps are what the room stands on.
type Deps struct {
	Audit *audit.Service
}

// Service keeps organizations.
type Service struct{ audit *audit.Service }

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.Audit == nil {
		return nil, errors.New("org: no audit log")
	}
	return &Service{d.Audit}, nil
}

// Change is one difference that a change made.
type Change struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// String is the change for a terminal.
func (c Change) String() string {
	switch {
	case c.Before == "":
		return fmt.Sprintf("%s: %s (new)", c.Key, c.After)
	case c.After == "":
		return fmt.Sprintf("%s: %s (removed)", c.Key, c.Before)
	}
	return fmt.Sprintf("%s: %s → %s", c.Key, c.Before, c.After)
}

// Apply makes an organization what the document says and tells what changed:
// nothing, when it is applied a second time. Problems: a config.Faults when
// the document is wrong, Conflict when a domain belongs to another organization.
func (s *Service) Apply(ctx context.Context, tx *store.Tx, by audit.Actor, d Document) ([]Change, error) {
	if wrong := d.Check(); len(wrong) > 0 {
		var faults config.Faults
		for _, p := range wrong {
			faults = append(faults, p.fault())
		}
		return nil, faults
	}
	if err := tx.Lock(ctx, "org:"+d.Slug); err != nil {
		return nil, err
	}
	before, err := s.BySlug(ctx, tx, d.Slug)
	if problem.Has(err, problem.NotFound) {
		before = &Organization{ID: store.NewID(), Slug: d.Slug}
	} else if err != nil {
		return nil, err
	}
	after := d.organization(before)
	changes := Difference(before, after)
	if len(changes) == 0 && before.Version > 0 {
		return nil, nil
	}
	if err := s.save(ctx, tx, before, after); err != nil {
		return nil, err
	}
	return changes, s.recordChanges(ctx, tx, by, after, changes)
}

func (d Document) organization(before *Organization) *Organization {
	return &Organization{
		ID: before.ID, Slug: d.Slug, Name: strings.TrimSpace(d.Name), Domains: d.Domains, Language: d.Language,
		Branding: Branding{Logo: d.logo, LogoType: d.logoType, Color: d.Branding.Color}, Support: d.Support,
		Directory: d.Directory, Administrators: d.Administrators, Policy: d.Policy, Version: before.Version + 1,
	}
}

// SetPolicy replaces the policy of an organization that is still at the
// expected version. Problems: config.Faults, Conflict, NotFound.
func (s *Service) SetPolicy(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, p Policy, expectedVersion int64) error {
	before, err := s.Get(ctx, tx, orgID)
	if err != nil {
		return err
	}
	if before.Version != expectedVersion {
		return problem.New(problem.Conflict)
	}
	d := before.Document()
	d.Policy = p
	_, err = s.Apply(ctx, tx, by, d)
	return err
}

// save writes the row where nobody was faster, and the domains.
func (s *Service) save(ctx context.Context, tx *store.Tx, before, after *Organization) error {
	text, err := json.Marshal(after)
	if err != nil {
		return fmt.Errorf("organization %s: %w", after.Slug, err)
	}
	saved, err := saveRow(ctx, tx, after, string(text), before.Version)
	if err != nil {
		return fmt.Errorf("organization %s: %w", after.Slug, err)
	}
	if !saved {
		return problem.New(problem.Conflict)
	}
	if err := deleteDomains(ctx, tx, after.ID); err != nil {
		return fmt.Errorf("organization %s: %w", after.Slug, err)
	}
	for _, domain := range after.Domains {
		free, err := insertDomain(ctx, tx, domain, after.ID)
		if err != nil {
			return fmt.Errorf("organization %s: %w", after.Slug, err)
		}
		if !free {
			return config.Faults{{Key: "domains", Text: fmt.Sprintf("the domain %s belongs to another organization", domain)}}
		}
	}
	return nil
}

// recordChanges writes one event for each area that changed.
func (s *Service) recordChanges(ctx context.Context, tx *store.Tx, by audit.Actor, o *Organization, changes []Change) error {
	kinds := []struct {
		kind   audit.Kind
		prefix string
	}{{audit.DirectoryChanged, "directory"}, {audit.AdministratorChanged, "administrators"}, {audit.PolicyChanged, ""}}
	left := slices.Clone(changes)
	for _, k := range kinds {
		detail := make(map[string]string)
		left = slices.DeleteFunc(left, func(c Change) bool {
			if !strings.HasPrefix(c.Key, k.prefix) {
				return false
			}
			if k.kind == audit.AdministratorChanged {
				detail[c.Key] = "changed" // who it is identifies a person
			} else {
				detail[c.Key] = c.Before + " → " + c.After
			}
			return true
		})
		if len(detail) == 0 {
			continue
		}
		err := s.audit.Record(ctx, tx, by, audit.Event{Kind: k.kind, Org: o.ID, Outcome: audit.Success, Detail: detail})
		if err != nil {
			return err
		}
	}
	return nil
}

// Difference compares two states of an organization, key by key.
func Difference(before, after *Organization) []Change {
	old, new := make(map[string]string), make(map[string]string)
	if before.Version > 0 {
		flatten("", reflect.ValueOf(*before), old)
	}
	flatten("", reflect.ValueOf(*after), new)
	var keys []string
	for key := range new {
		keys = append(keys, key)
	}
	for key := range old {
		if _, ok := new[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var changes []Change
	for _, key := range keys {
		if old[key] != new[key] {
			changes = append(changes, Change{key, old[key], new[key]})
		}
	}
	return changes
}

// flatten gives every leaf of a struct under its key, as text.
func flatten(key string, v reflect.Value, into map[string]string) {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if name := config.KeyOf(f); name != "" && !slices.Contains([]string{"id", "version"}, name) {
				flatten(strings.TrimPrefix(key+"."+name, "."), v.Field(i), into)
			}
		}
		return
	}
	text := fmt.Sprint(v.Interface())
	if v.Kind() == reflect.Slice {
		if v.Len() == 0 {
			return
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			text = fmt.Sprintf("%d bytes", v.Len())
		}
	}
	if text != "" {
		into[key] = text
	}
}

// Get gives an organization by its identifier. Problem NotFound.
func (s *Service) Get(ctx context.Context, tx *store.Tx, id string) (*Organization, error) {
	return found(selectOne(ctx, tx, `id = $1`, id))
}

// BySlug gives an organization by its short name. Problem NotFound.
func (s *Service) BySlug(ctx context.Context, tx *store.Tx, slug string) (*Organization, error) {
	return found(selectOne(ctx, tx, `slug = $1`, slug))
}

// ForUserID gives the organization that a user ID belongs to: by the domain
// after the last @, or, without an @, the only organization there is. Problem NotFound.
func (s *Service) ForUserID(ctx context.Context, tx *store.Tx, userID string) (*Organization, error) {
	domain := DomainOf(userID)
	if domain != "" {
		return found(selectOne(ctx, tx, `id = (SELECT org_id FROM organization_domain WHERE domain = $1)`, domain))
	}
	all, err := s.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 || strings.Contains(userID, "@") {
		return nil, problem.New(problem.NotFound)
	}
	return all[0], nil
}

// List gives every organization by its short name.
func (s *Service) List(ctx context.Context, tx *store.Tx) ([]*Organization, error) {
	all, err := selectAll(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("organizations: %w", err)
	}
	return all, nil
}

func found(o *Organization, err error) (*Organization, error) {
	if errors.Is(err, store.ErrNoRows) {
		return nil, problem.New(problem.NotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("organization: %w", err)
	}
	return o, nil
}
