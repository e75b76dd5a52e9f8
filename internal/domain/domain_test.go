package domain_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/domain/domaintest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// room is the room with two organizations and a DNS.
type room struct {
	t        *testing.T
	db       *store.DB
	log      *audit.Service
	orgs     *org.Service
	dns      *domaintest.DNS
	s        *domain.Service
	contoso  string
	fabrikam string
}

var by = audit.Actor{Kind: audit.System}

func start(t *testing.T, db *store.DB) *room {
	t.Helper()
	r := &room{t: t, db: db, log: audittest.New(t, db), dns: domaintest.Start(t)}
	o, orgs := orgtest.Contoso(t, db, r.log)
	r.orgs, r.contoso = orgs, o.ID
	d := o.Document()
	d.Slug, d.Name, d.Domains, d.Administrators = "fabrikam", "Fabrikam", []string{"fabrikam.com"}, nil
	r.fabrikam = orgtest.Apply(t, db, orgs, d).ID
	s, err := domain.New(domain.Deps{DB: db, Orgs: orgs, Audit: r.log, Resolver: r.dns.Resolver(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r.s = s
	return r
}

func (r *room) org(id string) (o *org.Organization) {
	r.t.Helper()
	r.read(func(tx *store.Tx) (err error) { o, err = r.orgs.Get(r.t.Context(), tx, id); return err })
	return o
}

func (r *room) read(do func(*store.Tx) error) {
	r.t.Helper()
	if err := r.db.Read(r.t.Context(), do); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) add(id, name string) (d domain.Domain, err error) {
	r.t.Helper()
	o := r.org(id)
	err = r.db.Write(r.t.Context(), func(tx *store.Tx) (err error) { d, err = r.s.Add(r.t.Context(), tx, by, o, name); return err })
	return d, err
}

func (r *room) verify(id, name string) domain.Domain {
	r.t.Helper()
	d, err := r.s.Verify(r.t.Context(), by, r.org(id), name)
	if err != nil {
		r.t.Fatalf("verifying %s: %v", name, err)
	}
	return d
}

func (r *room) one(id, name string) (d domain.Domain) {
	r.t.Helper()
	o := r.org(id)
	r.read(func(tx *store.Tx) (err error) { d, err = r.s.One(r.t.Context(), tx, o, name); return err })
	return d
}

// owner is whose a user ID is; empty: nobody's.
func (r *room) owner(userID string) (slug string) {
	r.t.Helper()
	r.read(func(tx *store.Tx) error {
		o, err := r.orgs.ForUserID(r.t.Context(), tx, userID)
		if err == nil {
			slug = o.Slug
		} else if problem.Has(err, problem.NotFound) {
			err = nil
		}
		return err
	})
	return slug
}

func TestADomainIsProvedByItsRecord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := start(t, db)
		d, err := r.add(r.contoso, " Contoso.CO.ID. ")
		if err != nil || d.Name != "contoso.co.id" || d.State != domain.Pending || d.Record != "_kunci-challenge.contoso.co.id" || len(d.Value) < 40 {
			t.Fatalf("%+v, %v", d, err)
		}
		if r.owner("alain@contoso.co.id") != "" {
			t.Error("a domain that nobody proved leads somewhere")
		}
		for _, c := range []struct {
			records []string
			reason  domain.Reason
		}{
			{nil, domain.NotFound},
			{[]string{"v=spf1 -all", d.Value + "x", strings.ToLower(d.Value)}, domain.Other},
		} {
			r.dns.Set(d.Record, c.records...)
			if got := r.verify(r.contoso, d.Name); got.State != domain.Failed || got.Reason != c.reason || r.owner("alain@contoso.co.id") != "" {
				t.Errorf("with %v: %+v", c.records, got)
			}
		}
		r.dns.Fail(true)
		if got := r.verify(r.contoso, d.Name); got.State != domain.Failed || got.Reason != domain.Unreachable {
			t.Errorf("without a DNS: %+v", got)
		}
		r.dns.Fail(false)
		r.dns.Set(d.Record, "v=spf1 -all", d.Value)
		version := r.org(r.contoso).Version
		if got := r.verify(r.contoso, d.Name); got.State != domain.Verified || got.ByOperator || got.Reason != "" {
			t.Errorf("with its record: %+v", got)
		}
		if r.owner("alain@contoso.co.id") != "contoso" || r.org(r.contoso).Version != version+1 {
			t.Error("the domain leads nowhere")
		}
		// Looked at once more, nothing changes.
		if got := r.verify(r.contoso, d.Name); got.State != domain.Verified || r.org(r.contoso).Version != version+1 {
			t.Errorf("again: %+v", got)
		}
		if again, err := r.add(r.contoso, d.Name); err != nil || again.State != domain.Verified || again.Value != d.Value {
			t.Errorf("asked for again: %+v, %v", again, err)
		}
		found := false
		for _, e := range audittest.Events(t, db, r.log) {
			found = found || e.Kind == audit.OrganizationChanged && strings.Contains(e.Detail["domains"], "contoso.co.id")
		}
		if !found {
			t.Error("the log does not tell of the domain")
		}
	})
}

func TestWhatIsNoDomainIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := start(t, db)
		for _, name := range []string{"", "com", "a b.com", "-a.com", "contoso.com/x", "contoso..com", "cöntoso.com", "127.0.0.1", "a@b.com", strings.Repeat("a.", 126) + "com"} {
			if d, err := r.add(r.contoso, name); !problem.Has(err, problem.DomainInvalid) {
				t.Errorf("%q: %+v, %v", name, d, err)
			}
		}
		for i := range 50 {
			if _, err := r.add(r.contoso, strings.Repeat("a", i+1)+".example"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.add(r.contoso, "one-more.example"); !problem.Has(err, problem.DomainLimit) {
			t.Errorf("the 51st: %v", err)
		}
		if _, err := r.add(r.fabrikam, "one-more.example"); err != nil {
			t.Errorf("another organization: %v", err)
		}
		if _, err := r.s.Verify(t.Context(), by, r.org(r.fabrikam), "a.example"); !problem.Has(err, problem.NotFound) {
			t.Errorf("a domain that another organization waits for: %v", err)
		}
		// How often the DNS is asked is bounded.
		var refused error
		for range 31 {
			_, refused = r.s.Verify(t.Context(), by, r.org(r.fabrikam), "one-more.example")
		}
		if !problem.Has(refused, problem.Blocked) {
			t.Errorf("the 31st look: %v", refused)
		}
	})
}

// Whoever proves a domain first has it; a pending one is in nobody's way, and each
// has a text of its own.
func TestADomainBelongsToWhoeverProvedIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := start(t, db)
		mine, _ := r.add(r.contoso, "shared.example")
		theirs, err := r.add(r.fabrikam, "shared.example")
		if err != nil || theirs.Value == mine.Value || theirs.State != domain.Pending {
			t.Fatalf("%+v, %v", theirs, err)
		}
		r.dns.Set(theirs.Record, theirs.Value)
		if got := r.verify(r.contoso, "shared.example"); got.Reason != domain.Other {
			t.Errorf("by the other's record: %+v", got)
		}
		if got := r.verify(r.fabrikam, "shared.example"); got.State != domain.Verified {
			t.Errorf("%+v", got)
		}
		r.dns.Set(theirs.Record, theirs.Value, mine.Value)
		version := r.org(r.contoso).Version
		if got := r.verify(r.contoso, "shared.example"); got.State != domain.Failed || got.Reason != domain.Taken || r.owner("x@shared.example") != "fabrikam" {
			t.Errorf("a domain that is proved: %+v, leads to %s", got, r.owner("x@shared.example"))
		}
		if r.org(r.contoso).Version != version {
			t.Error("the organization changed")
		}
		// The operator's domains count as proved, for whom they are.
		own := r.one(r.contoso, "contoso.com")
		if own.State != domain.Verified || !own.ByOperator || own.Value != "" {
			t.Errorf("%+v", own)
		}
		wanted, err := r.add(r.fabrikam, "contoso.com")
		if err != nil || wanted.State != domain.Pending {
			t.Fatalf("asking for one that is not free tells that: %+v, %v", wanted, err)
		}
		r.dns.Set(wanted.Record, wanted.Value)
		if got := r.verify(r.fabrikam, "contoso.com"); got.Reason != domain.Taken || r.owner("alain@contoso.com") != "contoso" {
			t.Errorf("%+v", got)
		}
	})
}

func TestARecordThatHasGoneIsTold(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		r := start(t, db)
		d, _ := r.add(r.contoso, "contoso.co.id")
		r.dns.Set(d.Record, d.Value)
		r.verify(r.contoso, d.Name)
		looked := func(after time.Duration) bool {
			t.Helper()
			before := len(r.dns.Asked())
			clock.Advance(after)
			if err := r.s.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			return len(r.dns.Asked()) > before
		}
		gone := func() (n int) {
			o := r.org(r.contoso)
			r.read(func(tx *store.Tx) (err error) { n, err = r.s.Gone(t.Context(), tx, o); return err })
			return n
		}
		events := func(reason string) (n int) {
			for _, e := range audittest.Events(t, db, r.log) {
				if e.Reason == reason && e.Detail["domain"] == d.Name {
					n++
				}
			}
			return n
		}
		if looked(23*time.Hour) || !looked(2*time.Hour) || gone() != 0 {
			t.Error("a domain is not looked at once a day")
		}
		// No answer says nothing of the record.
		r.dns.Fail(true)
		if !looked(25*time.Hour) || gone() != 0 {
			t.Error("a DNS that does not answer counts as a record that has gone")
		}
		r.dns.Fail(false)
		r.dns.Set(d.Record)
		if !looked(25*time.Hour) || gone() != 1 || r.owner("alain@contoso.co.id") != "contoso" {
			t.Errorf("%d gone, the domain leads to %q", gone(), r.owner("alain@contoso.co.id"))
		}
		since := r.one(r.contoso, d.Name).GoneAt
		if !looked(2*time.Hour) || !r.one(r.contoso, d.Name).GoneAt.Equal(since) || events("domain-record-gone") != 1 {
			t.Errorf("looked at again: since %v, %d events", r.one(r.contoso, d.Name).GoneAt, events("domain-record-gone"))
		}
		r.dns.Set(d.Record, d.Value)
		if !looked(2*time.Hour) || gone() != 0 || events("domain-record-back") != 1 {
			t.Error("a record that is back is not told")
		}
		// What a file takes away is not brought back by a record that is still there.
		document := r.org(r.contoso).Document()
		document.Domains = []string{"contoso.com"}
		orgtest.Apply(t, db, r.orgs, document)
		looked(25 * time.Hour)
		if got := r.one(r.contoso, d.Name); got.State == domain.Verified || r.owner("alain@contoso.co.id") != "" || looked(25*time.Hour) {
			t.Errorf("a domain that a file took away: %+v", got)
		}
		if got := r.verify(r.contoso, d.Name); got.State != domain.Verified {
			t.Errorf("proved again: %+v", got)
		}
	})
}

func TestADomainIsTakenAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := start(t, db)
		d, _ := r.add(r.contoso, "contoso.co.id")
		r.dns.Set(d.Record, d.Value)
		r.verify(r.contoso, d.Name)
		version := r.org(r.contoso).Version
		remove := func(id, name string, version int64) error {
			return db.Write(t.Context(), func(tx *store.Tx) error { return r.s.Remove(t.Context(), tx, by, id, name, version) })
		}
		if err := remove(r.contoso, d.Name, version-1); !problem.Has(err, problem.Conflict) {
			t.Errorf("at an old version: %v", err)
		}
		if err := remove(r.fabrikam, d.Name, 1); !problem.Has(err, problem.NotFound) {
			t.Errorf("another's: %v", err)
		}
		var faults config.Faults
		if err := remove(r.contoso, "contoso.com", version); !errors.As(err, &faults) {
			t.Errorf("one with an administrator in it: %v", err)
		}
		if err := remove(r.contoso, d.Name, version); err != nil {
			t.Fatal(err)
		}
		if r.owner("alain@contoso.co.id") != "" {
			t.Error("it still leads somewhere")
		}
		again, err := r.add(r.contoso, d.Name)
		if err != nil || again.State != domain.Pending || again.Value == d.Value {
			t.Errorf("the old text counts again: %+v, %v", again, err)
		}
		if got := r.verify(r.contoso, d.Name); got.State == domain.Verified {
			t.Error("the old record proves it again")
		}
		if err := remove(r.contoso, d.Name, 0); err != nil { // waiting needs no version
			t.Errorf("no longer waiting: %v", err)
		}
		if err := remove(r.contoso, d.Name, 0); !problem.Has(err, problem.NotFound) {
			t.Errorf("twice: %v", err)
		}
	})
}
