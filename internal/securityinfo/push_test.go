package securityinfo_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func TestABrowserBecomesADevice(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		me := w.who("alain@contoso.com", "")
		begin := func(device, replaces string) (securityinfo.Reply, error) {
			return w.s.Begin(t.Context(), by(me), me, securityinfo.Begin{Kind: method.AuthenticatorPush, Device: device, Replaces: replaces})
		}
		number := func() string {
			p, ok, err := w.s.Pending(t.Context(), me, method.AuthenticatorPush)
			if err != nil || !ok {
				t.Fatalf("nothing is pending: %v", err)
			}
			return p.Number
		}
		confirm := func(device, answer string) securityinfo.Reply {
			r, err := w.s.Confirm(t.Context(), by(me), me, securityinfo.Confirm{Kind: method.AuthenticatorPush, Device: device, Answer: answer})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		begun, err := begin("", "")
		if err != nil || begun.Device == "" || begun.Refused != nil {
			t.Fatalf("%+v, %v", begun, err)
		}
		// A browser that did not keep its token is none.
		if r := confirm("", number()); r.Refused == nil || r.Refused.Code != problem.CodeWrong {
			t.Errorf("without the token: %+v", r.Refused)
		}
		clock.Advance(9 * time.Minute) // whoever allows notifications first takes their time
		if r := confirm(begun.Device, number()); r.Refused != nil || !r.Method.Usable() || r.Token == "" {
			t.Fatalf("%+v", r)
		}
		if _, err := begin(begun.Device, ""); !problem.Has(err, problem.MethodDuplicate) {
			t.Errorf("the same browser again: %v", err)
		}
		replaced := w.counting(me)[0]
		again, err := begin(begun.Device, replaced)
		if err != nil {
			t.Fatalf("replacing it on the same browser: %v", err)
		}
		if r := confirm(begun.Device+"."+again.Device, number()); r.Refused != nil {
			t.Fatalf("%+v", r.Refused)
		}
		if ids := w.counting(me); len(ids) != 1 || ids[0] == replaced {
			t.Errorf("counting: %v", ids)
		}
		// Asking for the number anew uses up nothing that mails need.
		if _, err := begin("", ""); err != nil {
			t.Fatal(err)
		}
		for range 12 {
			if r, err := w.s.Resend(t.Context(), by(me), me, method.AuthenticatorPush, "id"); err != nil || r.Refused != nil {
				t.Fatalf("%+v, %v", r.Refused, err)
			}
		}
		w.begun(me, method.Email, securityinfo.Form{"email": "other@example.net"})
		same(t, "events", w.events(), []string{"method.added", "registration.completed", "method.changed"})
	})
}
