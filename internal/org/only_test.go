package org_test

import (
	"errors"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// The only organization is what this node stored last at once, and what another
// node stored soon; where there are two there is none.
func TestTheOnlyOrganization(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		log := audittest.New(t, db)
		o, here := orgtest.Contoso(t, db, log)
		there, err := org.New(org.Deps{Audit: log})
		if err != nil {
			t.Fatal(err)
		}
		named := func(s *org.Service) string {
			t.Helper()
			only, err := s.Only(t.Context(), db)
			if err != nil {
				t.Fatal(err)
			}
			if only == nil {
				return ""
			}
			return only.Name
		}
		if named(here) != o.Name || named(there) != o.Name {
			t.Fatalf("%q here, %q there", named(here), named(there))
		}
		d := o.Document()
		d.Name = "Contoso Baru"
		orgtest.Apply(t, db, here, d)
		if got := named(here); got != d.Name {
			t.Errorf("the node that changed it says %q", got)
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for until := time.Now().Add(10 * time.Second); named(there) != d.Name; <-tick.C {
			if time.Now().After(until) {
				t.Fatalf("the other node still says %q", named(there))
			}
		}
		fail := errors.New("rolled back")
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			d.Name = "Contoso Lama"
			if _, err := here.Apply(t.Context(), tx, by, d); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) || named(here) != "Contoso Baru" {
			t.Errorf("%v; after a change that was rolled back: %q", err, named(here))
		}
		d.Slug, d.Name, d.Domains, d.Administrators = "fabrikam", "Fabrikam", []string{"fabrikam.com"}, nil
		orgtest.Apply(t, db, here, d)
		if got := named(here); got != "" {
			t.Errorf("of two organizations %q is the only one", got)
		}
	})
}
