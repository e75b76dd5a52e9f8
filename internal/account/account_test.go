package account_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// house is the room with everything below it.
type house struct {
	*account.Service
	t       *testing.T
	db      *store.DB
	dir     *embedded.Directory
	methods *method.Service
	audit   *audit.Service
	org     *org.Organization
}

var (
	cli   = audit.Actor{Kind: audit.CLI, UserID: "root@host"}
	alain = "alain@contoso.com"
)

// foreign hides that a directory takes account files, as one of LDAP would.
type foreign struct{ directory.Directory }

func build(t *testing.T, db *store.DB, wrap func(directory.Directory) directory.Directory) house {
	t.Helper()
	return buildUnder(t, db, secrettest.NewTestKeyset(t), wrap)
}

// buildUnder is build with a keyset that another process has too.
func buildUnder(t *testing.T, db *store.DB, keys *secret.Keyset, wrap func(directory.Directory) directory.Directory) house {
	t.Helper()
	hasher, err := password.New(password.HasherDeps{Keys: keys, Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	engine, err := embedded.New(embedded.Deps{DB: db, Hasher: hasher})
	if err != nil {
		t.Fatal(err)
	}
	methods, err := method.New(method.Deps{Keys: keys, HashMemory: 64})
	if err != nil {
		t.Fatal(err)
	}
	o := &org.Organization{ID: "org-1", Slug: "contoso", Name: "Contoso", Domains: []string{"contoso.com"}}
	h := house{t: t, db: db, methods: methods, org: o, dir: engine.For(o.ID, embedded.Settings{History: 5}), audit: audittest.New(t, db)}
	h.Service, err = account.New(account.Deps{DB: db, Methods: methods, Audit: h.audit, Keys: keys,
		Directories: func(*org.Organization) (directory.Directory, error) { return wrap(h.dir), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func each(t *testing.T, fn func(h house, clock *storetest.Clock)) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		fn(build(t, db, func(d directory.Directory) directory.Directory { return d }), clock)
	})
}

func (h house) load(file string) (account.ImportReport, error) {
	return h.Import(h.t.Context(), h.org, cli, strings.NewReader(file), account.CSV, account.ImportOptions{})
}

func (h house) mustLoad(file string) account.ImportReport {
	h.t.Helper()
	r, err := h.load(file)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h house) find(userID string) account.Account {
	h.t.Helper()
	a, err := h.Find(h.t.Context(), h.org, userID)
	if err != nil {
		h.t.Fatalf("find %s: %v", userID, err)
	}
	return a
}

func (h house) methodsOf(userID string) (all []method.Method) {
	h.t.Helper()
	a := h.find(userID)
	err := h.db.Read(h.t.Context(), func(tx *store.Tx) (err error) {
		all, err = h.methods.List(h.t.Context(), tx, h.org.ID, a.ID)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

func (h house) checkPassword(userID, pw string, want directory.CheckResult) {
	h.t.Helper()
	got, err := h.dir.CheckPassword(h.t.Context(), h.find(userID).Entry.Key, pw)
	if err != nil || got != want {
		h.t.Errorf("%s: %q, %v; want %q", userID, got, err, want)
	}
}

func (h house) write(fn func(ctx context.Context, tx *store.Tx) error) error {
	ctx := context.WithoutCancel(h.t.Context())
	return h.db.Write(ctx, func(tx *store.Tx) error { return fn(ctx, tx) })
}

func (h house) events() (kinds []string) {
	for _, e := range audittest.Events(h.t, h.db, h.audit) {
		kinds = append(kinds, string(e.Kind))
	}
	return kinds
}

const people = `user_id,display_name,password,groups,email,mobile_phone,password_source,must_change
alain@contoso.com,Alain Charon,hijau daun telaga,Staff;Finance,alain@gmail.com,+62 812 3456 789,,
joni@contoso.com,Joni Sherman,$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/,Staff,,,,yes
new@contoso.com,,,,,,,
far@contoso.com,,,,,,external,
`

func TestImport(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		r := h.mustLoad(people)
		if r.Rows != 4 || r.Created != 4 || r.MethodsAdded != 2 || r.BadTotal != 0 {
			h.t.Errorf("report %+v", r)
		}
		a := h.find("ALAIN@contoso.com")
		if a.Entry.DisplayName != "Alain Charon" || !slices.Equal(a.Entry.Groups, []string{"Staff", "Finance"}) {
			h.t.Errorf("entry %+v", a.Entry)
		}
		h.checkPassword(alain, "hijau daun telaga", directory.OK)
		h.checkPassword("joni@contoso.com", "password", directory.MustChange)
		if h.find("new@contoso.com").Entry.HasPassword || h.find("far@contoso.com").Entry.Source != directory.External {
			h.t.Error("an account without a password has one, or the source is lost")
		}
		for _, m := range h.methodsOf(alain) {
			if !m.Usable() || m.ProvedBy != method.ByAdministrator {
				h.t.Errorf("method %+v", m)
			}
		}
		events := h.events()
		slices.Sort(events)
		if got := strings.Join(events, " "); got != "directory.changed method.added method.added" {
			h.t.Errorf("events: %s", got)
		}
	})
}

func TestImportAgainChangesNothing(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		h.mustLoad(people)
		id, before := h.find(alain).ID, len(h.events())
		r := h.mustLoad(people)
		if r.Unchanged != 4 || r.Created+r.Updated+r.MethodsAdded != 0 || len(h.events()) != before {
			h.t.Errorf("second time: %+v", r)
		}
		// What people changed since stays: a password, and a method deleted.
		key := h.find(alain).Entry.Key
		if err := h.dir.ChangePassword(h.t.Context(), key, "hijau daun telaga", "biru langit gunung", directory.ChangeOptions{}); err != nil {
			h.t.Fatal(err)
		}
		gone := h.methodsOf(alain)[0]
		err := h.write(func(ctx context.Context, tx *store.Tx) error {
			_, err := h.methods.Delete(ctx, tx, h.org.ID, id, gone.ID)
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
		if r := h.mustLoad(people); r.Unchanged != 4 {
			h.t.Errorf("third time: %+v", r)
		}
		h.checkPassword(alain, "biru langit gunung", directory.OK)
		if n := len(h.methodsOf(alain)); n != 1 {
			h.t.Errorf("%d methods", n)
		}
		if h.find(alain).ID != id {
			h.t.Error("another account id")
		}
	})
}

func TestImportUpdates(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		h.mustLoad(people)
		r := h.mustLoad("user_id,display_name,email,password\nalain@contoso.com,Alain C.,alain@yahoo.com,merah bata jembatan\nnew@contoso.com,,,\n")
		if r.Updated != 1 || r.Unchanged != 1 || r.MethodsAdded != 1 {
			h.t.Errorf("report %+v", r)
		}
		a := h.find(alain)
		if a.Entry.DisplayName != "Alain C." || !slices.Equal(a.Entry.Groups, []string{"Staff", "Finance"}) {
			h.t.Errorf("entry %+v", a.Entry)
		}
		h.checkPassword(alain, "merah bata jembatan", directory.OK)
		var values []string
		for _, m := range h.methodsOf(alain) {
			values = append(values, m.Value)
		}
		slices.Sort(values)
		if !slices.Equal(values, []string{"+628123456789", "alain@yahoo.com"}) {
			h.t.Errorf("methods %q: the administrator's new address takes the old one's place", values)
		}
	})
}

func TestBadFileAppliesNothing(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		file := "user_id,email\nalain@contoso.com,\njoni@fabrikam.com,\nlee@contoso.com,lee@contoso.com\nALAIN@contoso.com,\n"
		_, err := h.load(file)
		var bad *account.FileError
		if !errors.As(err, &bad) || bad.Total != 3 {
			h.t.Fatalf("%v", err)
		}
		for i, want := range []string{"line 3, user_id: domain", "line 4, email: email-own-domain", "line 5, user_id: user-id-twice"} {
			if got := bad.Rows[i].String(); got != want {
				h.t.Errorf("%s, want %s", got, want)
			}
		}
		if strings.Contains(err.Error(), "lee") || strings.Contains(err.Error(), "joni") {
			h.t.Errorf("the message repeats a value: %v", err)
		}
		if _, err := h.Find(h.t.Context(), h.org, alain); !problem.Has(err, problem.NotFound) {
			h.t.Errorf("a good row of a bad file was applied: %v", err)
		}
		var done []int
		r, err := h.Import(h.t.Context(), h.org, cli, strings.NewReader(file), account.CSV,
			account.ImportOptions{SkipBad: true, Progress: func(n int) { done = append(done, n) }})
		if err != nil || r.Created != 1 || r.BadTotal != 3 || r.Rows != 4 || !slices.Equal(done, []int{1}) {
			h.t.Errorf("skipping: %+v, %v, %v", r, done, err)
		}
		_, err = h.Import(h.t.Context(), h.org, cli, strings.NewReader("user_id,shoe_size\na@contoso.com,1\n"), account.CSV,
			account.ImportOptions{SkipBad: true})
		if !errors.As(err, &bad) {
			h.t.Errorf("an unknown column was skipped: %v", err)
		}
	})
}

func TestImportOfManyFromAStream(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		const n = 1234
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `{"user_id":"p%d@contoso.com","display_name":"Person %d"}`+"\n", i, i)
		}
		// A reader that can be read only once.
		r, err := h.Import(h.t.Context(), h.org, cli, io.MultiReader(strings.NewReader(b.String())), account.NDJSON, account.ImportOptions{})
		if err != nil || r.Created != n {
			h.t.Errorf("%+v, %v", r, err)
		}
		if h.find("p1233@contoso.com").Entry.DisplayName != "Person 1233" {
			h.t.Error("the last row is missing")
		}
	})
}

func TestImportLeavesOutWhatNoLongerFits(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		h.mustLoad("user_id\nalain@contoso.com\n")
		a := h.find(alain)
		err := h.write(func(ctx context.Context, tx *store.Tx) error {
			for _, v := range []string{"a@gmail.com", "b@gmail.com"} {
				m := method.Method{OrgID: h.org.ID, AccountID: a.ID, Kind: method.Email, Value: v, Proved: true, ProvedBy: method.ByPerson}
				if _, err := h.methods.Add(ctx, tx, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
		r := h.mustLoad("user_id,display_name,email\nalain@contoso.com,Alain,c@gmail.com\n")
		if r.BadTotal != 1 || r.Bad[0].Reason != account.ReasonMethodLimit || r.Updated != 1 {
			h.t.Errorf("report %+v", r)
		}
	})
}

func TestImportForAnotherDirectory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, func(d directory.Directory) directory.Directory { return foreign{d} })
		err := h.write(func(ctx context.Context, tx *store.Tx) error {
			_, err := h.dir.Put(ctx, tx, embedded.Record{UserID: alain})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.load("user_id,email,display_name,password\nalain@contoso.com,a@gmail.com,Alain,x\n")
		var bad *account.FileError
		if !errors.As(err, &bad) || bad.Total != 2 || bad.Rows[0].String() != "line 1, display_name: unknown-column" {
			t.Errorf("columns of the directory: %v", err)
		}
		_, err = h.load("user_id,email\nalain@contoso.com,a@gmail.com\nnobody@contoso.com,b@gmail.com\n")
		if !errors.As(err, &bad) || bad.Rows[0].String() != "line 3, user_id: not-found" {
			t.Errorf("an account that is not there: %v", err)
		}
		if r := h.mustLoad("user_id,email\nalain@contoso.com,a@gmail.com\n"); r.MethodsAdded != 1 || len(h.methodsOf(alain)) != 1 {
			t.Errorf("report %+v", r)
		}
		if r := h.mustLoad("user_id,email\nalain@contoso.com,a@gmail.com\n"); r.Unchanged != 1 {
			t.Errorf("again: %+v", r)
		}
	})
}

func TestFindAndLoad(t *testing.T) {
	each(t, func(h house, clock *storetest.Clock) {
		h.mustLoad("user_id\nalain@contoso.com\n")
		var wg sync.WaitGroup
		ids := make(chan string, 20)
		for range 20 {
			wg.Go(func() {
				a, err := h.Find(context.WithoutCancel(h.t.Context()), h.org, alain)
				if err != nil {
					h.t.Error(err)
				}
				ids <- a.ID
			})
		}
		wg.Wait()
		close(ids)
		first := h.find(alain)
		for id := range ids {
			if id != first.ID {
				h.t.Error("one person has two accounts")
			}
		}
		if !first.CreatedAt.Equal(clock.Now()) || first.OrgID != h.org.ID {
			h.t.Errorf("%+v", first)
		}
		loaded, err := h.Load(h.t.Context(), h.org, first.ID)
		if err != nil || loaded.Entry.UserID != alain {
			h.t.Errorf("%+v, %v", loaded, err)
		}
		other := *h.org
		other.ID = "org-2"
		if _, err := h.Load(h.t.Context(), &other, first.ID); !problem.Has(err, problem.NotFound) {
			h.t.Errorf("from another organization: %v", err)
		}
		if _, err := h.Find(h.t.Context(), h.org, "nobody@contoso.com"); !problem.Has(err, problem.NotFound) {
			h.t.Errorf("nobody: %v", err)
		}
	})
}

func TestLookMakesNothingUntilItIsKept(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		h.mustLoad("user_id\n" + alain + "\n")
		look := func(userID string) (account.Account, error) { return h.Look(h.t.Context(), h.org, userID) }
		keep := func(a account.Account) (kept account.Account) {
			err := h.db.Write(h.t.Context(), func(tx *store.Tx) (err error) {
				kept, err = h.Keep(h.t.Context(), tx, a)
				return err
			})
			if err != nil {
				h.t.Fatal(err)
			}
			return kept
		}
		a, err := look(alain)
		if err != nil || a.ID != "" || a.Entry.UserID != alain {
			h.t.Fatalf("looked and found %+v, %v", a, err)
		}
		first, again := keep(a), keep(a) // two flows at once, each of which looked before
		if first.ID == "" || again.ID != first.ID || first.Entry.UserID != alain {
			h.t.Errorf("kept as %q and %q", first.ID, again.ID)
		}
		if a, err = look(alain); err != nil || a.ID != first.ID || h.find(alain).ID != first.ID {
			h.t.Errorf("found %q, kept %q, %v", a.ID, first.ID, err)
		}
		nobody, err := look("nobody@contoso.com")
		if !errors.Is(err, problem.New(problem.NotFound)) {
			h.t.Errorf("nobody: %v", err)
		}
		if kept := keep(nobody); kept.ID != "" {
			h.t.Errorf("nobody was kept as %q", kept.ID)
		}
	})
}

func TestRecreatedPersonInheritsNothing(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		h.mustLoad("user_id,email\nalain@contoso.com,a@gmail.com\n")
		before := h.find(alain)
		err := h.write(func(ctx context.Context, tx *store.Tx) error { return h.dir.Remove(ctx, tx, before.Entry.Key) })
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := h.Load(h.t.Context(), h.org, before.ID); !problem.Has(err, problem.NotFound) {
			h.t.Errorf("an account that left: %v", err)
		}
		h.mustLoad("user_id\nalain@contoso.com\n")
		if after := h.find(alain); after.ID == before.ID || len(h.methodsOf(alain)) != 0 {
			h.t.Errorf("inherited: %+v", after)
		}
	})
}

func TestState(t *testing.T) {
	each(t, func(h house, clock *storetest.Clock) {
		h.mustLoad("user_id\nalain@contoso.com\n")
		a := h.find(alain)
		me := audit.Actor{Kind: audit.Person, Account: a.ID, UserID: alain}
		do := func(name string, fn func(ctx context.Context, tx *store.Tx) error) account.Account {
			h.t.Helper()
			if err := h.write(fn); err != nil {
				h.t.Errorf("%s: %v", name, err)
			}
			return h.find(alain)
		}
		now := clock.Now()
		got := do("require", func(ctx context.Context, tx *store.Tx) error {
			return h.RequireRegistration(ctx, tx, cli, h.org.ID, a.ID)
		})
		if !got.MustRegister {
			h.t.Error("registration is not required")
		}
		got = do("register", func(ctx context.Context, tx *store.Tx) error { return h.MarkRegistered(ctx, tx, me, h.org.ID, a.ID) })
		if got.MustRegister || !got.RegisteredAt.Equal(now) || !got.ReconfirmedAt.Equal(now) {
			h.t.Errorf("registered: %+v", got)
		}
		clock.Advance(1e9)
		got = do("reconfirm", func(ctx context.Context, tx *store.Tx) error { return h.MarkReconfirmed(ctx, tx, me, h.org.ID, a.ID) })
		if !got.RegisteredAt.Equal(now) || !got.ReconfirmedAt.Equal(clock.Now()) {
			h.t.Errorf("reconfirmed: %+v", got)
		}
		frozen := clock.Now()
		do("freeze", func(ctx context.Context, tx *store.Tx) error { return h.Freeze(ctx, tx, me, h.org.ID, a.ID) })
		clock.Advance(1e9)
		got = do("freeze again", func(ctx context.Context, tx *store.Tx) error { return h.Freeze(ctx, tx, me, h.org.ID, a.ID) })
		if !got.Frozen() || !got.FrozenAt.Equal(frozen) {
			h.t.Errorf("frozen: %+v", got)
		}
		got = do("unfreeze", func(ctx context.Context, tx *store.Tx) error { return h.Unfreeze(ctx, tx, cli, h.org.ID, a.ID) })
		if got.Frozen() {
			h.t.Error("still frozen")
		}
		got = do("reset", func(ctx context.Context, tx *store.Tx) error {
			return h.MarkReset(ctx, tx, me, h.org.ID, a.ID, []string{"m1", "m2"})
		})
		if !got.LastResetAt.Equal(clock.Now()) || !slices.Equal(got.LastResetMethods, []string{"m1", "m2"}) {
			h.t.Errorf("reset: %+v", got)
		}
		want := "directory.changed method.changed registration.completed registration.reconfirmed reset.blocked reset.blocked throttle.cleared"
		if events := strings.Join(h.events(), " "); events != want {
			h.t.Errorf("events: %s", events)
		}
		for _, e := range audittest.Events(h.t, h.db, h.audit) {
			if blocked := e.Kind == audit.ResetBlocked; blocked != (e.Outcome == audit.Denied) {
				h.t.Errorf("%s is %s", e.Kind, e.Outcome)
			}
		}
		err := h.write(func(ctx context.Context, tx *store.Tx) error { return h.Freeze(ctx, tx, me, "org-2", a.ID) })
		if !problem.Has(err, problem.NotFound) {
			h.t.Errorf("from another organization: %v", err)
		}
	})
}

func TestSkipsEnd(t *testing.T) {
	each(t, func(h house, _ *storetest.Clock) {
		h.mustLoad("user_id\nalain@contoso.com\n")
		a := h.find(alain)
		me := audit.Actor{Kind: audit.Person, Account: a.ID, UserID: alain}
		var ok atomic.Int64
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				err := h.write(func(ctx context.Context, tx *store.Tx) error {
					_, err := h.Skip(ctx, tx, me, h.org.ID, a.ID, 3)
					return err
				})
				if err == nil {
					ok.Add(1)
				} else if !problem.Has(err, problem.Forbidden) {
					h.t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := h.find(alain); ok.Load() != 3 || got.SkipsUsed != 3 || got.FirstAskedAt.IsZero() {
			h.t.Errorf("%d skips, %+v", ok.Load(), got)
		}
	})
}
