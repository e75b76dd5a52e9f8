package helpdesk_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var asker = account.Account{ID: "acc-alain", OrgID: contoso.ID, Entry: directory.Entry{UserID: "alain@contoso.com", Language: "en"}}

func (r *room) write(do func(tx *store.Tx) error) error { return r.db.Write(r.t.Context(), do) }

func (r *room) reply(id, text string) error {
	return r.write(func(tx *store.Tx) error {
		return r.Answer(r.t.Context(), tx, agent, helpdesk.Reply{Org: contoso, Account: asker, ID: id, Text: text})
	})
}

// withAddress registers an address of the person who asks.
func (r *room) withAddress(proved bool) {
	r.t.Helper()
	by := ""
	if proved {
		by = method.ByPerson
	}
	err := r.write(func(tx *store.Tx) error {
		_, err := r.methods.Add(r.t.Context(), tx, method.Method{
			OrgID: contoso.ID, AccountID: asker.ID, Kind: method.Email, Value: "alain@example.net", Proved: proved, ProvedBy: by,
		})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestWhoWorksOnARequest(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		r.ok(alain)
		id := r.list(helpdesk.Query{OrgID: contoso.ID})[0].ID
		other := audit.Actor{Kind: audit.Admin, Account: "acc-budi", UserID: "budi@contoso.com"}
		for _, step := range []struct {
			do       func(tx *store.Tx) error
			assignee string
		}{
			{func(tx *store.Tx) error { return r.Assign(r.t.Context(), tx, agent, contoso.ID, id) }, agent.UserID},
			{func(tx *store.Tx) error { return r.Assign(r.t.Context(), tx, agent, contoso.ID, id) }, agent.UserID},
			{func(tx *store.Tx) error { return r.Assign(r.t.Context(), tx, other, contoso.ID, id) }, other.UserID},
			{func(tx *store.Tx) error { return r.Release(r.t.Context(), tx, agent, contoso.ID, id) }, ""},
		} {
			if err := r.write(step.do); err != nil {
				r.t.Fatal(err)
			}
			got := r.list(helpdesk.Query{OrgID: contoso.ID})[0]
			mine, free := len(r.list(helpdesk.Query{OrgID: contoso.ID, AssignedTo: agent.Account})), len(r.list(helpdesk.Query{OrgID: contoso.ID, AssignedTo: helpdesk.Nobody}))
			if got.Assignee != step.assignee || (mine == 1) != (step.assignee == agent.UserID) || (free == 1) != (step.assignee == "") {
				r.t.Errorf("%q, mine %d, nobody's %d, want %q", got.Assignee, mine, free, step.assignee)
			}
		}
		if err := r.resolve(contoso.ID, id, ""); err != nil {
			r.t.Fatal(err)
		}
		if err := r.write(func(tx *store.Tx) error { return r.Assign(r.t.Context(), tx, agent, contoso.ID, id) }); code(err) != problem.Conflict {
			r.t.Errorf("a closed one: %v", err)
		}
		if err := r.write(func(tx *store.Tx) error { return r.Assign(r.t.Context(), tx, agent, "org-fabrikam", id) }); code(err) != problem.NotFound {
			r.t.Errorf("another organization's: %v", err)
		}
	})
}

func TestAnAnswerGoesToARegisteredAddress(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		r.ok(alain)
		id := r.list(helpdesk.Query{OrgID: contoso.ID})[0].ID
		if err := r.reply(id, "Please come to desk three."); code(err) != problem.MethodNotAllowed {
			r.t.Errorf("without an address: %v", err)
		}
		r.withAddress(false)
		if err := r.reply(id, "Please come to desk three."); code(err) != problem.MethodNotAllowed {
			r.t.Errorf("to an address nobody proved: %v", err)
		}
		r.withAddress(true)
		before := r.queued()
		for text, want := range map[string]problem.Code{
			" \n": problem.Required, strings.Repeat("x", helpdesk.MaxMessage+1): problem.TooLong,
			"see https://evil.example": problem.AnswerLink, "see evil.example/x": problem.AnswerLink, "write to me@evil.example": problem.AnswerLink,
		} {
			if err := r.reply(id, text); code(err) != want {
				r.t.Errorf("%.30q: %v, want %s", text, err, want)
			}
		}
		if err := r.reply(id, "Please come to desk three at 08.30.\nBring your card."); err != nil {
			r.t.Fatal(err)
		}
		got := r.list(helpdesk.Query{OrgID: contoso.ID})[0]
		if len(got.Answers) != 1 || got.Answers[0].To != "a…@e…" || got.Answers[0].By != agent.UserID || r.queued() != before+1 {
			r.t.Errorf("%+v, %d queued", got.Answers, r.queued()-before)
		}
		stranger := asker
		stranger.ID = "acc-budi"
		err := r.write(func(tx *store.Tx) error {
			return r.Answer(r.t.Context(), tx, agent, helpdesk.Reply{Org: contoso, Account: stranger, ID: id, Text: "Hello"})
		})
		if code(err) != problem.MethodNotAllowed {
			r.t.Errorf("to somebody else: %v", err)
		}
	})
}

// Of many answers at once none is lost, and no more than ten go out.
func TestParallelAnswersAreBounded(t *testing.T) {
	each(t, func(r *room, _ *storetest.Clock) {
		r.ok(alain)
		r.withAddress(true)
		id, before := r.list(helpdesk.Query{OrgID: contoso.ID})[0].ID, r.queued()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := r.reply(id, "Hello"); err != nil && code(err) != problem.SendLimit {
					r.t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(r.list(helpdesk.Query{OrgID: contoso.ID})[0].Answers); n != 10 || r.queued() != before+10 {
			r.t.Errorf("%d answers kept, %d queued", n, r.queued()-before)
		}
	})
}

func TestTheDigestComesOnceADay(t *testing.T) {
	each(t, func(r *room, clock *storetest.Clock) {
		digest := func() int {
			r.t.Helper()
			before := r.queued()
			for range 3 {
				if err := r.write(func(tx *store.Tx) error { return r.Digest(r.t.Context(), tx, contoso) }); err != nil {
					r.t.Fatal(err)
				}
			}
			return r.queued() - before
		}
		if n := digest(); n != 0 {
			r.t.Errorf("%d without a request", n)
		}
		r.ok(alain)
		if n := digest(); n != 1 {
			r.t.Errorf("%d on the first day", n)
		}
		clock.Advance(24 * time.Hour)
		if n := digest(); n != 1 {
			r.t.Errorf("%d on the second day", n)
		}
		if err := r.resolve(contoso.ID, r.list(helpdesk.Query{OrgID: contoso.ID})[0].ID, ""); err != nil {
			r.t.Fatal(err)
		}
		clock.Advance(24 * time.Hour)
		if n := digest(); n != 0 {
			r.t.Errorf("%d when everything is done", n)
		}
	})
}

// How often the desk's mail comes is the organization's choice; "this wasn't me" waits
// for nobody.
func TestHowOftenTheDeskHearsOfRequests(t *testing.T) {
	each(t, func(r *room, clock *storetest.Clock) {
		for often, want := range map[string]struct{ single, first, sameHour, quiet, fresh, nextDay int }{
			org.MailAtOnce: {single: 1, first: 1, nextDay: 1},
			"":             {single: 1, first: 1, nextDay: 1},
			org.MailHourly: {first: 1, fresh: 1, nextDay: 1},
			org.MailDaily:  {first: 1, nextDay: 1},
			org.MailOff:    {},
		} {
			desk := *contoso
			desk.ID, desk.Policy.Notifications.HelpdeskMail = "org-"+often, often
			clock.Advance(clock.Now().Truncate(24 * time.Hour).Add(33 * time.Hour).Sub(clock.Now())) // nine in the morning
			queued := func(do func() error) int {
				r.t.Helper()
				before := r.queued()
				if err := do(); err != nil {
					r.t.Fatal(err)
				}
				return r.queued() - before
			}
			ask := func(in helpdesk.In) int {
				in.Org = &desk
				return queued(func() error {
					return r.write(func(tx *store.Tx) error { return r.Open(r.t.Context(), tx, agent, in) })
				})
			}
			digest := func(after time.Duration) int {
				clock.Advance(after)
				return queued(func() error {
					for range 2 {
						if err := r.write(func(tx *store.Tx) error { return r.Digest(r.t.Context(), tx, &desk) }); err != nil {
							return err
						}
					}
					return nil
				})
			}
			check := func(what string, got, want int) {
				r.t.Helper()
				if got != want {
					r.t.Errorf("%q, %s: %d mails, want %d", often, what, got, want)
				}
			}
			check("a request", ask(alain), want.single)
			check("the first digest", digest(0), want.first)
			check("in the same hour", digest(50*time.Minute), want.sameHour)
			check("an hour without a new one", digest(time.Hour), want.quiet)
			other := alain
			other.AccountID, other.UserID = "acc-bianca", "bianca@contoso.com"
			check("another request", ask(other), want.single)
			check("an hour with a new one", digest(time.Hour), want.fresh)
			check("and the next without", digest(time.Hour), want.quiet)
			check("the next day", digest(24*time.Hour), want.nextDay)
			dispute := other
			dispute.Problem = helpdesk.ProblemDispute
			check("this wasn't me", ask(dispute), 1)
		}
	})
}
