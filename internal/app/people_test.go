package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

const people = `user_id,display_name,password,email,password_source
alain@contoso.com,Alain,sembilan gajah menari,alain@example.net,
budi@contoso.com,Budi,,,
citra@contoso.com,Citra,,citra@example.net,external
`

func peopled(t *testing.T, c *config.Config) *app.App {
	t.Helper()
	a := open(t, c, app.Options{})
	if _, err := a.Apply(t.Context(), strings.NewReader(contoso), ""); err != nil {
		t.Fatal(err)
	}
	report, err := a.Import(t.Context(), "contoso", strings.NewReader(people), account.CSV, account.ImportOptions{})
	if err != nil || report.Created != 3 {
		t.Fatalf("%+v, %v", report, err)
	}
	return a
}

func person(t *testing.T, a *app.App, userID string) app.Person {
	t.Helper()
	p, err := a.Person(t.Context(), "", userID)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUnlockingLiftsTheDirectorysLock(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		a := peopled(t, c)
		p := person(t, a, "ALAIN@contoso.com")
		d, err := a.Accounts.Directory(p.Org)
		if err != nil {
			t.Fatal(err)
		}
		var last directory.CheckResult
		for i := range p.Org.Policy.Lockout.Threshold + 1 {
			if last, err = d.CheckPassword(t.Context(), p.Account.Entry.Key, fmt.Sprint("wrong ", i)); err != nil {
				t.Fatal(err)
			}
		}
		if last != directory.Locked {
			t.Fatalf("not locked: %s", last)
		}
		if err := a.Unlock(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if got, err := d.CheckPassword(t.Context(), p.Account.Entry.Key, "sembilan gajah menari"); err != nil || got != directory.OK {
			t.Errorf("after unlocking: %s, %v", got, err)
		}
		kinds := make(map[audit.Kind]bool)
		err = a.DB.Read(t.Context(), func(tx *store.Tx) error {
			records, err := a.Audit.List(t.Context(), tx, audit.Query{Org: p.Org.ID, Target: p.Account.ID})
			for _, r := range records {
				kinds[r.Kind] = true
			}
			return err
		})
		if err != nil || !kinds[audit.AccountUnlocked] || !kinds[audit.ThrottleCleared] {
			t.Errorf("recorded %v, %v", kinds, err)
		}
	})
}

// locksNothing is a directory that has no locks to lift.
type locksNothing struct{ directory.Directory }

func (locksNothing) Capabilities() directory.Capabilities {
	return directory.Capabilities{SetPassword: true}
}

func (locksNothing) Unlock(context.Context, string) error { return directory.ErrRights }

func TestWhereNothingWasUnlockedNothingIsRecordedAsUnlocked(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		a := peopled(t, c)
		p := person(t, a, "alain@contoso.com")
		d, err := a.Accounts.Directory(p.Org)
		if err != nil {
			t.Fatal(err)
		}
		a.Accounts, err = account.New(account.Deps{DB: a.DB, Methods: a.Methods, Audit: a.Audit,
			Directories: func(*org.Organization) (directory.Directory, error) { return locksNothing{d}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Unlock(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		err = a.DB.Read(t.Context(), func(tx *store.Tx) error {
			records, err := a.Audit.List(t.Context(), tx, audit.Query{Org: p.Org.ID, Target: p.Account.ID})
			cleared := false
			for _, r := range records {
				cleared = cleared || r.Kind == audit.ThrottleCleared
				if r.Kind == audit.AccountUnlocked {
					t.Error("an unlocking was recorded that nobody did")
				}
			}
			if !cleared {
				t.Error("the limits were not cleared")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A new version that brings only a newer queue is seen too.
func TestAQueueThatIsOlderStopsTheStart(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		a := peopled(t, c)
		err := a.DB.Write(t.Context(), func(tx *store.Tx) error {
			n, err := tx.Exec(t.Context(), `DELETE FROM river_migration WHERE version = (SELECT MAX(version) FROM river_migration)`)
			if n != 1 {
				t.Errorf("%d rows", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := app.New(t.Context(), c, app.Options{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "1 changes to make") {
			t.Errorf("it starts: %v", err)
		}
	})
}

func TestCanResetAnswersEveryRule(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		a := peopled(t, c)
		for userID, want := range map[string]problem.Code{
			"alain@contoso.com": "", "budi@contoso.com": problem.NotVerified, "citra@contoso.com": problem.NotManaged, "nobody@contoso.com": problem.NotVerified,
		} {
			answers, met, err := a.CanReset(t.Context(), "", userID)
			if err != nil || met != want || len(answers) < 3 {
				t.Errorf("%s: %q, %v, %v", userID, met, answers, err)
			}
			for _, answer := range answers {
				if answer.Text == "" || strings.Contains(answer.Text, "reset.rule") || answer.OK == (answer.Problem != "") {
					t.Errorf("%s: %+v", userID, answer)
				}
			}
		}
		if err := a.Freeze(t.Context(), person(t, a, "alain@contoso.com"), false); err != nil {
			t.Fatal(err)
		}
		if _, met, err := a.CanReset(t.Context(), "contoso", "alain@contoso.com"); err != nil || met != problem.NotVerified {
			t.Errorf("frozen: %q, %v", met, err)
		}
	})
}

// Two organizations in a file, the second wrong: neither is stored.
func TestAFileIsAppliedWholeOrNotAtAll(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		a := peopled(t, c)
		file := "organization: adatum\nname: Adatum\ndomains: [adatum.com]\n---\norganization: thief\nname: Thief\ndomains: [contoso.com]\n"
		_, err := a.Apply(t.Context(), strings.NewReader(file), "")
		var faults config.Faults
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), "thief") {
			t.Errorf("got %v", err)
		}
		if all, err := a.Organizations(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("stored: %v, %v", all, err)
		}
	})
}

func TestSentences(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("the file cannot be read"), "the file cannot be read"},
		{fmt.Errorf("importing: %w", problem.New(problem.Conflict)), ""},
		{problem.New(problem.DirectoryUnavailable).Because(errors.New("connection refused")), "(connection refused)"},
	} {
		got := app.Sentence(c.err)
		if !strings.Contains(got, c.want) || got == "" || strings.HasPrefix(got, "problem.") || got == "conflict" {
			t.Errorf("%v reads %q", c.err, got)
		}
	}
}
