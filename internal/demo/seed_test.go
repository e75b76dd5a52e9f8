package demo

import (
	"context"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func rooms(t *testing.T, db *store.DB) Rooms {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	keys := secrettest.NewTestKeyset(t)
	log := audittest.New(t, db)
	hasher, err := password.New(password.HasherDeps{Keys: keys})
	must(err)
	engine, err := embedded.New(embedded.Deps{DB: db, Hasher: hasher})
	must(err)
	r := Rooms{DB: db, Helpdesk: &desk{}}
	r.Methods, err = method.New(method.Deps{Keys: keys})
	must(err)
	r.Orgs, err = org.New(org.Deps{Audit: log})
	must(err)
	r.Accounts, err = account.New(account.Deps{DB: db, Methods: r.Methods, Audit: log, Directories: engine.Open})
	must(err)
	return r
}

// desk keeps what people ask for.
type desk struct{ asked []helpdesk.In }

func (d *desk) Open(_ context.Context, _ *store.Tx, _ audit.Actor, in helpdesk.In) error {
	d.asked = append(d.asked, in)
	return nil
}

func TestSeedMakesEveryoneOnce(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		ctx := context.WithoutCancel(t.Context())
		r := rooms(t, db)
		fresh, err := seed(ctx, r)
		if err != nil || !fresh {
			t.Fatalf("fresh %v, %v", fresh, err)
		}
		secrets, err := authenticators(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := seed(ctx, r); err != nil || again {
			t.Fatalf("a second start seeds again: %v, %v", again, err)
		}
		if err := lock(ctx, r); err != nil {
			t.Fatal(err)
		}
		o, err := organization(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		if asked := r.Helpdesk.(*desk).asked; len(asked) != 1 || asked[0].UserID != "lina@contoso.com" || asked[0].Message == "" {
			t.Errorf("asked for help: %+v", asked)
		}
		d, err := r.Accounts.Directory(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range people {
			a, err := r.Accounts.Find(ctx, o, p.UserID)
			if err != nil {
				t.Fatalf("%s: %v", p.ID, err)
			}
			if a.Entry.DisplayName != p.Name || a.RegisteredAt.IsZero() == p.Registered || a.Entry.HasPassword != p.Password {
				t.Errorf("%s: %+v", p.ID, a)
			}
			if (a.Entry.Source == directory.External) != (p.ID == "fitri") || a.Entry.LockedUntil.After(clock.Now()) != p.Locked {
				t.Errorf("%s: source %s, locked until %v", p.ID, a.Entry.Source, a.Entry.LockedUntil)
			}
			if scope := o.Policy.InScope(a.Entry.Groups); scope == (p.ID == "eko") {
				t.Errorf("%s: in scope %v", p.ID, scope)
			}
			if (len(secrets[p.UserID]) > 0) != p.Authenticator {
				t.Errorf("%s: app secret of %d bytes", p.ID, len(secrets[p.UserID]))
			}
			var kinds []string
			err = r.DB.Read(ctx, func(tx *store.Tx) error {
				all, err := r.Methods.List(ctx, tx, o.ID, a.ID)
				for _, m := range all {
					if !m.Usable() {
						t.Errorf("%s: %s is not usable", p.ID, m.Kind)
					}
					kinds = append(kinds, string(m.Kind))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if have := strings.Join(kinds, " "); strings.Contains(have, "email") != (p.Email != "") {
				t.Errorf("%s: methods %s", p.ID, have)
			}
			if !p.Password || p.Locked {
				continue
			}
			if got, err := d.CheckPassword(ctx, a.Entry.Key, Password); err != nil || got != directory.OK {
				t.Errorf("%s: the password on the page gives %s, %v", p.ID, got, err)
			}
		}
	})
}
