package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const manyPeople = 2*resealBatch + 50

// filled is an installation with people, requests and events, and one person whose
// events were erased.
func filled(t *testing.T, kind store.Kind) (c *config.Config, erased string) {
	t.Helper()
	settings := config.Defaults()
	c = &settings
	c.Keyset, c.Database = filepath.Join(t.TempDir(), "kunci.keyset"), storetest.URL(t, kind)
	keys, err := secret.Generate()
	if err == nil {
		err = keys.Write(c.Keyset)
	}
	if err != nil {
		t.Fatal(err)
	}
	with(t, c, func(a *App) {
		if _, err := a.Apply(t.Context(), strings.NewReader("organization: contoso\nname: Contoso\ndomains: [contoso.com]\nsupport: {email: h@example.org}\n"), ""); err != nil {
			t.Fatal(err)
		}
		all, err := a.Organizations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var file strings.Builder
		file.WriteString("user_id,email\n")
		for n := range manyPeople {
			fmt.Fprintf(&file, "p%d@contoso.com,p%d@example.net\n", n, n)
		}
		by := audit.Actor{Kind: audit.CLI, UserID: "root@host", IP: "192.0.2.1"}
		if _, err := a.Accounts.Import(t.Context(), all[0], by, strings.NewReader(file.String()), account.CSV, account.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		three := []account.Account{idOf(t, a, 0), idOf(t, a, 1), idOf(t, a, 2)}
		err = a.DB.Write(t.Context(), func(tx *store.Tx) error {
			for n, p := range three {
				erased = p.ID
				if err := a.Helpdesk.Open(t.Context(), tx, by, helpdesk.In{Org: all[0], AccountID: p.ID, UserID: fmt.Sprintf("p%d@contoso.com", n), Problem: problem.NotVerified, Message: "Tolong"}); err != nil {
					return err
				}
				if err := a.Audit.Record(t.Context(), tx, by, audit.Event{Kind: audit.ResetStarted, Org: all[0].ID, Target: p.ID, TargetUserID: fmt.Sprintf("p%d@contoso.com", n), Outcome: audit.Success}); err != nil {
					return err
				}
			}
			return a.Audit.Erase(t.Context(), tx, by, all[0].ID, erased)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	return c, erased
}

func idOf(t *testing.T, a *App, n int) account.Account {
	t.Helper()
	p, err := a.Person(t.Context(), "", fmt.Sprintf("p%d@contoso.com", n))
	if err != nil {
		t.Fatal(err)
	}
	return p.Account
}

func with(t *testing.T, c *config.Config, do func(a *App)) {
	t.Helper()
	a, err := New(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	do(a)
}

func TestResealLeavesNothingUnderTheOldKey(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c, erased := filled(t, kind)
			with(t, c, func(a *App) {
				if n, err := a.Reseal(t.Context(), nil); err != nil || n != 0 {
					t.Errorf("before a rotation %d values were sealed again, %v", n, err)
				}
			})
			if err := RotateKeys(c); err != nil {
				t.Fatal(err)
			}
			with(t, c, func(a *App) {
				// Ended in the middle, it goes on where it was.
				ctx, stop := context.WithCancel(t.Context())
				first, err := a.Reseal(ctx, func(int) { stop() })
				if !errors.Is(err, context.Canceled) || first != resealBatch {
					t.Errorf("ended after one batch: %d values, %v", first, err)
				}
				rest, err := a.Reseal(t.Context(), nil)
				if err != nil || first+rest < manyPeople+3+2 {
					t.Errorf("%d and %d values were sealed, of %d methods, 3 requests and the keys of 2 people and a day; %v", first, rest, manyPeople, err)
				}
				if again, err := a.Reseal(t.Context(), nil); err != nil || again != 0 {
					t.Errorf("the second time %d, %v", again, err)
				}
			})
			with(t, c, func(a *App) { stillOpens(t, a, erased) })
		})
	}
}

// stillOpens reads everything that was sealed again.
func stillOpens(t *testing.T, a *App, erased string) {
	t.Helper()
	all, err := a.Organizations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, manyPeople - 1} {
		id := idOf(t, a, n).ID
		err := a.DB.Read(t.Context(), func(tx *store.Tx) error {
			methods, err := a.Methods.List(t.Context(), tx, all[0].ID, id)
			if err == nil && (len(methods) != 1 || methods[0].Kind != method.Email || methods[0].Value != fmt.Sprintf("p%d@example.net", n)) {
				t.Errorf("methods of %d: %+v", n, methods)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = a.DB.Read(t.Context(), func(tx *store.Tx) error {
		requests, err := a.Helpdesk.List(t.Context(), tx, helpdesk.Query{OrgID: all[0].ID})
		if err != nil {
			return err
		}
		if len(requests) != 3 || requests[0].Message != "Tolong" {
			t.Errorf("requests: %+v", requests)
		}
		events, err := a.Audit.List(t.Context(), tx, audit.Query{Kind: audit.ResetStarted})
		if err != nil {
			return err
		}
		for _, e := range events {
			// The erased one stays so.
			if known := e.TargetUserID != ""; known == (e.Target == erased) {
				t.Errorf("event of %s (erased %v) shows %q", e.Target, e.Target == erased, e.TargetUserID)
			}
		}
		if len(events) != 3 {
			t.Errorf("%d events", len(events))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
