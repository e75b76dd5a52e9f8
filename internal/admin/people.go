package admin

import (
	"context"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
)

// Show picks people by whether they could reset.
type Show string

// What can be shown.
const (
	ShowAll           Show = ""
	ShowCapable       Show = "capable"
	ShowNotRegistered Show = "not-registered" // enabled, with too few methods
	ShowNotEnabled    Show = "not-enabled"
)

// Query picks people.
type Query struct {
	Prefix string // how the user ID begins; in a directory that cannot be listed, or the name
	Show   Show
	Kind   method.Kind // who has a usable method of it; empty: any
	After  string      // the last user ID of the page before
	Limit  int
	// Match picks among those that Show and Kind leave; nil: all.
	Match func(Listed) bool
}

// Listed is one line of the list.
type Listed struct {
	Entry      directory.Entry
	Role       org.Role
	Kinds      []method.Kind // of which they have a usable method
	Default    method.Kind   // of the one a sign-in offers first; empty: of none
	Enabled    bool
	Registered bool
}

// List is a page of people.
type List struct {
	People []Listed
	// Next continues after this page; empty: there are no more.
	Next string
	// Exact tells that the directory cannot be listed: only those are here who were
	// searched for. More: there may be others whom the text finds.
	Exact, More bool
}

const (
	pageOfPeople = 50
	// most is how many accounts are looked at for one page that is filtered.
	most = 5000
	// mostFound is how many a directory that cannot be listed is asked for: the groups
	// of each are more questions.
	mostFound = 20
)

// People lists people by user ID. A page may hold fewer than asked for, or none,
// and still go on: a filter looks at a bounded number of accounts at a time.
// Problems: Forbidden, DirectoryUnavailable.
func (s *Service) People(ctx context.Context, as Authority, o *org.Organization, q Query) (List, error) {
	if !as.May(SeePeople) {
		return List{}, problem.New(problem.Forbidden)
	}
	if q.Limit <= 0 || q.Limit > pageOfPeople*4 {
		q.Limit = pageOfPeople
	}
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return List{}, err
	}
	lister, ok := d.(directory.Lister)
	if !ok {
		return s.search(ctx, o, q, d.Capabilities())
	}
	if q.Kind != "" {
		list, few, err := s.holders(ctx, o, lister, q, d.Capabilities())
		if err != nil || few {
			return list, err
		}
	}
	list := List{Next: q.After}
	filtered := q.Show != ShowAll || q.Kind != "" || q.Match != nil
	step := q.Limit + 1
	if filtered {
		step = directory.MaxPage
	}
	for seen := 0; seen < most; {
		page, err := lister.List(ctx, directory.Page{Prefix: q.Prefix, After: list.Next, Limit: step})
		if err != nil {
			return List{}, err
		}
		more, err := s.take(ctx, o, &list, q, page, d.Capabilities())
		if err != nil || more {
			return list, err
		}
		if len(page) < step {
			list.Next = ""
			return list, nil
		}
		seen += len(page)
	}
	return list, nil
}

// holders lists people by a kind of method where few have it, whoever else there is;
// few is false where they are too many, so that walking soon finds a page of them.
func (s *Service) holders(ctx context.Context, o *org.Organization, lister directory.Lister, q Query, can directory.Capabilities) (list List, few bool, err error) {
	var keys []string
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		keys, few, err = s.d.Report.Holders(ctx, tx, o.ID, q.Kind, most)
		return err
	})
	if err != nil || !few {
		return List{}, false, err
	}
	found, err := lister.Several(ctx, keys)
	if err != nil {
		return List{}, false, err
	}
	begins := directory.NormalizeUserID(q.Prefix)
	found = slices.DeleteFunc(found, func(e directory.Entry) bool {
		return e.UserID <= q.After || !strings.HasPrefix(e.UserID, begins) || begins == "" && q.Prefix != ""
	})
	for page := range slices.Chunk(found, directory.MaxPage) {
		full, err := s.take(ctx, o, &list, q, page, can)
		if err != nil || full {
			return list, true, err
		}
	}
	list.Next = ""
	return list, true, nil
}

// take adds those of a page that are asked for, and tells whether the list is full.
func (s *Service) take(ctx context.Context, o *org.Organization, list *List, q Query, page []directory.Entry, can directory.Capabilities) (full bool, err error) {
	var has map[string]report.Holding
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		has, err = s.d.Report.Held(ctx, tx, o.ID, page)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, e := range page {
		if len(list.People) == q.Limit {
			return true, nil
		}
		l := listed(o, e, has[e.Key].Kinds, can)
		if l.Default = has[e.Key].Default; l.matches(q) {
			list.People = append(list.People, l)
		}
		list.Next = e.UserID
	}
	return false, nil
}

// Listed is the person as they stand in a list.
func (p Person) Listed(o *org.Organization) Listed {
	var kinds []method.Kind
	for _, k := range method.Kinds() {
		for _, m := range p.Methods {
			if m.Kind == k && m.Usable() {
				kinds = append(kinds, k)
				break
			}
		}
	}
	l := listed(o, p.Account.Entry, kinds, p.can)
	for _, m := range p.Methods {
		if m.Default && m.Usable() {
			l.Default = m.Kind
		}
	}
	return l
}

func listed(o *org.Organization, e directory.Entry, kinds []method.Kind, can directory.Capabilities) Listed {
	role, _ := o.RoleOf(e.UserID, e.Groups)
	return Listed{
		Entry: e, Role: role, Kinds: kinds,
		Enabled: report.Enabled(o, e, can), Registered: report.Registered(o, e, kinds),
	}
}

func (l Listed) matches(q Query) bool {
	if q.Match != nil && !q.Match(l) {
		return false
	}
	if q.Kind != "" {
		found := false
		for _, k := range l.Kinds {
			found = found || k == q.Kind
		}
		if !found {
			return false
		}
	}
	switch q.Show {
	case ShowCapable:
		return l.Enabled && l.Registered
	case ShowNotRegistered:
		return l.Enabled && !l.Registered
	case ShowNotEnabled:
		return !l.Enabled
	}
	return true
}

// search finds, in a directory that cannot be listed, the person whose whole user ID
// was typed, else those whose user ID or name begins so.
func (s *Service) search(ctx context.Context, o *org.Organization, q Query, can directory.Capabilities) (List, error) {
	list := List{Exact: true}
	if strings.TrimSpace(q.Prefix) == "" {
		return list, nil
	}
	var found []directory.Entry
	a, err := s.d.Accounts.Find(ctx, o, q.Prefix)
	switch {
	case err == nil:
		found = []directory.Entry{a.Entry}
	case problem.Has(err, problem.NotFound):
		found, list.More, err = s.d.Accounts.Search(ctx, o, q.Prefix, mostFound)
	}
	if err != nil {
		return list, err
	}
	q.Limit = mostFound
	_, err = s.take(ctx, o, &list, q, found, can)
	list.Next = ""
	return list, err
}
