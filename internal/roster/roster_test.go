package roster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// source is a directory that tells what a test gave it.
type source struct {
	directory.Directory
	mu    sync.Mutex
	asked []string // the marks it was given
	give  func(since string, fn func([]directory.Entry) error) (string, bool, error)
}

func (s *source) Changes(_ context.Context, since string, fn func([]directory.Entry) error) (string, bool, error) {
	s.mu.Lock()
	s.asked = append(s.asked, since)
	give := s.give
	s.mu.Unlock()
	return give(since, fn)
}

// entries gives pages of one each.
func entries(next string, whole bool, keys ...string) func(string, func([]directory.Entry) error) (string, bool, error) {
	return func(_ string, fn func([]directory.Entry) error) (string, bool, error) {
		for _, k := range keys {
			if err := fn([]directory.Entry{{Key: k, Groups: []string{"staff"}, Disabled: k == "c", Privileged: k == "b", Source: directory.Managed}}); err != nil {
				return "", false, err
			}
		}
		return next, whole, nil
	}
}

type house struct {
	*roster.Service
	t      *testing.T
	db     *store.DB
	orgs   *org.Service
	org    *org.Organization
	source *source
	clock  *storetest.Clock
	log    lines
}

// lines are what a service logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(l.text.String(), w) })
}

func each(t *testing.T, fn func(t *testing.T, h *house)) {
	t.Helper()
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		h := &house{t: t, db: db, source: new(source), clock: clock}
		h.org, h.orgs = orgtest.Contoso(t, db, audittest.New(t, db), func(d *org.Document) {
			d.Directory = org.DirectoryConfig{
				Kind: org.LDAP, Dialect: org.OpenLDAP, URLs: []string{"ldaps://127.0.0.1:9"}, BindDN: "cn=kunci", BindPasswordFile: "/secret",
				BaseDN: "dc=contoso", Sync: org.DirectorySync{Every: time.Hour},
			}
		})
		h.Service = h.node()
		fn(t, h)
	})
}

// node is another one on the same database.
func (h *house) node() *roster.Service {
	h.t.Helper()
	s, err := roster.New(roster.Deps{DB: h.db, Orgs: h.orgs, Log: slog.New(slog.NewTextHandler(&h.log, nil)), Directories: func(*org.Organization) (directory.Directory, error) {
		return h.source, nil
	}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(s.Close)
	return s
}

func (h *house) status() (st roster.Status) {
	h.t.Helper()
	err := h.db.Read(h.t.Context(), func(tx *store.Tx) (err error) {
		st, err = h.Status(h.t.Context(), tx, h.org)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

// keys are those on the list, read in pages of two.
func (h *house) keys() string {
	h.t.Helper()
	text, after := "", ""
	for {
		var page []directory.Entry
		err := h.db.Read(h.t.Context(), func(tx *store.Tx) (err error) {
			page, err = h.Page(h.t.Context(), tx, h.org, after, 2)
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range page {
			text += e.Key
			after = e.Key
			if e.Disabled != (e.Key == "c") || e.Privileged != (e.Key == "b") || fmt.Sprint(e.Groups) != "[staff]" || e.Source != directory.Managed {
				h.t.Errorf("%+v", e)
			}
		}
		if len(page) < 2 {
			return text
		}
	}
}

func (h *house) pass(give func(string, func([]directory.Entry) error) (string, bool, error)) error {
	h.source.give = give
	return h.Pass(h.t.Context(), h.org)
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestAListFollowsItsDirectory(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if st := h.status(); !st.On || st.Listed {
			t.Errorf("before: %+v", st)
		}
		h.must(h.pass(entries("one", true, "a", "b", "c")))
		if st := h.status(); !st.Listed || st.Entries != 3 || !st.Whole || st.Failure != "" || st.Running || h.keys() != "abc" {
			t.Errorf("everybody: %+v, %s", st, h.keys())
		}
		h.must(h.pass(entries("two", false, "d")))
		if st := h.status(); st.Entries != 4 || st.Whole || h.keys() != "abcd" {
			t.Errorf("what changed: %+v, %s", st, h.keys())
		}
		h.clock.Advance(25 * time.Hour)
		h.must(h.pass(entries("three", true, "a", "d")))
		if st := h.status(); st.Entries != 2 || h.keys() != "ad" {
			t.Errorf("who left: %+v, %s", st, h.keys())
		}
		if got := fmt.Sprintf("%q", h.source.asked); got != `["" "one" ""]` {
			t.Errorf("asked for changes since %s", got)
		}
		h.must(h.db.Write(t.Context(), func(tx *store.Tx) error { return h.Erase(t.Context(), tx, h.org.ID, "a") }))
		if st := h.status(); st.Entries != 1 || h.keys() != "d" {
			t.Errorf("erased: %+v, %s", st, h.keys())
		}
	})
}

func TestAFailedPassLeavesTheList(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.must(h.pass(entries("one", true, "a", "b")))
		for want, give := range map[roster.Failure]func(string, func([]directory.Entry) error) (string, bool, error){
			roster.Nobody: entries("x", true),
			roster.Unavailable: func(_ string, fn func([]directory.Entry) error) (string, bool, error) {
				return "", false, errors.Join(fn([]directory.Entry{{Key: "a", Groups: []string{"staff"}}}), directory.ErrUnavailable)
			},
			roster.Rights: func(string, func([]directory.Entry) error) (string, bool, error) {
				return "", false, directory.ErrRights
			},
		} {
			if err := h.pass(give); err == nil {
				t.Errorf("%s went well", want)
			}
			st := h.status()
			if st.Failure != want || st.FailedAt.IsZero() || !st.Listed || st.Entries != 2 || h.keys() != "ab" || st.Running {
				t.Errorf("%s: %+v, %s", want, st, h.keys())
			}
			if wait := st.Due.Sub(h.db.Now()); wait <= 0 || wait > 5*time.Minute {
				t.Errorf("tried again in %v", wait)
			}
		}
		if h.log.has("begins again") && h.log.has("reads=everybody") {
			t.Errorf("there is a mark: %s", h.log.text.String())
		}
		h.must(h.pass(entries("two", false)))
		if !h.log.has("begins again", "what changed since the last one") {
			t.Errorf("it does not say that it begins again: %s", h.log.text.String())
		}
		if st := h.status(); st.Failure != "" || !st.FailedAt.IsZero() {
			t.Errorf("mended: %+v", st)
		}
		if last := h.source.asked[len(h.source.asked)-1]; last != "one" {
			t.Errorf("a failed pass moved the mark: %q", last)
		}
	})
}

func TestAnotherConnectionIsAnotherList(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.must(h.pass(entries("one", true, "a")))
		d := h.org.Document()
		d.Directory.BaseDN = "dc=fabrikam"
		h.org = orgtest.Apply(t, h.db, h.orgs, d)
		if st := h.status(); st.Listed {
			t.Errorf("%+v", st)
		}
		h.must(h.pass(entries("two", true, "b")))
		if h.keys() != "b" || h.source.asked[1] != "" {
			t.Errorf("%s, %q", h.keys(), h.source.asked)
		}
		d.Administrators = append(d.Administrators, org.Administrator{UserID: "citra@contoso.com", Role: org.Owner})
		h.org = orgtest.Apply(t, h.db, h.orgs, d)
		if st := h.status(); !st.Listed {
			t.Errorf("other administrators: %+v", st)
		}
		h.must(h.pass(entries("three", true, "b")))
		if h.source.asked[2] != "" {
			t.Errorf("a new administrator is not looked at: %q", h.source.asked)
		}
		d.Directory.Sync = org.DirectorySync{}
		h.org = orgtest.Apply(t, h.db, h.orgs, d)
		h.must(h.Run(t.Context()))
		if st := h.status(); st.On || st.Listed || h.keys() != "" {
			t.Errorf("off: %+v %s", st, h.keys())
		}
		if err := h.Pass(t.Context(), h.org); !problem.Has(err, problem.Conflict) {
			t.Errorf("a pass nobody asks for: %v", err)
		}
	})
}

// Two nodes never read at once, and a node that died is waited for two minutes.
func TestOnePassAtATime(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		other := h.node()
		reading, further, done := make(chan struct{}), make(chan struct{}), make(chan error)
		h.source.give = func(_ string, fn func([]directory.Entry) error) (string, bool, error) {
			err := fn([]directory.Entry{{Key: "a", Groups: []string{"staff"}}})
			close(reading)
			<-further
			return "one", true, errors.Join(err, fn([]directory.Entry{{Key: "z", Groups: []string{"staff"}}}))
		}
		go func() { done <- h.Pass(t.Context(), h.org) }()
		<-reading
		if !h.status().Running {
			t.Error("nothing is under way")
		}
		if err := other.Pass(t.Context(), h.org); !problem.Has(err, problem.Conflict) {
			t.Errorf("a second one: %v", err)
		}
		h.clock.Advance(3 * time.Minute)
		h.source.mu.Lock()
		h.source.give = entries("two", true, "b")
		h.source.mu.Unlock()
		h.must(other.Pass(t.Context(), h.org))
		if asked := h.source.asked[len(h.source.asked)-1]; asked != "" || !h.log.has("begins again", "the node that read it fell silent", "reads=everybody") {
			t.Errorf("it begins after %q, and does not say why: %s", asked, h.log.text.String())
		}
		close(further)
		if err := <-done; err == nil {
			t.Error("the one that was given up took the list")
		}
		if st := h.status(); st.Failure != "" || st.Entries != 1 || h.keys() != "b" {
			t.Errorf("%+v, %s", st, h.keys())
		}
	})
}

// Run begins what is due, and what was asked for.
func TestPassesBeginWhenTheyAreDue(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		passed := make(chan struct{}, 8)
		h.source.give = func(string, func([]directory.Entry) error) (string, bool, error) {
			passed <- struct{}{}
			return "one", false, nil
		}
		ran := func() bool {
			t.Helper()
			s := h.node()
			h.must(s.Run(t.Context()))
			s.Finish()
			select {
			case <-passed:
				return true
			default:
				return false
			}
		}
		if !ran() || ran() {
			t.Error("the first pass begins at once, and once")
		}
		h.clock.Advance(time.Hour)
		if !ran() {
			t.Error("an hour later nothing was due")
		}
		h.must(h.db.Write(t.Context(), func(tx *store.Tx) error { return h.Request(t.Context(), tx, h.org) }))
		if !ran() || ran() {
			t.Error("what was asked for begins, and once")
		}
		d := h.org.Document()
		d.Directory.BaseDN = "dc=fabrikam"
		h.org = orgtest.Apply(t, h.db, h.orgs, d)
		if !ran() || ran() {
			t.Error("another connection is listed at once, and once")
		}
		d.Directory.Sync.Every = 10 * time.Minute
		h.org = orgtest.Apply(t, h.db, h.orgs, d)
		h.clock.Advance(11 * time.Minute)
		if !ran() {
			t.Error("a shorter time between passes did not hold at once")
		}
	})
}

// However many organizations there are, each has its turn.
func TestNobodyIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		d := h.org.Document()
		for i := range 40 {
			d.Slug, d.Domains = fmt.Sprintf("org%02d", i), []string{fmt.Sprintf("org%02d.example", i)}
			d.Administrators = nil
			orgtest.Apply(t, h.db, h.orgs, d)
		}
		passes := 0
		h.source.give = func(string, func([]directory.Entry) error) (string, bool, error) {
			h.source.mu.Lock()
			defer h.source.mu.Unlock()
			passes++
			return "one", true, nil
		}
		for range 4 {
			h.must(h.Run(t.Context()))
			h.Finish()
		}
		if passes != 41 {
			t.Errorf("%d passes over 41 organizations", passes)
		}
	})
}

// A node that stops says nothing of the directory.
func TestAPassThatEndsWithItsNodeIsNoFailure(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx, stop := context.WithCancel(t.Context())
		h.source.give = func(_ string, fn func([]directory.Entry) error) (string, bool, error) {
			stop()
			return "", false, fn([]directory.Entry{{Key: "a"}})
		}
		if err := h.Pass(ctx, h.org); err == nil {
			t.Error("it went well")
		}
		if st := h.status(); st.Failure != "" || st.Running || st.Listed {
			t.Errorf("%+v", st)
		}
	})
}
