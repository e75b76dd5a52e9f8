package org_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var by = audit.Actor{Kind: audit.CLI}

func apply(ctx context.Context, db *store.DB, s *org.Service, d org.Document) (changes []org.Change, err error) {
	err = db.Write(ctx, func(tx *store.Tx) (err error) {
		changes, err = s.Apply(ctx, tx, by, d)
		return err
	})
	return changes, err
}

func get(t *testing.T, db *store.DB, s *org.Service, slug string) *org.Organization {
	t.Helper()
	var o *org.Organization
	if err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
		o, err = s.BySlug(t.Context(), tx, slug)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return o
}

func keys(changes []org.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Key)
	}
	return strings.Join(all, " ")
}

func TestApplyingTwiceChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		log := audittest.New(t, db)
		o, s := orgtest.Contoso(t, db, log)
		events := len(audittest.Events(t, db, log))
		if events != 4 {
			t.Errorf("a new organization made %d events, want organization, policy, directory and administrators", events)
		}
		changes, err := apply(t.Context(), db, s, o.Document())
		if err != nil || len(changes) > 0 {
			t.Errorf("the second time: %v, %v", changes, err)
		}
		if again := get(t, db, s, "contoso"); again.Version != o.Version || again.ID != o.ID {
			t.Errorf("version %d, id %s; want %d, %s", again.Version, again.ID, o.Version, o.ID)
		}
		if n := len(audittest.Events(t, db, log)); n != events {
			t.Errorf("%d events for nothing", n-events)
		}
	})
}

func TestAChangeTellsWhatItChanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		log := audittest.New(t, db)
		o, s := orgtest.Contoso(t, db, log)
		before := len(audittest.Events(t, db, log))
		d := o.Document()
		d.Policy.Reset.Gates = 2
		d.Policy.Throttle.Gate.Limit = 3
		d.Administrators = append(d.Administrators, org.Administrator{UserID: "Budi@contoso.com", Role: org.Helpdesk})
		changes, err := apply(t.Context(), db, s, d)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := keys(changes), "administrators policy.reset.gates policy.throttle.gate.limit"; got != want {
			t.Errorf("changes %q, want %q", got, want)
		}
		if changes[1].String() != "policy.reset.gates: 1 → 2" {
			t.Errorf("it reads %q", changes[1])
		}
		after := get(t, db, s, "contoso")
		if after.Version != o.Version+1 || after.Policy.Reset.Gates != 2 {
			t.Errorf("version %d, gates %d", after.Version, after.Policy.Reset.Gates)
		}
		if role, ok := after.RoleOf(" BUDI@contoso.com ", nil); !ok || role != org.Helpdesk {
			t.Errorf("role %q, %v", role, ok)
		}
		if _, ok := after.RoleOf("alain@contoso.com", nil); ok {
			t.Error("everyone has a role")
		}
		kinds := make(map[audit.Kind]audit.Record)
		events := audittest.Events(t, db, log)
		for _, e := range events {
			if e.Detail["policy.reset.gates"] == "1 → 2" || e.Detail["administrators"] == "changed" && len(events) > before {
				kinds[e.Kind] = e
			}
		}
		if len(events) != before+2 {
			t.Errorf("%d events, want one for the policy and one for the administrators", len(events)-before)
		}
		if _, ok := kinds[audit.PolicyChanged]; !ok {
			t.Error("no policy.changed with the difference")
		}
		if e, ok := kinds[audit.AdministratorChanged]; !ok || strings.Contains(e.Detail["administrators"], "@") {
			t.Errorf("administrator.changed: %+v", e)
		}
		// The document that was applied belongs to the caller.
		if d.Administrators[1].UserID != "Budi@contoso.com" {
			t.Error("applying changed the caller's document")
		}
	})
}

func TestAWrongDocumentIsNotStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, s := orgtest.Contoso(t, db, audittest.New(t, db))
		for name, change := range map[string]func(*org.Document){
			"administrators.gates": func(d *org.Document) { d.Policy.Administrators.Gates = 1 },
			"administrators":       func(d *org.Document) { d.Administrators = nil },
		} {
			d := o.Document()
			change(&d)
			_, err := apply(t.Context(), db, s, d)
			var faults config.Faults
			if !errors.As(err, &faults) || len(faults) != 1 || !strings.HasSuffix(faults[0].Key, name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := get(t, db, s, "contoso"); got.Version != o.Version || len(got.Administrators) != 1 {
			t.Errorf("stored all the same: %+v", got)
		}
	})
}

func TestADomainBelongsToOneOrganization(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, s := orgtest.Contoso(t, db, audittest.New(t, db))
		d := o.Document()
		d.Slug, d.Domains, d.Administrators = "fabrikam", []string{"fabrikam.com", "contoso.com"}, nil
		var faults config.Faults
		if _, err := apply(t.Context(), db, s, d); !errors.As(err, &faults) || faults[0].Key != "domains" {
			t.Errorf("taken: %v", err)
		}
		d.Domains = []string{"fabrikam.com"}
		fabrikam := orgtest.Apply(t, db, s, d)
		for userID, want := range map[string]string{
			"alain@contoso.com": o.ID, "ALAIN@Contoso.COM": o.ID, "x@contoso.com@fabrikam.com": fabrikam.ID,
			"alain@sub.contoso.com": "", "alain@example.com": "", "alain": "", "@": "", "": "",
		} {
			var got string
			err := db.Read(t.Context(), func(tx *store.Tx) error {
				found, err := s.ForUserID(t.Context(), tx, userID)
				if err == nil {
					got = found.ID
				}
				return err
			})
			if got != want || (want == "") != problem.Has(err, problem.NotFound) {
				t.Errorf("%q: %q, %v; want %q", userID, got, err, want)
			}
		}
		// A domain that was given up can be taken.
		moved := o.Document()
		moved.Domains = append(moved.Domains, "contoso.id")
		orgtest.Apply(t, db, s, moved)
		moved.Domains = moved.Domains[:1]
		orgtest.Apply(t, db, s, moved)
		d.Domains = append(d.Domains, "contoso.id")
		orgtest.Apply(t, db, s, d)
		var names []string
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			all, err := s.List(t.Context(), tx)
			for _, o := range all {
				names = append(names, o.Slug)
			}
			return err
		}); err != nil || strings.Join(names, " ") != "contoso fabrikam" {
			t.Errorf("list: %v, %v", names, err)
		}
	})
}

func TestAUserIDWithoutADomainMeansTheOnlyOrganization(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, s := orgtest.Contoso(t, db, audittest.New(t, db))
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			found, err := s.ForUserID(t.Context(), tx, "alain")
			if err == nil && found.ID != o.ID {
				t.Errorf("got %s", found.Slug)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestOfManyWhoChangeOneVersionOneWins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o, s := orgtest.Contoso(t, db, audittest.New(t, db))
		var won, conflicts atomic.Int32
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				p := o.Document().Policy
				p.AfterResetHours = 30 + i
				err := db.Write(t.Context(), func(tx *store.Tx) error {
					return s.SetPolicy(t.Context(), tx, by, o.ID, p, o.Version)
				})
				switch {
				case err == nil:
					won.Add(1)
				case problem.Has(err, problem.Conflict):
					conflicts.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || conflicts.Load() != 11 {
			t.Errorf("%d won, %d were told of it", won.Load(), conflicts.Load())
		}
		if got := get(t, db, s, "contoso"); got.Version != o.Version+1 {
			t.Errorf("version %d", got.Version)
		}
	})
}

// Two services are two nodes: what one keeps in memory must not hide what the
// other stored, nor bring back what was rolled back.
func TestWhatIsKnownIsWhatIsStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		log := audittest.New(t, db)
		o, here := orgtest.Contoso(t, db, log)
		there, err := org.New(org.Deps{Audit: log})
		if err != nil {
			t.Fatal(err)
		}
		if first, second := get(t, db, here, "contoso"), get(t, db, here, "contoso"); first != second {
			t.Error("an unchanged organization is read twice")
		}
		set := func(gates int, fail error) {
			t.Helper()
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				d := o.Document()
				d.Policy.Reset.Gates = gates
				if _, err := here.Apply(t.Context(), tx, by, d); err != nil {
					return err
				}
				inside, err := here.BySlug(t.Context(), tx, "contoso")
				if err != nil || inside.Policy.Reset.Gates != gates {
					t.Errorf("inside the transaction: %v, %v", inside, err)
				}
				return fail
			})
			if !errors.Is(err, fail) {
				t.Fatal(err)
			}
		}
		rollback := errors.New("rolled back")
		set(2, rollback)
		if got := get(t, db, here, "contoso"); got.Policy.Reset.Gates != 1 {
			t.Error("what was rolled back is still known")
		}
		get(t, db, there, "contoso")
		set(2, nil)
		if got := get(t, db, there, "contoso"); got.Policy.Reset.Gates != 2 {
			t.Error("the other node still knows the old policy")
		}
		// The same version number, reached by another way.
		set(1, rollback)
		d := o.Document()
		d.Policy.Reset.Gates = 2
		d.Policy.AfterResetHours = 99
		orgtest.Apply(t, db, there, d)
		if got := get(t, db, here, "contoso"); got.Policy.AfterResetHours != 99 {
			t.Error("a version that was rolled back hides the one that was stored")
		}
	})
}

func TestNewRefusesMissingParts(t *testing.T) {
	if _, err := org.New(org.Deps{}); err == nil {
		t.Error("no audit log was fine")
	}
}
