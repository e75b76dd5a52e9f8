package kuncitest_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

// number reads the number that a page shows, empty where it shows none.
func number(p *kuncitest.Page) string {
	for _, n := range p.Find(func(n *html.Node) bool {
		for _, a := range n.Attr {
			if a.Key == "data-number" {
				return true
			}
		}
		return false
	}) {
		if n.FirstChild != nil {
			return n.FirstChild.Data
		}
	}
	return ""
}

// otherThan is a number of two digits that is not the one shown.
func otherThan(shown string) string {
	if shown == "42" {
		return "43"
	}
	return "42"
}

// addDevice makes a browser in which somebody is signed in one of their devices.
func addDevice(t *testing.T, b *kuncitest.Browser, name string) {
	t.Helper()
	intro := b.Get("/security-info/add?kind=authenticator_push").Want(http.StatusOK, "security-info-add")
	if number(intro) != "" {
		t.Error("a GET begins a registration")
	}
	page := b.Post("/security-info/add", "kind", "authenticator_push").Want(http.StatusOK, "security-info-add")
	id, _ := page.Field("method")
	b.Post("/security-info/add", "kind", "authenticator_push", "method", id, "name", name, "code", number(page)).Want(http.StatusOK, "security-info")
}

// toDevice walks until a request waits on a device and gives the page with its number.
func toDevice(t *testing.T, b *kuncitest.Browser, userID, device string) *kuncitest.Page {
	t.Helper()
	b.Get("/reset").Want(http.StatusOK, "reset-identify")
	b.Post("/reset", "user_id", userID, "reason", "forgot").Want(http.StatusOK, "reset-choose")
	page := b.Post("/reset/verify", "method", device, "action", "send").Want(http.StatusOK, "reset-verify")
	if len(number(page)) != 2 {
		t.Fatalf("no number is shown:\n%s", page.Text())
	}
	return page
}

// requestOn gives the id of the request that a device shows.
func requestOn(t *testing.T, p *kuncitest.Page) string {
	t.Helper()
	p.Want(http.StatusOK, "push-approve")
	id, ok := p.Field("request")
	if !ok {
		t.Fatalf("no request is shown:\n%s", p.Text())
	}
	return id
}

func TestADeviceIsRegisteredResetsAndSignsIn(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "citra@contoso.com", "")
		if page := me.Get("/push").Want(http.StatusOK, "push-approve"); !page.Has("/security-info/add") {
			t.Error("a browser that is no device is not told so")
		}
		addDevice(t, me.Browser, "Ponsel Citra")
		m := me.ofKind(method.AuthenticatorPush)
		if rows(me.Get("/security-info"))[m.ID] != "authenticator_push" || !p.Has(audit.MethodAdded) {
			t.Error("the device is not in the list, or there is no event")
		}
		// The same browser is not registered twice.
		if again := me.Post("/security-info/add", "kind", "authenticator_push"); again.Alert() != "method-duplicate" {
			t.Errorf("the same browser again: %q", again.Alert())
		}
		// The session ends, the device stays.
		me.Post("/signout")
		if page := me.Get("/push").Want(http.StatusOK, "push-approve"); !strings.Contains(page.Text(), "Ponsel Citra") {
			t.Errorf("the device is forgotten:\n%s", page.Text())
		}

		stranger := p.Browser()
		waiting := toDevice(t, stranger, "citra@contoso.com", m.ID)
		shown := number(waiting)
		if !strings.Contains(waiting.Body, `<noscript><p><a class="button" href="">`) {
			t.Error("the waiting page cannot look again without a script")
		}
		device := me.Get("/push")
		request := requestOn(t, device)
		for _, part := range []string{"citra@contoso.com", "127.0.0.1", "Chrome", "mengatur ulang"} {
			if !strings.Contains(device.Text(), part) {
				t.Errorf("the device does not say %q:\n%s", part, device.Text())
			}
		}
		if number(device) != "" || strings.Contains(device.Body, `>`+shown+`<`) {
			t.Error("the device shows the number")
		}
		// What is typed where the number is shown is no answer.
		if refused := stranger.Post("/reset/verify", "method", m.ID, "action", "verify", "code", shown); refused.Name() == "reset-password" {
			t.Fatal("the reset page approves itself")
		}
		if refused := me.Post("/push", "request", request, "action", "approve", "code", otherThan(shown)).Want(http.StatusUnprocessableEntity, "push-approve"); refused.Alert() != "code-wrong" {
			t.Errorf("a wrong number: %q", refused.Alert())
		}
		if refused := me.Post("/push", "request", request, "action", "approve", "code", "").Want(http.StatusUnprocessableEntity, "push-approve"); refused.Alert() != "required" {
			t.Errorf("a bare approval: %q", refused.Alert())
		}
		stranger.Get("/reset/verify").Want(http.StatusOK, "reset-verify")
		me.Post("/push", "request", request, "action", "approve", "code", shown).Want(http.StatusOK, "push-approve")
		if replayed := me.Post("/push", "request", request, "action", "approve", "code", shown).Want(http.StatusUnprocessableEntity, "push-approve"); replayed.Alert() != "code-expired" {
			t.Errorf("the same answer again: %q", replayed.Alert())
		}
		stranger.Get("/reset/verify").Want(http.StatusOK, "reset-password")
		stranger.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "citra@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the new password: %v", got)
		}
		for _, kind := range []audit.Kind{audit.ResetGateFailed, audit.ResetGatePassed, audit.ResetCompleted} {
			if !p.Has(kind) {
				t.Errorf("no event %s", kind)
			}
		}

		// The second factor of a sign-in is answered there, and taken once.
		p.Clock.Advance(2 * time.Minute)
		b := p.Browser()
		b.Post("/signin", "user_id", "citra@contoso.com")
		verify := b.Post("/signin/password", "password", newPassword).Want(http.StatusOK, "signin-verify")
		if number(verify) != "" {
			t.Error("a page that GET shows sends a request")
		}
		verify = b.Post("/signin/verify", "method", m.ID, "action", "send").Want(http.StatusOK, "signin-verify")
		shown = number(verify)
		if refused := b.Post("/signin/verify", "method", m.ID, "action", "continue").Want(http.StatusUnprocessableEntity, "signin-verify"); refused.Alert() != "code-expired" {
			t.Errorf("went on without an answer: %q", refused.Alert())
		}
		if refused := b.Post("/signin/verify", "method", m.ID, "action", "verify", "code", shown); refused.Name() == "security-info" {
			t.Fatal("the sign-in page approves itself")
		}
		device = me.Get("/push")
		if !strings.Contains(device.Text(), "sedang masuk") {
			t.Errorf("the device does not say what it is for:\n%s", device.Text())
		}
		me.Post("/push", "request", requestOn(t, device), "action", "approve", "code", shown).Want(http.StatusOK, "push-approve")
		other := b.Clone()
		b.Get("/signin/verify").Want(http.StatusOK, "signin-verify")
		in := b.Post("/signin/verify", "method", m.ID, "action", "continue")
		if in.Status != http.StatusOK || in.Name() == "signin-verify" {
			t.Fatalf("not signed in: %d %s %q", in.Status, in.Name(), in.Alert())
		}
		if late := other.Post("/signin/verify", "method", m.ID, "action", "continue"); late.Path == "/security-info" {
			t.Error("one answer signs in twice")
		}

		// Deleted, it answers nothing any more.
		p.Clock.Advance(25 * time.Hour) // the hours after a reset are over
		elsewhere := signedIn(t, p, "citra@contoso.com", m.ID)
		elsewhere.Post("/security-info/"+m.ID+"/delete").Want(http.StatusOK, "security-info")
		if page := me.Get("/push").Want(http.StatusOK, "push-approve"); !page.Has("/security-info/add") {
			t.Errorf("a deleted device is still one:\n%s", page.Text())
		}
	})
}

func TestNotMeStopsEverything(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		addDevice(t, me.Browser, "Laptop")
		m := me.ofKind(method.AuthenticatorPush)
		stranger := p.Browser()
		waiting := toDevice(t, stranger, "alain@contoso.com", m.ID)
		request := requestOn(t, me.Get("/push"))

		// Somebody else's device can neither answer nor stop it.
		other := signedIn(t, p, "citra@contoso.com", "")
		addDevice(t, other.Browser, "Ponsel Citra")
		for _, action := range []string{"approve", "deny"} {
			refused := other.Post("/push", "request", request, "action", action, "code", number(waiting)).Want(http.StatusUnprocessableEntity, "push-approve")
			if refused.Alert() != "code-expired" {
				t.Errorf("another account's device, %s: %q", action, refused.Alert())
			}
		}
		stranger.Get("/reset/verify").Want(http.StatusOK, "reset-verify")

		done := me.Post("/push", "request", request, "action", "deny").Want(http.StatusOK, "push-approve")
		if !strings.Contains(done.Text(), "dihentikan") {
			t.Errorf("nothing is said:\n%s", done.Text())
		}
		stranger.Get("/reset/verify").Want(http.StatusOK, "reset-problem")
		me.Get("/security-info").Want(http.StatusOK, "signin")
		if !p.Has(audit.RequestOpened) || !p.Has(audit.SessionRevoked) {
			t.Error("no request was opened, or sessions went on")
		}
		again := p.Browser()
		again.Get("/reset")
		if page := again.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"); page.Name() != "reset-problem" {
			t.Errorf("resets go on: %s", page.Name())
		}
	})
}

// Requests that nobody asked for tire people into answering: there is a pause
// after each, and resets do not use up what signing in needs.
func TestRequestsAreFew(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{})
	me := signedIn(t, p, "alain@contoso.com", "")
	addDevice(t, me.Browser, "Laptop")
	m := me.ofKind(method.AuthenticatorPush)
	first, second := p.Browser(), p.Browser()
	shown := number(toDevice(t, first, "alain@contoso.com", m.ID))
	second.Get("/reset")
	second.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot")
	refused := second.Post("/reset/verify", "method", m.ID, "action", "send").Want(http.StatusTooManyRequests, "reset-choose")
	if refused.Alert() != "send-limit" || refused.Header.Get("Retry-After") == "" || number(refused) != "" {
		t.Errorf("a second request within a minute: %q", refused.Alert())
	}
	// The door of signing in has its own pause.
	b := p.Browser()
	b.Post("/signin", "user_id", "alain@contoso.com")
	b.Post("/signin/password", "password", kuncitest.OldPassword).Want(http.StatusOK, "signin-verify")
	if number(b.Post("/signin/verify", "method", m.ID, "action", "send").Want(http.StatusOK, "signin-verify")) == "" {
		t.Error("a reset that anybody can begin keeps the person from signing in")
	}
	// Whoever asked first has no request any more; an old number answers nothing new.
	p.Clock.Advance(61 * time.Second)
	busy := second.Post("/reset/verify", "method", m.ID, "action", "send").Want(http.StatusTooManyRequests, "reset-choose")
	if busy.Alert() != "send-limit" {
		t.Errorf("a reset ends a request to sign in: %q", busy.Alert())
	}
	p.Clock.Advance(time.Minute) // that request is over
	fresh := second.Post("/reset/verify", "method", m.ID, "action", "send").Want(http.StatusOK, "reset-verify")
	if number(fresh) == "" {
		t.Fatalf("none after the pause:\n%s", fresh.Text())
	}
	request := requestOn(t, me.Get("/push"))
	if stale := me.Post("/push", "request", request, "action", "approve", "code", stalest(shown, number(fresh))).Want(http.StatusUnprocessableEntity, "push-approve"); stale.Alert() != "code-wrong" {
		t.Errorf("a stale number: %q", stale.Alert())
	}
	// After two minutes nothing waits.
	p.Clock.Advance(121 * time.Second)
	if late := me.Post("/push", "request", request, "action", "approve", "code", number(fresh)).Want(http.StatusUnprocessableEntity, "push-approve"); late.Alert() != "code-expired" {
		t.Errorf("too late: %q", late.Alert())
	}
	if over := second.Get("/reset/verify").Want(http.StatusOK, "reset-verify"); number(over) != "" || len(over.Choices("action")) == 0 {
		t.Errorf("the page does not say that it is over:\n%s", over.Text())
	}
}

// stalest is the older number, or where chance made both the same another one.
func stalest(old, fresh string) string {
	if old == fresh {
		return otherThan(fresh)
	}
	return old
}

// Of answers in parallel exactly one passes, and three wrong ones end a request.
func TestOneAnswerPasses(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		addDevice(t, me.Browser, "Laptop")
		m := me.ofKind(method.AuthenticatorPush)
		stranger := p.Browser()
		shown := number(toDevice(t, stranger, "alain@contoso.com", m.ID))
		request := requestOn(t, me.Get("/push"))
		var all sync.WaitGroup
		var mu sync.Mutex
		passed := 0
		for range 8 {
			b := me.Clone()
			all.Go(func() {
				page, err := b.Do(http.MethodPost, "/push", map[string][]string{"request": {request}, "action": {"approve"}, "code": {shown}})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				} else if page.Status == http.StatusOK {
					passed++
				}
			})
		}
		all.Wait()
		if passed != 1 {
			t.Errorf("%d answers passed, want 1", passed)
		}
		stranger.Get("/reset/verify").Want(http.StatusOK, "reset-password")

		p.Clock.Advance(2 * time.Minute)
		guesser := p.Browser()
		shown = number(toDevice(t, guesser, "alain@contoso.com", m.ID))
		request = requestOn(t, me.Get("/push"))
		for i := range 3 {
			refused := me.Post("/push", "request", request, "action", "approve", "code", otherThan(shown)).Want(http.StatusUnprocessableEntity, "push-approve")
			if refused.Alert() != "code-wrong" {
				t.Errorf("wrong number %d: %q", i, refused.Alert())
			}
		}
		if ended := me.Post("/push", "request", request, "action", "approve", "code", shown).Want(http.StatusUnprocessableEntity, "push-approve"); ended.Alert() != "code-expired" {
			t.Errorf("the right number after three wrong ones: %q", ended.Alert())
		}
		if over := guesser.Get("/reset/verify").Want(http.StatusOK, "reset-verify"); number(over) != "" {
			t.Error("the page still shows a number")
		}
	})
}

// The notification says that something waits and nothing of what.
func TestADeviceIsToldByItsPushService(t *testing.T) {
	each(t, kuncitest.Options{Push: true}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		page := me.Post("/security-info/add", "kind", "authenticator_push").Want(http.StatusOK, "security-info-add")
		id, _ := page.Field("method")
		if !strings.Contains(page.Body, "data-push-key=") {
			t.Error("the page does not offer notifications")
		}
		me.Post("/security-info/add", "kind", "authenticator_push", "method", id, "code", number(page),
			"subscription", p.Push.Subscription("/send/1")).Want(http.StatusOK, "security-info")
		if m := me.ofKind(method.AuthenticatorPush); !m.Subscribed() {
			t.Fatal("the device is not subscribed")
		}
		shown := number(toDevice(t, p.Browser(), "alain@contoso.com", id))
		if got := p.Push.Wait(1)[0]; got.Path != "/send/1" || strings.Contains(got.Text, shown) || strings.Contains(got.Text, "alain") {
			t.Errorf("the device was told %+v, the number is %s", got, shown)
		}
		p.Clock.Advance(3 * time.Minute)
		me.Post("/push", "action", "unsubscribe").Want(http.StatusOK, "push-approve")
		if me.ofKind(method.AuthenticatorPush).Subscribed() {
			t.Error("still subscribed")
		}
		for _, bad := range []string{"", "{}", strings.Replace(p.Push.Subscription("/x"), "https:", "http:", 1)} {
			me.Post("/push", "action", "subscribe", "subscription", bad).Want(http.StatusUnprocessableEntity, "push-approve")
		}
		p.Browser().Post("/push", "action", "subscribe", "subscription", p.Push.Subscription("/x")).Want(http.StatusUnprocessableEntity, "push-approve")
		me.Post("/push", "action", "subscribe", "subscription", p.Push.Subscription("/send/2")).Want(http.StatusOK, "push-approve")
		if me.ofKind(method.AuthenticatorPush).Subscription.Endpoint != p.Push.URL+"/send/2" {
			t.Error("not subscribed again")
		}
	})
}

// What a page on a home screen needs is served, and our own files alone may work there.
func TestTheFilesOfADevice(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{})
	b := p.Browser()
	b.Header.Set("User-Agent", "Mozilla/4.0 (compatible; MSIE 8.0)") // files are for every browser
	for path, kind := range map[string]string{"/push-worker.js": "text/javascript", "/manifest.webmanifest": "application/manifest+json"} {
		file := b.Get(path)
		if file.Status != http.StatusOK || !strings.HasPrefix(file.Header.Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", path, file.Status, file.Header.Get("Content-Type"))
		}
		if !strings.Contains(file.Header.Get("Content-Security-Policy"), "worker-src 'self'") {
			t.Errorf("%s: %s", path, file.Header.Get("Content-Security-Policy"))
		}
	}
	if scope := b.Get("/push-worker.js").Header.Get("Service-Worker-Allowed"); scope != "/push" {
		t.Errorf("the worker may look after %q", scope)
	}
	if !strings.Contains(p.Browser().Get("/push").Body, `<link rel="manifest" href="/manifest.webmanifest">`) {
		t.Error("the page of devices cannot be put on a home screen")
	}
}
