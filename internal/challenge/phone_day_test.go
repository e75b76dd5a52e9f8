package challenge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// An organization sends five thousand texts and calls a day, to whomever; the one
// after waits for the next day. Another organization is not concerned, nor is mail.
func TestTheDayOfAnOrganization(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := withPhones(t, db, clock)
		n := 0
		next := func(o *org.Organization) challenge.Start {
			n++
			a := account.Account{ID: store.NewID(), OrgID: o.ID, Entry: directory.Entry{UserID: fmt.Sprint("u", n, "@contoso.com")}}
			in := challenge.Start{Org: o, Account: a, Purpose: challenge.SignIn, Owner: fmt.Sprint("s", n)}
			w.write(func(tx *store.Tx) (err error) {
				in.Method, err = w.methods.Add(t.Context(), tx, method.Method{
					OrgID: o.ID, AccountID: a.ID, Kind: method.MobilePhone, Value: fmt.Sprintf("+62812345%05d", n), Proved: true, ProvedBy: method.ByPerson,
				})
				return err
			})
			return in
		}
		if r, err := w.send(next(w.org)); err != nil || !r.Sent {
			t.Fatalf("the first: %+v, %v", r, err)
		}
		// As if 4,998 more had gone out since.
		w.write(func(tx *store.Tx) error {
			changed, err := tx.Exec(t.Context(), `UPDATE throttle SET tries = 4999 WHERE key = $1`, "phone_org:"+w.org.ID)
			if changed != 1 {
				t.Fatalf("%d counters of the organization", changed)
			}
			return err
		})
		if r, err := w.send(next(w.org)); err != nil || !r.Sent {
			t.Errorf("the five thousandth: %+v, %v", r, err)
		}
		before := len(w.out.sent)
		for range 2 {
			if r, err := w.send(next(w.org)); err != nil || r.Sent || r.Code != problem.SendLimit || r.RetryAfter <= 0 || r.RetryAfter > 24*time.Hour {
				t.Errorf("one more: %+v, %v", r, err)
			}
		}
		if len(w.out.sent) != before {
			t.Error("a message was queued over the limit")
		}
		told := 0
		w.write(func(tx *store.Tx) error {
			all, err := w.audit.List(t.Context(), tx, audit.Query{Org: w.org.ID, Limit: 100})
			for _, e := range all {
				if strings.Contains(e.Reason, "phone_organization") {
					told++
				}
			}
			return err
		})
		if told != 1 {
			t.Errorf("%d events", told)
		}
		other := *w.org
		other.ID = store.NewID()
		if r, err := w.send(next(&other)); err != nil || !r.Sent {
			t.Errorf("another organization: %+v, %v", r, err)
		}
		if _, code := w.sent(w.start(w.email(), challenge.Reset, "flow-mail")); code == "" {
			t.Error("mail stops too")
		}
		clock.Advance(24 * time.Hour)
		if r, err := w.send(next(w.org)); err != nil || !r.Sent {
			t.Errorf("the next day: %+v, %v", r, err)
		}
	})
}
