package webhook_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

// live adds a receiver that has taken something already.
func (r *room) live(o webhook.Order) webhook.Hook {
	r.t.Helper()
	h, _ := r.add(o)
	r.happen(r.org)
	r.run()
	if r.hook().DeliveredAt.IsZero() {
		r.t.Fatal("a receiver that works gets nothing")
	}
	return h
}

func (r *room) refuse(kind audit.Kind) {
	text := string(kind)
	r.to.refuses.Store(&text)
}

// pass lets time go by in steps; after each, events get their places and are sent.
func (r *room) pass(in, step time.Duration) {
	r.t.Helper()
	for ; in > 0; in -= step {
		r.clock.Advance(step)
		r.happen(r.org)
		r.run()
	}
}

func (r *room) aside(id string) []webhook.Aside {
	r.t.Helper()
	var all []webhook.Aside
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		all, err = r.SetAside(r.t.Context(), tx, r.org.ID, id, -1, 100)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// reasons are why there are events of receivers, in order.
func (r *room) reasons() string {
	var all []string
	for _, e := range audittest.Events(r.t, r.db, r.audit) {
		if strings.HasPrefix(e.Reason, "webhook-") {
			all = append(all, e.Reason)
		}
	}
	return strings.Join(all, " ")
}

// missing are the events of the organization since a receiver was added that did not arrive.
func (r *room) missing() (kinds []string) {
	arrived := make(map[string]bool)
	for _, c := range r.to.seen() {
		arrived[c.header.Get("webhook-id")] = true
	}
	added := false
	for _, e := range audittest.Events(r.t, r.db, r.audit) {
		added = added || e.Reason == "webhook-added"
		if added && e.Org == r.org.ID && !arrived[e.ID] {
			kinds = append(kinds, string(e.Kind)+" "+e.Reason)
		}
	}
	return kinds
}

// An event that a receiver refuses while it takes others is set aside after ten and
// a half minutes; the next ones go through in order, it is tried again by itself
// for a day, and then waits for somebody.
func TestARefusedEventIsSetAside(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{People: true})
		r.refuse(audit.ResetStarted)
		r.happen(r.org, audit.ResetStarted, audit.ResetGatePassed, audit.ResetCompleted)
		r.run()
		r.pass(10*time.Minute, 10*time.Second)
		if len(r.aside(h.ID)) != 0 || strings.Contains(r.types(), "reset.gate_passed") {
			t.Fatalf("set aside too early: %s", r.types())
		}
		r.pass(3*time.Minute, 10*time.Second)
		all := r.aside(h.ID)
		if len(all) != 1 || all[0].Kind != audit.ResetStarted || all[0].Tries != 8 || all[0].LastError != "status-422" || all[0].NextAt.IsZero() {
			t.Fatalf("%+v", all)
		}
		if got := r.types(); !strings.HasSuffix(got, "reset.started reset.gate_passed reset.completed administrator.changed") {
			t.Fatalf("the others do not follow in order: %s", got)
		}
		if s := r.hook(); s.State() != webhook.Live || s.SetAside != 1 || r.reasons() != "webhook-added webhook-set-aside" {
			t.Fatalf("%+v, %s", s, r.reasons())
		}
		// By itself five times more: after 30 minutes, 2, 5, 10 and 10 hours.
		tries := 8
		for _, wait := range []time.Duration{30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour} {
			r.clock.Advance(wait - 5*time.Minute)
			r.run()
			if got := r.aside(h.ID)[0].Tries; got != tries {
				t.Fatalf("%d tries, %v too early", got, wait)
			}
			r.clock.Advance(6 * time.Minute)
			r.run()
			if tries++; r.aside(h.ID)[0].Tries != tries {
				t.Fatalf("%+v, want %d tries after %v", r.aside(h.ID), tries, wait)
			}
		}
		r.pass(48*time.Hour, 12*time.Hour)
		if all = r.aside(h.ID); all[0].Tries != 13 || !all[0].NextAt.IsZero() {
			t.Fatalf("after the last try: %+v", all)
		}
		// Who was erased meanwhile is not in what is sent again; it is the same event.
		if err := r.db.Write(t.Context(), func(tx *store.Tx) error { return r.audit.Erase(t.Context(), tx, operator, r.org.ID, "acc-alain") }); err != nil {
			t.Fatal(err)
		}
		r.to.refuses.Store(nil)
		if n, err := r.SendAgain(t.Context(), operator, r.org, h.ID, all[0].EventID); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		r.happen(r.org)
		r.run()
		calls := r.to.seen()
		last := 0
		for i, c := range calls {
			if c.header.Get("webhook-id") == all[0].EventID {
				last = i
			}
		}
		if body := calls[last].body; strings.Contains(body, "alain@") || !strings.Contains(body, `"erased":true`) {
			t.Errorf("sent again: %s", body)
		}
		if len(r.aside(h.ID)) != 0 || r.hook().SetAside != 0 || !strings.Contains(r.reasons(), "webhook-sent-again") {
			t.Errorf("what arrived is still set aside: %+v, %s", r.aside(h.ID), r.reasons())
		}
		if m := r.missing(); len(m) != 0 {
			t.Errorf("did not arrive: %v", m)
		}
	})
}

// A try by hand that fails is one try, and the event waits again.
func TestSendingAgainWhatIsStillRefused(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		r.refuse(audit.ResetStarted)
		r.happen(r.org, audit.ResetStarted, audit.ResetStarted)
		r.run()
		r.pass(36*time.Minute, 20*time.Second)
		if n := len(r.aside(h.ID)); n != 2 {
			t.Fatalf("%d set aside", n)
		}
		if n, err := r.SendAgain(t.Context(), operator, r.org, h.ID); n != 2 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		before := len(r.to.seen())
		r.happen(r.org)
		r.pass(24*time.Hour, time.Hour)
		sent := 0
		for _, c := range r.to.seen()[before:] {
			if strings.Contains(c.body, `"type":"reset.started"`) {
				sent++
			}
		}
		if all := r.aside(h.ID); sent != 2 || len(all) != 2 || !all[0].NextAt.IsZero() || all[0].Tries != 9 {
			t.Errorf("%d calls, %+v", sent, all)
		}
		if _, err := r.SendAgain(t.Context(), operator, r.org, h.ID, "no such event"); !problem.Has(err, problem.NotFound) {
			t.Errorf("an event that is not there: %v", err)
		}
		if _, err := r.SendAgain(t.Context(), operator, fabrikam, h.ID); !problem.Has(err, problem.NotFound) {
			t.Errorf("another organization sends again: %v", err)
		}
		err := r.db.Read(t.Context(), func(tx *store.Tx) error {
			_, err := r.SetAside(t.Context(), tx, fabrikam.ID, h.ID, -1, 10)
			return err
		})
		if !problem.Has(err, problem.NotFound) {
			t.Errorf("another organization sees what was set aside: %v", err)
		}
		if err := r.Remove(t.Context(), operator, r.org, h.ID); err != nil {
			t.Fatal(err)
		}
		left := 0
		err = r.db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM webhook_aside`).Scan(&left)
		})
		if err != nil || left != 0 {
			t.Errorf("%d rows of a removed receiver, %v", left, err)
		}
	})
}

// Somebody has an event sent again while a try of it is under way that fails: it is
// sent once more.
func TestSendingAgainDuringATry(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		r.refuse(audit.ResetStarted)
		r.happen(r.org, audit.ResetStarted)
		r.run()
		r.pass(13*time.Minute, 10*time.Second)
		again := func() {
			if n, err := r.SendAgain(t.Context(), operator, r.org, h.ID); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		r.clock.Advance(31 * time.Minute)
		for tries := 9; tries <= 11; tries++ { // one by itself, the others by hand, in the same moment
			r.to.while.Store(&again)
			r.run()
			if all := r.aside(h.ID); len(all) != 1 || all[0].Tries != tries || all[0].NextAt.IsZero() || all[0].NextAt.After(r.clock.Now()) {
				t.Fatalf("%+v", all)
			}
		}
		r.refuse("nothing")
		r.run()
		if all := r.aside(h.ID); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
}

// What somebody gives up is not sent any more, whatever the receiver says later; the
// log keeps the event, and who gave it up.
func TestGivingUpWhatWasSetAside(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		r.refuse(audit.ResetStarted)
		r.happen(r.org, audit.ResetStarted, audit.ResetStarted, audit.ResetStarted)
		r.run()
		r.pass(50*time.Minute, 20*time.Second)
		all := r.aside(h.ID)
		if len(all) != 3 {
			t.Fatalf("%d set aside", len(all))
		}
		for what, try := range map[string]func() (int64, error){
			"no such event":        func() (int64, error) { return r.Discard(t.Context(), operator, r.org, h.ID, "no such event") },
			"no such receiver":     func() (int64, error) { return r.Discard(t.Context(), operator, r.org, "none", "") },
			"another organization": func() (int64, error) { return r.Discard(t.Context(), operator, fabrikam, h.ID, all[0].EventID) },
		} {
			if n, err := try(); n != 0 || !problem.Has(err, problem.NotFound) {
				t.Errorf("%s: %d, %v", what, n, err)
			}
		}
		if n, err := r.Discard(t.Context(), operator, r.org, h.ID, all[1].EventID); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if left := r.aside(h.ID); len(left) != 2 || left[0].Leaf != all[0].Leaf || left[1].Leaf != all[2].Leaf {
			t.Errorf("left: %+v", left)
		}
		if n, err := r.Discard(t.Context(), operator, r.org, h.ID, ""); n != 2 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if n, err := r.Discard(t.Context(), operator, r.org, h.ID, ""); n != 0 || err != nil {
			t.Errorf("nothing is left: %d, %v", n, err)
		}
		r.to.refuses.Store(nil)
		before := len(r.to.seen())
		r.pass(48*time.Hour, 4*time.Hour)
		for _, c := range r.to.seen()[before:] {
			if strings.Contains(c.body, `"type":"reset.started"`) {
				t.Fatal("what was given up is sent")
			}
		}
		var given []string
		kept := 0
		for _, e := range audittest.Events(t, r.db, r.audit) {
			switch {
			case e.Reason == "webhook-discarded":
				given = append(given, e.Detail["events"]+" "+e.Detail["event"])
				if e.Actor.Kind != operator.Kind || e.Detail["webhook"] != h.ID {
					t.Errorf("recorded: %+v", e)
				}
			case e.Kind == audit.ResetStarted:
				kept++
			}
		}
		if !slices.Equal(given, []string{"1 " + all[1].EventID, "2 "}) || kept != 3 {
			t.Errorf("recorded: %q; %d events kept", given, kept)
		}
	})
}

// Who is told that a receiver is paused: owners who are named and whose user ID is a
// mailbox; where none is, the support address.
func TestWhoIsToldWhereNoOwnerHasAMailbox(t *testing.T) {
	each(t, func(r *room) {
		r.live(webhook.Order{})
		r.mail.none = "adele@contoso.com"
		r.to.status.Store(http.StatusGone)
		r.happen(r.org, audit.ResetStarted)
		r.run()
		if to, _ := r.mail.told(); !slices.Equal(to, []string{r.org.Support.Email + " en"}) || r.org.Support.Email == "" {
			t.Errorf("told: %v", to)
		}
	})
}

// That an event was set aside is an event; a receiver that refuses that one, too,
// does not bring another.
func TestSettingAsideFeedsNothing(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		r.refuse(audit.AdministratorChanged)
		r.happen(r.org, audit.AdministratorChanged)
		for range 5 {
			r.happen(r.org, audit.ResetStarted) // the receiver works
			r.pass(15*time.Minute, 30*time.Second)
		}
		if n := strings.Count(r.reasons(), "webhook-set-aside"); n != 1 || len(r.aside(h.ID)) != 2 {
			t.Errorf("%d records, %+v", n, r.aside(h.ID))
		}
	})
}

// Where nothing goes through for five days, the receiver is paused and the owners
// are told; resumed, it gets everything that happened.
func TestAReceiverWhereNothingArrivesIsPaused(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		r.to.status.Store(http.StatusFound) // a redirect is a failure, and is not followed
		r.happen(r.org, audit.ResetStarted, audit.ResetGatePassed, audit.ResetCompleted)
		r.pass(26*time.Hour, time.Hour)
		if n := len(r.aside(h.ID)); n != 0 {
			t.Errorf("%d events are set aside after a day, though the receiver is at fault", n)
		}
		r.pass(4*24*time.Hour-3*time.Hour, time.Hour)
		if to, _ := r.mail.told(); r.hook().State() != webhook.Failed || len(to) != 0 {
			t.Fatalf("before five days: %+v, %v", r.hook(), to)
		}
		r.pass(24*time.Hour, time.Hour)
		off := r.hook()
		if off.State() != webhook.Paused || off.PausedFor != webhook.Failing || off.LastError != "status-302" {
			t.Fatalf("%+v", off)
		}
		to, notices := r.mail.told()
		if !slices.Equal(to, []string{"adele@contoso.com en"}) || notices[0].Host != off.Host || notices[0].Code != "status-302" || notices[0].Gone ||
			!notices[0].Since.Equal(off.FailingSince) || off.PausedAt.Sub(off.FailingSince) < 5*24*time.Hour {
			t.Errorf("told: %v %+v", to, notices)
		}
		n := len(r.to.seen())
		r.pass(3*time.Hour, time.Hour)
		if len(r.to.seen()) != n {
			t.Error("it is sent to although it is paused")
		}
		if !strings.HasSuffix(r.reasons(), "webhook-paused") {
			t.Errorf("recorded: %s", r.reasons())
		}
		// A test that succeeds resumes it, and nothing was lost.
		r.to.status.Store(http.StatusOK)
		if failure, err := r.Test(t.Context(), operator, r.org, h.ID); failure != "" || err != nil {
			t.Fatalf("%q, %v", failure, err)
		}
		r.happen(r.org, audit.ResetStarted)
		r.pass(48*time.Hour, time.Hour)
		if m := r.missing(); len(m) != 0 || r.hook().State() != webhook.Live || len(r.aside(h.ID)) != 0 {
			t.Errorf("did not arrive: %v; %+v", m, r.hook())
		}
		r.to.status.Store(http.StatusGone)
		r.happen(r.org, audit.ResetStarted)
		r.run()
		if got := r.hook(); got.PausedFor != webhook.Gone {
			t.Errorf("410 does not pause it: %+v", got)
		}
		if _, notices := r.mail.told(); len(notices) != 2 || !notices[1].Gone {
			t.Errorf("told: %+v", notices)
		}
	})
}

// After ten in a row it is rather the receiver that is broken: the order waits.
func TestAReceiverThatRefusesEverythingKeepsTheRest(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		r.to.status.Store(http.StatusInternalServerError)
		for range 15 {
			r.happen(r.org, audit.ResetStarted)
		}
		r.run()
		r.pass(5*time.Hour, time.Minute)
		if n := len(r.aside(h.ID)); n != 10 {
			t.Fatalf("%d set aside", n)
		}
		r.to.status.Store(http.StatusOK)
		r.pass(8*time.Hour, 30*time.Minute)
		if m := r.missing(); len(m) != 0 || len(r.aside(h.ID)) != 0 {
			t.Errorf("did not arrive: %v; %+v", m, r.aside(h.ID))
		}
	})
}

// What a receiver never saw is not its event's fault: nothing is set aside while
// nobody is at home.
func TestNobodyAtHomeKeepsTheOrder(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		r.to.Close()
		r.happen(r.org, audit.ResetStarted, audit.ResetCompleted)
		r.run()
		r.pass(4*24*time.Hour, 4*time.Hour)
		if s := r.hook(); s.LastError != "unreachable" || s.SetAside != 0 || s.State() != webhook.Failed {
			t.Fatalf("%+v", s)
		}
		r.pass(28*time.Hour, 4*time.Hour)
		if s := r.hook(); s.PausedFor != webhook.Failing || len(r.aside(h.ID)) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// One failure after a quiet week is no reason to pause.
func TestAQuietWeekPausesNobody(t *testing.T) {
	each(t, func(r *room) {
		r.live(webhook.Order{})
		r.refuse(audit.ResetStarted)
		r.happen(r.org, audit.ResetStarted)
		for range 60 {
			r.run()
			r.clock.Advance(15 * time.Second)
		}
		r.clock.Advance(9 * 24 * time.Hour)
		r.to.status.Store(http.StatusInternalServerError)
		r.happen(r.org, audit.ResetCompleted)
		r.run()
		if s := r.hook(); s.State() != webhook.Failed || s.SetAside != 1 || s.LastError != "status-500" {
			t.Errorf("%+v", s)
		}
	})
}

func TestAReceiverIsPausedAndResumedByHand(t *testing.T) {
	each(t, func(r *room) {
		h := r.live(webhook.Order{})
		pause := func() {
			if err := r.Pause(t.Context(), operator, r.org, h.ID); err != nil {
				t.Error(err)
			}
		}
		r.to.while.Store(&pause)
		if failure, err := r.Test(t.Context(), operator, r.org, h.ID); failure != "" || err != nil {
			t.Fatalf("%q, %v", failure, err)
		}
		if r.hook().PausedFor != webhook.ByHand {
			t.Errorf("a test resumes what somebody paused while it went on: %+v", r.hook())
		}
		for range 2 { // the second time there is nothing to do
			if err := r.Pause(t.Context(), operator, r.org, h.ID); err != nil {
				t.Fatal(err)
			}
		}
		n := len(r.to.seen())
		r.happen(r.org, audit.ResetStarted)
		r.run()
		if failure, err := r.Test(t.Context(), operator, r.org, h.ID); failure != "" || err != nil {
			t.Fatalf("%q, %v", failure, err)
		}
		r.run()
		if len(r.to.seen()) != n+1 || r.hook().PausedFor != webhook.ByHand {
			t.Errorf("a test resumes what somebody paused, or it is sent to: %+v", r.hook())
		}
		if to, _ := r.mail.told(); len(to) != 0 {
			t.Errorf("told: %v", to)
		}
		for what, err := range map[string]error{
			"pauses":  r.Pause(t.Context(), operator, fabrikam, h.ID),
			"resumes": r.Resume(t.Context(), operator, fabrikam, h.ID),
		} {
			if !problem.Has(err, problem.NotFound) {
				t.Errorf("another organization %s it: %v", what, err)
			}
		}
		if err := r.Resume(t.Context(), operator, r.org, h.ID); err != nil {
			t.Fatal(err)
		}
		r.happen(r.org)
		r.run()
		if m := r.missing(); len(m) != 0 || r.reasons() != "webhook-added webhook-paused webhook-resumed" {
			t.Errorf("did not arrive: %v; recorded: %s", m, r.reasons())
		}
	})
}

func TestHowManyReceiversAndTestsThereMayBe(t *testing.T) {
	each(t, func(r *room) {
		h, _ := r.add(webhook.Order{})
		for range 19 {
			r.add(webhook.Order{})
		}
		if _, _, err := r.Add(t.Context(), operator, r.org, webhook.Order{URL: "https://siem.contoso.com"}); !problem.Has(err, problem.WebhookLimit) {
			t.Errorf("one more: %v", err)
		}
		for range 30 {
			if _, err := r.Test(t.Context(), operator, r.org, h.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Test(t.Context(), operator, r.org, h.ID); !problem.Has(err, problem.Blocked) {
			t.Errorf("one more test: %v", err)
		}
	})
}
