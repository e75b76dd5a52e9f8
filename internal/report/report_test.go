package report_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// house is the room with what it reads.
type house struct {
	*report.Service
	t        *testing.T
	db       *store.DB
	audit    *audit.Service
	org      *org.Organization
	accounts *account.Service
	methods  *method.Service
	roster   *roster.Service
	clock    *storetest.Clock
}

var system = audit.Actor{Kind: audit.System}

// foreign hides that a directory can be listed, as one of LDAP would.
type foreign struct{ directory.Directory }

func each(t *testing.T, wrap func(directory.Directory) directory.Directory, fn func(h *house)) {
	t.Helper()
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		h := &house{t: t, db: db, audit: audittest.New(t, db), clock: clock}
		keys := secrettest.NewTestKeyset(t)
		var orgs *org.Service
		h.org, orgs = orgtest.Contoso(t, db, h.audit, func(d *org.Document) { d.Policy.Reset.ExcludeGroups = []string{"contractors"} })
		hasher, err := password.New(password.HasherDeps{Keys: keys, Params: password.Params{Memory: 64, Time: 1, Threads: 1}})
		must(err)
		engine, err := embedded.New(embedded.Deps{DB: db, Hasher: hasher})
		must(err)
		own := *h.org
		open := func(*org.Organization) (directory.Directory, error) {
			d, err := engine.Open(&own) // whatever a test makes of the organization
			return wrap(d), err
		}
		h.methods, err = method.New(method.Deps{Keys: keys, HashMemory: 64})
		must(err)
		h.accounts, err = account.New(account.Deps{DB: db, Methods: h.methods, Audit: h.audit, Directories: engine.Open})
		must(err)
		h.roster, err = roster.New(roster.Deps{DB: db, Orgs: orgs, Directories: open, Log: slog.New(slog.DiscardHandler)})
		must(err)
		t.Cleanup(h.roster.Close)
		h.Service, err = report.New(report.Deps{DB: db, Audit: h.audit, Orgs: orgs, Roster: h.roster, Directories: open})
		must(err)
		fn(h)
	})
}

func same(d directory.Directory) directory.Directory { return d }

func (h *house) record(events ...audit.Event) {
	h.t.Helper()
	err := h.db.Write(h.t.Context(), func(tx *store.Tx) error {
		for _, e := range events {
			if e.Outcome == "" {
				e.Outcome = audit.Success
			}
			if err := h.audit.Record(h.t.Context(), tx, system, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) count() {
	h.t.Helper()
	if err := h.audit.Run(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	if err := h.Run(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) activity(days int) report.Period {
	h.t.Helper()
	today := report.DayOf(h.clock.Now())
	var p report.Period
	err := h.db.Read(h.t.Context(), func(tx *store.Tx) (err error) {
		p, err = h.Activity(h.t.Context(), tx, h.org.ID, today-report.Day(days-1), today)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func TestWhatHappenedIsCountedByDay(t *testing.T) {
	each(t, same, func(h *house) {
		id := h.org.ID
		h.record(
			audit.Event{Kind: audit.ResetStarted, Org: id},
			audit.Event{Kind: audit.ResetGateFailed, Org: id, MethodKind: "email", Outcome: audit.Failure},
			audit.Event{Kind: audit.ResetGatePassed, Org: id, MethodKind: "email"},
			audit.Event{Kind: audit.ResetCompleted, Org: id, Detail: map[string]string{"seconds": "61"}},
			audit.Event{Kind: audit.ResetRefused, Org: id, Reason: "not-enabled", Outcome: audit.Denied},
			audit.Event{Kind: audit.ResetCompleted, Org: "another"},
			audit.Event{Kind: audit.AccountUnlocked, Org: id, Outcome: audit.Failure},
			audit.Event{Kind: audit.ResetBlocked, Org: id, Reason: "gate", Outcome: audit.Denied},
			audit.Event{Kind: audit.ResetBlocked, Org: id, Reason: "frozen", Outcome: audit.Denied},
			audit.Event{Kind: audit.ResetRefused, Org: id, Reason: "blocked", MethodKind: "email", Outcome: audit.Denied},
		)
		h.count()
		h.clock.Advance(24 * time.Hour)
		h.record(audit.Event{Kind: audit.ResetCompleted, Org: id}, audit.Event{Kind: audit.RequestOpened, Org: id})
		h.count()
		h.count() // nothing new: nothing is counted again

		p := h.activity(3)
		if len(p.Days) != 3 || p.Days[0] != (report.Activity{Day: p.Days[0].Day}) {
			t.Fatalf("days: %+v", p.Days)
		}
		if first := p.Days[1]; first.Completed != 1 || first.Failed != 1 || first.Unlocked != 0 || first.Blocked != 1 {
			t.Errorf("yesterday: %+v", first)
		}
		if last := p.Days[2]; last.Completed != 1 || last.Requests != 1 {
			t.Errorf("today: %+v", last)
		}
		if p.Begun != 1 || p.Refusals["not-enabled"] != 1 || p.Proofs[method.Email] != 1 || p.Failures["email"] != 1 {
			t.Errorf("period: %+v", p)
		}
		if fmt.Sprint(p.Finished) != "[{1m 0} {2m 1} {5m 0} {10m 0} {15m 0}]" {
			t.Errorf("times: %v", p.Finished)
		}
	})
}

// Two nodes that count at once count everything once.
func TestNothingIsCountedTwice(t *testing.T) {
	each(t, same, func(h *house) {
		const events = 2500 // three batches
		for range events / 500 {
			var batch []audit.Event
			for range 500 {
				batch = append(batch, audit.Event{Kind: audit.SignInSucceeded, Org: h.org.ID})
			}
			h.record(batch...)
		}
		if err := h.audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := h.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if p := h.activity(1); p.Days[0].SignedIn != events {
			t.Errorf("%d of %d events counted", p.Days[0].SignedIn, events)
		}
	})
}

func TestASpanThatIsTooLongIsRefused(t *testing.T) {
	each(t, same, func(h *house) {
		err := h.db.Read(t.Context(), func(tx *store.Tx) error {
			_, err := h.Activity(t.Context(), tx, h.org.ID, 0, report.DayOf(h.clock.Now()))
			return err
		})
		if err == nil {
			t.Error("fifty years were read at once")
		}
	})
}

const people = `user_id,password,groups,email,password_source
alain@contoso.com,teapot harbour violin,staff,alain@example.net,managed
adele@contoso.com,teapot harbour violin,staff,adele@example.net,managed
citra@contoso.com,teapot harbour violin,staff,,managed
eko@contoso.com,teapot harbour violin,contractors,eko@example.net,managed
fitri@contoso.com,,staff,fitri@example.net,external
`

func (h *house) load(file string) {
	h.t.Helper()
	_, err := h.accounts.Import(h.t.Context(), h.org, system, strings.NewReader(file), account.CSV, account.ImportOptions{})
	if err != nil {
		h.t.Fatal(err)
	}
}

// Adele is an administrator: one method is not enough for her. Eko is out of
// scope, Fitri's password is kept elsewhere, Citra has nothing.
func TestRegistrationIsJudgedAsAResetIs(t *testing.T) {
	each(t, same, func(h *house) {
		h.load(people)
		got, err := h.Registration(t.Context(), h.org)
		if err != nil {
			t.Fatal(err)
		}
		if got.People != 5 || got.Partial || got.Enabled != 3 || got.Registered != 3 || got.Capable != 1 || got.ByKind[method.Email] != 4 {
			t.Errorf("%+v", got)
		}
	})
}

// With two gates Alain's one address is not enough any more.
func TestTheEffectOfAPolicyIsCountedBeforeItIsSaved(t *testing.T) {
	each(t, same, func(h *house) {
		h.load(people)
		p := h.org.Policy
		p.Reset.Gates = 2
		effect, err := h.Try(t.Context(), h.org, p)
		if err != nil {
			t.Fatal(err)
		}
		if effect.Before.Capable != 1 || effect.After.Capable != 0 || effect.Stranded != 1 || h.org.Policy.Reset.Gates != 1 {
			t.Errorf("%+v", effect)
		}
	})
}

func TestADirectoryThatCannotBeListedGivesWhomKunciMet(t *testing.T) {
	each(t, func(d directory.Directory) directory.Directory { return foreign{d} }, func(h *house) {
		h.load(people)
		got, err := h.Registration(t.Context(), h.org)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Partial || got.People != 4 || got.ByKind[method.Email] != 4 {
			t.Errorf("%+v", got)
		}
	})
}

func TestTheFiguresOfADayAreKept(t *testing.T) {
	each(t, same, func(h *house) {
		for i := range 3 {
			h.load(fmt.Sprintf("user_id,email\np%d@contoso.com,p%d@example.net\n", i, i))
			if err := h.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			if i < 2 {
				h.clock.Advance(24 * time.Hour)
			}
		}
		today := report.DayOf(h.clock.Now())
		var all []report.Registration
		err := h.db.Read(t.Context(), func(tx *store.Tx) (err error) {
			all, err = h.History(t.Context(), tx, h.org.ID, today-1, today)
			return err
		})
		if err != nil || len(all) != 2 || all[0].People != 2 || all[1].People != 3 || all[1].At.IsZero() {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func TestDays(t *testing.T) {
	at := time.Date(2026, 11, 25, 23, 59, 59, 0, time.UTC)
	if d := report.DayOf(at); !d.Time().Equal(time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)) || report.DayOf(at.Add(time.Second)) != d+1 {
		t.Errorf("%v", d.Time())
	}
}

// Every way back in ends once, at the method it stood at, whatever its events.
func TestHowWaysBackInEnd(t *testing.T) {
	each(t, same, func(h *house) {
		id := h.org.ID
		both := map[string]string{"methods": "email authenticator_code", "seconds": "85"}
		h.record(
			audit.Event{Kind: audit.ResetCompleted, Org: id, Reason: "forgot", Detail: both},
			audit.Event{Kind: audit.AccountUnlocked, Org: id, Detail: map[string]string{"methods": "email", "seconds": "31"}},
			audit.Event{Kind: audit.AccountUnlocked, Org: id}, // by an administrator
			audit.Event{Kind: audit.ResetAbandoned, Org: id, Outcome: audit.Failure, Reason: "verifying", MethodKind: "email"},
			audit.Event{Kind: audit.ResetAbandoned, Org: id, Outcome: audit.Denied, Reason: "replaced", MethodKind: "email"},
			audit.Event{Kind: audit.ResetRefused, Org: id, Outcome: audit.Denied, Reason: "blocked", MethodKind: "email"},
			audit.Event{Kind: audit.ResetRefused, Org: id, Outcome: audit.Denied, Reason: "not-verified"},
			audit.Event{Kind: audit.ResetRefused, Org: id, Outcome: audit.Failure, Reason: "history"}, // another one is chosen
			audit.Event{Kind: audit.ResetRefused, Org: id, Outcome: audit.Failure, Reason: "directory-refused"},
			audit.Event{Kind: audit.RequestOpened, Org: id, Reason: "not-verified"},
			audit.Event{Kind: audit.RequestOpened, Org: id, Reason: "dispute"},
		)
		h.count()
		p := h.activity(1)
		want := report.Activity{
			Day: p.Days[0].Day, Requests: 2,
			Endings: report.Endings{Completed: 1, Unlocked: 1, Abandoned: 1, Blocked: 1, Cancelled: 1, Contacted: 1, Failed: 2},
		}
		if p.Days[0] != want || p.Total.Saved() != 2 {
			t.Errorf("the day: %+v", p.Days[0])
		}
		if got := fmt.Sprint(p.Ways); got != "[{authenticator_code {1 0 0 0 0 0 0}} {email {1 1 1 1 1 0 0}} { {0 0 0 0 0 1 2}}]" {
			t.Errorf("by method: %s", got)
		}
		if p.Rules["history"] != 1 || len(p.Rules) != 1 || p.Refusals["directory-refused"] != 1 || p.Left["verifying"] != 1 || len(p.Left) != 1 {
			t.Errorf("reasons: %v %v %v", p.Rules, p.Refusals, p.Left)
		}
		if p.Times != (report.Times{Count: 2, P50: 35, P90: 90, P95: 90}) {
			t.Errorf("times: %+v", p.Times)
		}
		for _, table := range report.Tables(p, nil, report.Registration{}) {
			for _, row := range table.Rows {
				for _, cell := range row {
					if len(row) != len(table.Header) || cell == "" || strings.ContainsAny(cell[:1], "=+-@\t\r") {
						t.Errorf("%s: %q", table.Name, row)
					}
				}
			}
		}
	})
}

func TestLongSpansAreGrouped(t *testing.T) {
	var days []report.Activity
	first := report.DayOf(time.Date(2025, 1, 15, 0, 0, 0, 0, time.UTC)) // a Wednesday
	for i := range 800 {
		days = append(days, report.Activity{Day: first + report.Day(i), Endings: report.Endings{Completed: 1, Failed: 2}})
	}
	for step, want := range map[report.Step]int{report.ByDay: 800, report.ByWeek: 115, report.ByMonth: 27} {
		grouped, sum := report.Group(days, step), 0
		for i, g := range grouped {
			sum += g.Completed
			if g.Failed != 2*g.Completed || i > 0 && step == report.ByWeek && g.Day.Time().Weekday() != time.Monday {
				t.Errorf("%s: %+v", step, g)
			}
		}
		if sum != 800 || len(grouped) != want || grouped[0].Day != first {
			t.Errorf("%s: %d in %d", step, sum, len(grouped))
		}
	}
	if report.StepOf(90) != report.ByDay || report.StepOf(365) != report.ByWeek || report.StepOf(1095) != report.ByMonth {
		t.Error("steps")
	}
}

// Whole months are read as such, and give what their days give.
func TestMonthsAreTheSumOfTheirDays(t *testing.T) {
	each(t, same, func(h *house) {
		first := report.DayOf(h.clock.Now())
		for range 100 {
			h.record(audit.Event{Kind: audit.ResetCompleted, Org: h.org.ID, Detail: map[string]string{"methods": "email", "seconds": "10"}})
			h.clock.Advance(24 * time.Hour)
		}
		h.count()
		for _, span := range [][2]report.Day{{0, 99}, {1, 1}, {0, 7}, {0, 8}, {7, 45}, {8, 38}, {8, 37}, {3, 70}, {20, 25}, {39, 99}} {
			var p report.Period
			err := h.db.Read(t.Context(), func(tx *store.Tx) (err error) {
				p, err = h.Activity(t.Context(), tx, h.org.ID, first+span[0], first+span[1])
				return err
			})
			want := int(span[1]-span[0]) + 1
			if err != nil || p.Total.Completed != want || len(p.Ways) != 1 || p.Ways[0].Completed != want || p.Times.Count != want {
				t.Errorf("%v: %d by day, %+v by month, want %d, %v", span, p.Total.Completed, p.Ways, want, err)
			}
		}
	})
}

// listedForeign is one of LDAP that tells its entries for a list.
type listedForeign struct{ foreign }

func (l listedForeign) Changes(ctx context.Context, _ string, fn func([]directory.Entry) error) (string, bool, error) {
	all, err := l.Directory.(directory.Lister).List(ctx, directory.Page{Limit: directory.MaxPage})
	if err == nil {
		err = fn(all)
	}
	return "1", true, err
}

// With a list, figures are those of everybody, as in a directory of our own.
func TestAListOfAForeignDirectoryIsCounted(t *testing.T) {
	each(t, func(d directory.Directory) directory.Directory { return listedForeign{foreign{d}} }, func(h *house) {
		h.load(people)
		h.org.Directory = org.DirectoryConfig{Kind: org.LDAP, WriteBack: true, Sync: org.DirectorySync{Every: time.Hour}}
		if err := h.roster.Pass(t.Context(), h.org); err != nil {
			t.Fatal(err)
		}
		got, err := h.Registration(t.Context(), h.org)
		if err != nil {
			t.Fatal(err)
		}
		if got.People != 5 || got.Partial || got.Enabled != 3 || got.Registered != 3 || got.Capable != 1 || got.ByKind[method.Email] != 4 {
			t.Errorf("%+v", got)
		}
		p := h.org.Policy
		p.Reset.Gates = 2
		effect, err := h.Try(t.Context(), h.org, p)
		if err != nil || effect.Before.Partial || effect.Stranded != 1 {
			t.Errorf("%+v, %v", effect, err)
		}
	})
}
