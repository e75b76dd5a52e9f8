// Package orgtest gives tests of higher rooms a stored organization. Tests only.
package orgtest

import (
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// Contoso stores the organization contoso with the default policy, changed by
// change where it is given, and gives it with its service.
func Contoso(t testing.TB, db *store.DB, log *audit.Service, change ...func(*org.Document)) (*org.Organization, *org.Service) {
	t.Helper()
	s, err := org.New(org.Deps{Audit: log})
	if err != nil {
		t.Fatal(err)
	}
	d := org.Document{
		Slug: "contoso", Name: "Contoso", Domains: []string{"contoso.com"}, Language: "en",
		Support:        org.Support{Email: "helpdesk@contoso.com"},
		Directory:      org.DirectoryConfig{Kind: org.Embedded},
		Administrators: []org.Administrator{{UserID: "adele@contoso.com", Role: org.Owner}},
		Policy:         org.Defaults(),
	}
	for _, c := range change {
		c(&d)
	}
	return Apply(t, db, s, d), s
}

// Apply stores a document and gives the organization as it is then.
func Apply(t testing.TB, db *store.DB, s *org.Service, d org.Document) *org.Organization {
	t.Helper()
	var o *org.Organization
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		if _, err := s.Apply(t.Context(), tx, audit.Actor{Kind: audit.System}, d); err != nil {
			return err
		}
		var err error
		o, err = s.BySlug(t.Context(), tx, d.Slug)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
