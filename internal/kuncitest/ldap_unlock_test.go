package kuncitest_test

import (
	"errors"
	"slices"
	"testing"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/problem"
)

// An unlock that the directory refuses is recorded as one that did not happen.
func TestAnUnlockThatTheDirectoryRefusesIsNoSuccess(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	alain := people(t, s)
	p := kuncitest.Start(t, contosoAt(s, ""))
	as := admin.Authority{By: audit.Actor{Kind: audit.CLI}}
	unlock := func() error {
		person, err := p.App.Admin.ByUserID(t.Context(), as, p.Organization(), "alain@contoso.com")
		if err != nil {
			t.Fatal(err)
		}
		return p.App.Admin.Do(t.Context(), as, p.Organization(), person, admin.Unlock)
	}
	s.Modify(t, alain, map[string][]string{"pwdAccountLockedTime": {"000001010000Z"}}) // by hand, which Kunci never lifts
	if err := unlock(); !errors.Is(err, problem.New(problem.DirectoryRefused)) {
		t.Errorf("%v", err)
	}
	s.Modify(t, alain, map[string][]string{"pwdAccountLockedTime": nil})
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if got := reasons(p, audit.AccountUnlocked); !slices.Equal(got, []string{"failure:operator", "success:operator"}) {
		t.Errorf("%v", got)
	}
}
