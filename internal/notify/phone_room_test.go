package notify_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func text(channel notify.Channel) notify.Message {
	m := message()
	m.To, m.Channel, m.ExpiresAt = "+6281234567842", channel, time.Now().Add(10*time.Minute)
	return m
}

func (r *room) progress(t *testing.T, id string) (p notify.Progress) {
	t.Helper()
	err := r.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		p, err = r.Progress(t.Context(), tx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// silent finds whether anything tells a number or a code.
func (r *room) silent(t *testing.T) {
	t.Helper()
	for _, where := range []string{r.logs.String(), dump(t, r.db)} {
		if strings.Contains(where, "81234567842") || strings.Contains(where, "48151623") {
			t.Errorf("a secret is written down:\n%s", where)
		}
	}
}

func TestQueuedTextsAndCallsLeave(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{})
		g := plainGateway(t, notify.HTTPConfig{URL: gateway.URL, Body: "{to} {extension} {text}", ContentType: "text/plain"})
		r := newRoom(t, db, nobody{}, g)
		id := r.queue(t, text(notify.ByText))
		call := text(notify.ByCall)
		call.To = "+62215550100x12"
		other := r.queue(t, call)
		r.silent(t)
		r.start(t)
		r.await(t, id, notify.Sent)
		r.await(t, other, notify.Sent)
		var all string
		for _, ask := range gateway.Asks() {
			all += ask.Body + "\n"
		}
		if !strings.Contains(all, "+6281234567842  48151623 ") || !strings.Contains(all, "@kunci.test #48151623") || !strings.Contains(all, "+62215550100 12 ") {
			t.Errorf("sent:\n%s", all)
		}
		if p := r.progress(t, id); p.Channel != notify.ByText || p.State != notify.Sent || !p.DeliveredAt.IsZero() || p.Late(time.Now().Add(time.Hour)) {
			t.Errorf("progress %+v", p)
		}
		r.silent(t)
	})
}

func TestWhatDoesNotGoToPhones(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := plainGateway(t, notify.HTTPConfig{URL: "http://127.0.0.1:1", ContentType: "text/plain"})
		with, without := newRoom(t, db, nobody{}, g), newRoom(t, db, nobody{})
		refuse := func(r *room, change func(*notify.Message)) error {
			m := text(notify.ByText)
			change(&m)
			return db.Write(t.Context(), func(tx *store.Tx) error { _, err := r.Queue(t.Context(), tx, m); return err })
		}
		if err := refuse(without, func(*notify.Message) {}); !problem.Has(err, problem.SendOff) {
			t.Errorf("no gateway: %v", err)
		}
		for _, to := range []string{"", "081234567842", "+", "+62 812", "alain@example.net", "+6281234567842x12", "+6281234567842\r\n", "+628123456784212345678"} {
			if err := refuse(with, func(m *notify.Message) { m.To = to }); !problem.Has(err, problem.PhoneInvalid) {
				t.Errorf("%q: %v", to, err)
			}
		}
		if err := refuse(with, func(m *notify.Message) { m.Body = notify.AdminNotice{} }); err == nil {
			t.Error("a notice goes to a phone")
		}
		if err := refuse(with, func(m *notify.Message) { m.Channel = "pigeon" }); !problem.Has(err, problem.SendOff) {
			t.Errorf("an unknown channel: %v", err)
		}
	})
}

// A gateway that fails for now is tried again while the code lives; one that
// fails for good is not, and the failure is there to be shown.
func TestAGatewayIsTriedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{Answer: func(n int, _ notifytest.Ask) (int, string) {
			return []int{503, notifytest.Hang, 200}[min(n, 3)-1], "+6281234567842"
		}})
		r := newRoom(t, db, nobody{}, plainGateway(t, notify.HTTPConfig{
			URL: gateway.URL + "/{id}", Body: "{to}{text}", ContentType: "text/plain", Timeout: 200 * time.Millisecond,
		}))
		r.start(t)
		id := r.queue(t, text(notify.ByText))
		r.await(t, id, notify.Sent)
		asks := gateway.Asks()
		if len(asks) != 3 || asks[0].Path != asks[2].Path || asks[0].Body != asks[2].Body {
			t.Errorf("%d tries: %+v", len(asks), asks)
		}
		late := text(notify.ByText)
		late.ExpiresAt = time.Now().Add(-time.Second)
		r.await(t, r.queue(t, late), notify.Expired)
		if n := len(gateway.Asks()); n != 3 {
			t.Errorf("a code that nobody can use was sent: %d", n)
		}
		r.silent(t)
	})
}

func TestRefusedByTheGatewayIsGivenUpAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{Answer: func(int, notifytest.Ask) (int, string) { return 400, "+6281234567842 is unknown" }})
		r := newRoom(t, db, nobody{}, plainGateway(t, notify.HTTPConfig{URL: gateway.URL, Body: "{to}{text}", ContentType: "text/plain"}))
		r.start(t)
		id := r.queue(t, text(notify.ByText))
		r.await(t, id, notify.Failed)
		if p := r.progress(t, id); !p.Late(p.QueuedAt) || len(gateway.Asks()) != 1 {
			t.Errorf("%+v after %d tries", p, len(gateway.Asks()))
		}
		r.silent(t)
	})
}

// nobody is a mail server that is not asked.
type nobody struct{ notify.Sender }

// What Twilio says afterwards counts once, in whatever order it comes, and only
// when Twilio signed it.
func TestCallBacks(t *testing.T) {
	type event struct{ state, signature string }
	const good, other, none = "good", "other", "none"
	for name, c := range map[string]struct {
		events    []event
		failed    bool
		delivered bool
	}{
		"delivered":               {[]event{{"sent", good}, {"delivered", good}}, false, true},
		"undelivered":             {[]event{{"sent", good}, {"undelivered", good}}, true, false},
		"failed, twice":           {[]event{{"failed", good}, {"failed", good}}, true, false},
		"out of order":            {[]event{{"delivered", good}, {"sent", good}, {"queued", good}}, false, true},
		"the first end counts":    {[]event{{"delivered", good}, {"undelivered", good}}, false, true},
		"the first failure too":   {[]event{{"undelivered", good}, {"delivered", good}}, true, false},
		"a state nobody knows":    {[]event{{"teleported", good}, {"", good}}, false, false},
		"signed by another token": {[]event{{"failed", other}}, false, false},
		"not signed":              {[]event{{"failed", none}}, false, false},
		"signed over other words": {[]event{{"failed", "delivered"}}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{})
				r := newRoom(t, db, nobody{}, twilio(t, gateway.URL, func(c *notify.TwilioConfig) { c.PublicURL = "https://kunci.test" }))
				_, hooks := r.Hooks()
				id := r.queue(t, text(notify.ByText))
				r.start(t)
				r.await(t, id, notify.Sent)
				address := gateway.Asks()[0].Form.Get("StatusCallback")
				for _, e := range c.events {
					status := http.StatusNoContent
					form := url.Values{"MessageStatus": {e.state}, "MessageSid": {"SM1"}, "To": {"+6281234567842"}}
					signature := notifytest.SignTwilio(notifytest.TwilioToken, address, form)
					switch e.signature {
					case other:
						signature, status = notifytest.SignTwilio("another", address, form), http.StatusForbidden
					case none:
						signature, status = "", http.StatusForbidden
					case "delivered":
						form.Set("MessageStatus", "delivered")
						signature, status = notifytest.SignTwilio(notifytest.TwilioToken, address, form), http.StatusForbidden
						form.Set("MessageStatus", e.state)
					}
					if got := callBack(hooks, address, form, signature); got != status {
						t.Errorf("%+v is answered %d", e, got)
					}
				}
				p := r.progress(t, id)
				if (p.State == notify.Failed) != c.failed || p.DeliveredAt.IsZero() == c.delivered {
					t.Errorf("%+v", p)
				}
				r.silent(t)
			})
		})
	}
}

func callBack(hooks http.Handler, address string, form url.Values, signature string) int {
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/twilio/{channel}/{id}", hooks)
	request := httptest.NewRequest(http.MethodPost, strings.TrimPrefix(address, "https://kunci.test"), strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if signature != "" {
		request.Header.Set("X-Twilio-Signature", signature)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, request)
	return w.Code
}

// A report that overtakes the answer to the request is kept, and the message is
// not sent a second time.
func TestAReportOvertakesTheAnswer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{})
		r := newRoom(t, db, nobody{}, twilio(t, gateway.URL, nil))
		arrived, refused := r.queue(t, text(notify.ByText)), r.queue(t, text(notify.ByText))
		for range 2 {
			for _, report := range []notify.Report{{ID: arrived, Delivered: true}, {ID: refused, Failed: true, Reason: "busy"}, {ID: "unknown", Failed: true}, {ID: arrived}} {
				if err := r.Reported(t.Context(), report); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.start(t)
		last := r.queue(t, text(notify.ByText))
		r.await(t, last, notify.Sent)
		r.await(t, arrived, notify.Sent)
		r.await(t, refused, notify.Failed)
		if n := len(gateway.Asks()); n != 1 {
			t.Errorf("%d requests, want the last message's", n)
		}
		mail := r.queue(t, message())
		if err := r.Reported(t.Context(), notify.Report{ID: mail, Failed: true}); err != nil {
			t.Fatal(err)
		}
		if p := r.progress(t, mail); p.State == notify.Failed {
			t.Error("a gateway decides about a mail")
		}
	})
}

func TestParallelReportsCountOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db, nobody{}, twilio(t, "http://127.0.0.1:1", nil))
		id := r.queue(t, text(notify.ByText))
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := r.Reported(t.Context(), notify.Report{ID: id, Delivered: i%2 == 0, Failed: i%2 == 1}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if p := r.progress(t, id); (p.State == notify.Failed) == !p.DeliveredAt.IsZero() {
			t.Errorf("both ends: %+v", p)
		}
	})
}

func FuzzCallBack(f *testing.F) {
	f.Add("MessageStatus=failed", "sms", "x", "sig")
	f.Add("CallStatus=busy&CallStatus=completed", "call", "", "")
	f.Add("%", "sms", "../x", "AAAA")
	gateway, err := notify.NewTwilio(notify.TwilioConfig{
		AccountSID: notifytest.TwilioSID, AuthToken: notifytest.TwilioToken, From: "x", PublicURL: "https://kunci.test", Timeout: time.Second,
	}, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, channel, id, signature string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		address := "https://kunci.test/hooks/twilio/" + channel + "/" + id
		if notify.Signed(gateway, address, form, signature) != (signature == notify.Sign(gateway, address, form)) {
			t.Fatal("a signature that is not the right one is taken, or the right one is not")
		}
		if r := notify.ReportOf(id, form); r.Delivered && r.Failed || r.ID != id || r.Failed && r.Reason == "" {
			t.Fatalf("%+v", r)
		}
	})
}
