package org

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/wording"
)

// Deps are what the room stands on.
type Deps struct {
	Audit *audit.Service
	// Channels is what this installation can send over.
	Channels Channels
	// Keys seal the passwords of directories; without them none is kept.
	Keys *secret.Keyset
}

// Service keeps organizations. It is safe for concurrent use.
type Service struct {
	audit    *audit.Service
	channels Channels
	keys     *secret.Keyset

	// known holds each organization as it was last read: every page asks for
	// one, and a logo makes reading a row dear. A revision is never used twice,
	// so what is known is either what is stored or not asked for any more.
	mu    sync.Mutex
	known map[string]known

	// only is what Only gave last, changes what this node has changed so far.
	only    atomic.Pointer[only]
	changes atomic.Int64
}

type known struct {
	revision string
	org      *Organization
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	if d.Audit == nil {
		return nil, errors.New("org: no audit log")
	}
	return &Service{audit: d.Audit, channels: d.Channels, keys: d.Keys, known: make(map[string]known)}, nil
}

// Change is one difference that a change made.
type Change struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// String is the change for a terminal.
func (c Change) String() string {
	before, after := cut(c.Before), cut(c.After)
	switch {
	case before == "":
		return fmt.Sprintf("%s: %s (new)", c.Key, after)
	case after == "":
		return fmt.Sprintf("%s: %s (removed)", c.Key, before)
	}
	return fmt.Sprintf("%s: %s → %s", c.Key, before, after)
}

// cut keeps a whole message from filling a line of a terminal.
func cut(s string) string {
	const most = 160
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// Apply makes an organization what the document says and tells what changed:
// nothing, when it is applied a second time. Problems: a config.Faults when
// the document is wrong, Conflict when a domain belongs to another organization.
func (s *Service) Apply(ctx context.Context, tx *store.Tx, by audit.Actor, d Document) ([]Change, error) {
	return s.apply(ctx, tx, by, d, applying{expected: anyVersion})
}

const anyVersion = -1

// applying is what goes with a document.
type applying struct {
	expected int64 // the version that it was made from
	// about, where there is one, says whose role changes: its target and detail go
	// into the event.
	about *audit.Event
	// password is the directory's, just typed; empty: the one that is there.
	password string
}

func (s *Service) apply(ctx context.Context, tx *store.Tx, by audit.Actor, d Document, with applying) ([]Change, error) {
	// Check brings names into their form; the caller's document stays as it is.
	d.Domains, d.Administrators, d.Policy = slices.Clone(d.Domains), slices.Clone(d.Administrators), d.Policy.clone()
	d.Messages = slices.Clone(d.Messages)
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
	if with.expected != anyVersion && before.Version != with.expected {
		return nil, problem.New(problem.Conflict)
	}
	if before.hasOwner() && len(d.Administrators) == 0 {
		return nil, config.Faults{{Key: "administrators", Text: "the last owner cannot be removed; name another owner first"}}
	}
	after := d.organization(before)
	if err := s.keep(before, after, with.password); err != nil {
		return nil, err
	}
	changes := renewed(Difference(before, after), before, after)
	if len(changes) == 0 && before.Version > 0 {
		return nil, nil
	}
	if err := s.save(ctx, tx, before, after); err != nil {
		return nil, err
	}
	return changes, s.recordChanges(ctx, tx, by, after, changes, with.about)
}

func (o *Organization) hasOwner() bool {
	return slices.ContainsFunc(o.Administrators, func(a Administrator) bool { return a.Role == Owner && a.Group == "" })
}

func (d Document) organization(before *Organization) *Organization {
	return &Organization{
		ID: before.ID, Slug: d.Slug, Name: strings.TrimSpace(d.Name), Domains: d.Domains, Language: d.Language, TimeZone: d.TimeZone,
		Branding: Branding{Logo: d.logo, LogoType: d.logoType, Color: d.Branding.Color, ColorDark: d.Branding.ColorDark}, Support: d.Support, Links: d.Links,
		Directory: d.Directory, IdentityProvider: d.IdentityProvider, Administrators: d.Administrators,
		Messages: inOrder(d.Messages), HelpTexts: inOrder(d.HelpTexts), Policy: d.Policy, Version: before.Version + 1,
	}
}

// SetPolicy replaces the policy of an organization that is still at the
// expected version. Problems: config.Faults, Conflict, NotFound.
func (s *Service) SetPolicy(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, p Policy, expectedVersion int64) error {
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		d.Policy = p
		return nil
	})
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
	tx.AfterCommit(func() { s.changes.Add(1) })
	if !bytes.Equal(before.Kept, after.Kept) {
		if err := saveKept(ctx, tx, after.ID, after.Kept); err != nil {
			return fmt.Errorf("organization %s: %w", after.Slug, err)
		}
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
			return config.Faults{sentence("domains", DomainTaken, "domain", domain).fault()}
		}
	}
	return nil
}

// recordChanges writes one event for each area that changed.
func (s *Service) recordChanges(ctx context.Context, tx *store.Tx, by audit.Actor, o *Organization, changes []Change, about *audit.Event) error {
	details := make(map[audit.Kind]map[string]string)
	for _, c := range changes {
		kind := area(c.Key)
		if details[kind] == nil {
			details[kind] = make(map[string]string)
		}
		details[kind][c.Key] = said(kind, c)
	}
	for _, kind := range []audit.Kind{audit.DirectoryChanged, audit.AdministratorChanged, audit.OrganizationChanged, audit.PolicyChanged} {
		if details[kind] == nil {
			continue
		}
		e := audit.Event{Kind: kind, Org: o.ID, Outcome: audit.Success, Detail: details[kind]}
		if kind == audit.AdministratorChanged && about != nil {
			e.Target, e.TargetUserID, e.Reason = about.Target, about.TargetUserID, about.Reason
			maps.Copy(e.Detail, about.Detail)
		}
		err := s.audit.Record(ctx, tx, by, e)
		if err != nil {
			return err
		}
	}
	return nil
}

// area is the kind of event that tells of a change of a key.
func area(key string) audit.Kind {
	top, _, _ := strings.Cut(key, ".")
	switch top {
	case "directory":
		return audit.DirectoryChanged
	case "administrators":
		return audit.AdministratorChanged
	case "name", "language", "time_zone", "domains", "branding", "support", "links", "help_texts":
		return audit.OrganizationChanged
	}
	return audit.PolicyChanged
}

// said is a change as its event tells it.
func said(kind audit.Kind, c Change) string {
	switch {
	case kind == audit.AdministratorChanged:
		return "changed" // who it is identifies a person
	case strings.HasPrefix(c.Key, "messages."), strings.HasPrefix(c.Key, "help_texts."):
		return whose(c.Before) + " → " + whose(c.After)
	}
	return c.Before + " → " + c.After
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
	if texts, ok := v.Interface().([]wording.Text); ok {
		flattenTexts(key, texts, into)
		return
	}
	if texts, ok := v.Interface().([]wording.PageText); ok {
		for _, t := range texts {
			into[key+"."+t.Page+"."+t.Language] = strconv.Quote(t.Text)
		}
		return
	}
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if name := config.KeyOf(f); name != "" && !slices.Contains([]string{"id", "version"}, name) {
				flatten(strings.TrimPrefix(key+"."+name, "."), v.Field(i), into)
			}
		}
		return
	}
	if v.Kind() == reflect.Map && v.Len() == 0 {
		return
	}
	text := fmt.Sprint(v.Interface())
	if d, ok := v.Interface().(time.Duration); ok {
		text = config.Duration(d)
	}
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
	return found(s.one(ctx, tx, `id = $1`, id))
}

// BySlug gives an organization by its short name. Problem NotFound.
func (s *Service) BySlug(ctx context.Context, tx *store.Tx, slug string) (*Organization, error) {
	return found(s.one(ctx, tx, `slug = $1`, slug))
}

// ForUserID gives the organization that a user ID belongs to: by the domain
// after the last @, or, without an @, the only organization there is. Problem NotFound.
func (s *Service) ForUserID(ctx context.Context, tx *store.Tx, userID string) (*Organization, error) {
	domain := DomainOf(userID)
	if domain != "" {
		return found(s.one(ctx, tx, `id = (SELECT org_id FROM organization_domain WHERE domain = $1)`, domain))
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
	ids, err := selectIDs(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("organizations: %w", err)
	}
	all := make([]*Organization, len(ids))
	for i, id := range ids {
		if all[i], err = s.Get(ctx, tx, id); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// one reads an organization unless it is known as it is stored.
func (s *Service) one(ctx context.Context, tx *store.Tx, where, value string) (*Organization, error) {
	id, revision, err := selectRevision(ctx, tx, where, value)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	k := s.known[id]
	s.mu.Unlock()
	if k.revision == revision {
		return k.org, nil
	}
	if k.org, k.revision, err = selectDocument(ctx, tx, id); err != nil {
		return nil, err
	}
	k.org.Channels = s.channels
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[id] = k
	return k.org, nil
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
