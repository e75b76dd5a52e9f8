package notify_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// devices is the sending to devices with its database, and one subscribed device.
type devices struct {
	*room
	pushes  *notify.Pushes
	methods *method.Service
	audit   *audit.Service
	m       method.Method
}

func newDevices(t *testing.T, db *store.DB, service *notifytest.PushService, client *http.Client) *devices {
	t.Helper()
	d := &devices{room: newRoom(t, db, nobody{}), audit: audittest.New(t, db)}
	keys := secrettest.NewTestKeyset(t)
	var err error
	if d.methods, err = method.New(method.Deps{Keys: keys}); err != nil {
		t.Fatal(err)
	}
	d.pushes, err = notify.NewPushes(notify.PushDeps{
		DB: db, Jobs: d.jobs, Keys: keys, Methods: d.methods, Audit: d.audit, Log: slog.New(slog.NewTextHandler(d.logs, nil)), PublicURL: "https://kunci.test", Client: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := d.methods.NewDevice("org-1", "account-1")
	m.Proved, m.ProvedBy = true, method.ByPerson
	if m.Subscription, err = method.ParseSubscription(service.Subscription("/send/abcdef")); err != nil {
		t.Fatal(err)
	}
	d.write(t, func(tx *store.Tx) (err error) {
		d.m, err = d.methods.Add(t.Context(), tx, m)
		return err
	})
	return d
}

func (d *devices) write(t *testing.T, do func(tx *store.Tx) error) {
	t.Helper()
	if err := d.db.Write(t.Context(), do); err != nil {
		t.Fatal(err)
	}
}

func (d *devices) push(t *testing.T, lang string, until time.Time) {
	t.Helper()
	d.write(t, func(tx *store.Tx) error { return d.pushes.Push(t.Context(), tx, d.m, lang, until) })
}

// idle waits until a job that was queued after everything else has run.
func (d *devices) idle(t *testing.T, kind string, done <-chan struct{}) {
	t.Helper()
	d.write(t, func(tx *store.Tx) error { return d.jobs.Enqueue(t.Context(), tx, kind, nil) })
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the queue does not come to an end")
	}
}

func TestADeviceIsToldThatSomethingWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		service := notifytest.StartPushService(t)
		d := newDevices(t, db, service, service.Client)
		d.start(t)
		d.push(t, "id", time.Now().Add(2*time.Minute))
		got := service.Wait(1)[0]
		if got.Path != "/send/abcdef" || got.TTL != "120" || got.Urgency != "high" || got.Sender != d.pushes.PublicKey() {
			t.Errorf("%+v", got)
		}
		if got.Text != `{"title":"Ada permintaan yang menunggu","body":"Buka Kunci untuk melihatnya."}` {
			t.Errorf("it says %s", got.Text)
		}
	})
}

// What nobody waits for any more is not sent; a subscription that is over is
// dropped, and the device stays.
func TestASubscriptionThatIsOverIsForgotten(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			service := notifytest.StartPushService(t)
			d := newDevices(t, db, service, service.Client)
			over := make(chan struct{}, 1)
			d.jobs.Handle("test.over", func(_ context.Context, _ jobs.Job) error { over <- struct{}{}; return nil })
			d.start(t)
			d.push(t, "en", time.Now().Add(-time.Second))
			d.idle(t, "test.over", over)
			service.Answer(status)
			d.push(t, "en", time.Now().Add(time.Minute))
			service.Wait(1)
			if n := len(service.Arrived()); n != 1 {
				t.Errorf("%d arrived, one of them too late", n)
			}
			d.eventually(t, func(m method.Method) bool { return !m.Subscribed() })
			if m := d.now(t); !m.Usable() {
				t.Error("the device is gone with its subscription")
			}
		})
	}
}

func (d *devices) now(t *testing.T) (m method.Method) {
	t.Helper()
	if err := d.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		m, err = d.methods.Get(t.Context(), tx, d.m.OrgID, d.m.AccountID, d.m.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return m
}

func (d *devices) eventually(t *testing.T, is func(method.Method) bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !is(d.now(t)) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the device stays as it was: %s", d.logs.String())
		}
	}
}

// A push service that has trouble is asked again; one that refuses, or sends on
// to elsewhere, is not, and the subscription stays.
func TestAPushServiceInTrouble(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		service := notifytest.StartPushService(t)
		service.Answer(http.StatusServiceUnavailable)
		d := newDevices(t, db, service, service.Client)
		d.start(t)
		d.push(t, "en", time.Now().Add(time.Minute))
		service.Wait(3) // as often as it is tried
		for n, status := range []int{http.StatusTemporaryRedirect, http.StatusForbidden} {
			service.Answer(status)
			d.push(t, "en", time.Now().Add(time.Minute))
			all := service.Wait(4 + n)
			if last := all[len(all)-1]; last.Path == "/elsewhere" {
				t.Errorf("%d was followed", status)
			}
		}
		if !d.now(t).Subscribed() {
			t.Error("a subscription is dropped that may be good")
		}
		if strings.Contains(d.logs.String(), "abcdef") {
			t.Errorf("the log names the endpoint:\n%s", d.logs.String())
		}
	})
}

// A browser chooses the address: the product's own client reaches no machine of
// the inner network by it.
func TestInwardAddressesAreNotReached(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		service := notifytest.StartPushService(t)
		d := newDevices(t, db, service, nil)
		failed := make(chan struct{}, 1)
		d.jobs.OnGiveUp("notify.push", func(_ context.Context, _ jobs.Job, _ error) { failed <- struct{}{} })
		d.start(t)
		d.push(t, "en", time.Now().Add(time.Minute))
		select {
		case <-failed:
		case <-time.After(20 * time.Second):
			t.Fatal("it is not given up")
		}
		if n := len(service.Arrived()); n != 0 {
			t.Errorf("%d messages reached loopback", n)
		}
		if !strings.Contains(d.logs.String(), "its address is not a public one") {
			t.Errorf("the log does not say why:\n%s", d.logs.String())
		}
	})
}
